import pickle

import pytest

from pipeline.errors import MAX_MESSAGE_CHARS, ClusterError, ConfigError, DataError, Interrupted, PipelineError


@pytest.mark.parametrize(("error", "code"), [(DataError, 1), (ClusterError, 1), (ConfigError, 2), (Interrupted, 130)])
def test_each_kind_has_its_exit_code_and_survives_a_process_boundary(error, code):
    copy = pickle.loads(pickle.dumps(error("data.path: nothing is there; correct it.")))
    assert (type(copy), str(copy), copy.exit_code) == (error, "data.path: nothing is there; correct it.", code)


def test_control_characters_of_quoted_data_become_blanks():
    assert str(DataError("a\x1b[31m\nb\x00c")) == "a [31m b c"


@pytest.mark.parametrize("chars", [MAX_MESSAGE_CHARS, 1_000_000])
def test_a_message_that_is_too_long_is_cut(chars):
    message = str(DataError("begin" + "x" * chars + "end"))
    assert len(message) <= MAX_MESSAGE_CHARS + 3
    assert message.startswith("beginxxx")
    assert " … " in message
    assert message.endswith("xxxend" if chars == MAX_MESSAGE_CHARS else "xxx"), "of a huge one, the end is unknown"


def test_the_error_below_is_not_chained():
    with pytest.raises(PipelineError) as caught:
        try:
            raise ValueError("a secret")
        except ValueError:
            raise DataError("a sentence.")  # noqa: B904
    assert caught.value.__context__ is None
