import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.io import redact as module
from pipeline.io.redact import MASK, redact, register_secrets


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(module, "_secrets", set())


@given(st.text(st.characters(codec="utf-8"), min_size=4, max_size=12))
@example("100%")
def test_a_secret_is_found_however_it_is_quoted(secret):
    module._secrets.clear()
    register_secrets([secret])
    for quoted in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]):
        assert redact(quoted) == MASK
    assert redact(json.dumps(secret, ensure_ascii=False)) == f'"{MASK}"'


def test_texts_in_lists_and_dictionaries_but_no_names_and_no_numbers():
    register_secrets(["1234", "rows", "abc", "1234567"])
    found = redact({"rows": [1234, "12345678", ("rows", None)], "abc": {"inner": "abc"}})
    assert found == {"rows": [1234, "***8", ("***", None)], "abc": {"inner": "abc"}}


def test_what_almost_is_a_secret_takes_no_time():
    register_secrets(["http://127.0.0.1:8787/a-long-one", "\\" * 12 + "ends"])
    begin = time.perf_counter()
    texts = ["http://127.0.0.1:8787/a-long-two", "\\" * 24 + "end"] * 10
    assert redact(texts) == texts
    assert time.perf_counter() - begin < 1
