import pytest

from pipeline.config.overrides import apply_override
from pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("[1, 2]", [1, 2]), ('"a"', "a"), ("bare/word", "bare/word"), ("", ""), ("a=b", "a=b")],
)
def test_value_is_toml_or_a_bare_word(text, value):
    assert apply_override({}, f"section.key={text}") == {"section": {"key": value}}


def test_override_leaves_its_input_unchanged():
    raw = {"train": {"lanes": 2}}
    assert apply_override(raw, "train.epochs=3") == {"train": {"lanes": 2, "epochs": 3}}
    assert raw == {"train": {"lanes": 2}}


@pytest.mark.parametrize("override", ["data.storage options.secret=canary", "data.path.secret=canary"])
def test_error_does_not_quote_the_value(override):
    with pytest.raises(ConfigError) as caught:
        apply_override({"data": {"path": "d"}}, override)
    assert "canary" not in str(caught.value)
