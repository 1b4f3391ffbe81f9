import pickle

import pytest

from pipeline.errors import MAX_MESSAGE_CHARS, ClusterError, ConfigError, DataError, Interrupted, PipelineError


@pytest.mark.parametrize(("error", "code"), [(DataError, 1), (ClusterError, 1), (ConfigError, 2), (Interrupted, 130)])
def test_each_kind_has_its_exit_code_and_survives_a_process_boundary(error, code):
    copy = pickle.loads(pickle.dumps(error("data.path: nothing is there; correct it.")))
    assert (type(copy), str(copy), copy.exit_code) == (error, "data.path: nothing is there; correct it.", code)


def test_control_characters_of_quoted_data_become_blanks():
    assert str(DataError("a\x1b[31m\nb\x00c")) == "a [31m b c"


def test_a_message_that_is_too_long_keeps_its_beginning_and_its_end():
    message = str(DataError("begin" + "x" * 1_000_000 + "end"))
    assert len(message) <= MAX_MESSAGE_CHARS + 3
    assert message.startswith("beginxxx")
    assert " … " in message


def test_the_error_below_is_not_chained():
    with pytest.raises(PipelineError) as caught:
        try:
            raise ValueError("a secret")
        except ValueError:
            raise DataError("a sentence.")  # noqa: B904
    assert caught.value.__context__ is None
