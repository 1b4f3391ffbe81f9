import re
from pathlib import Path

import pytest

import pipeline
from pipeline.config.messages import suggest
from pipeline.errors import ConfigError
from tests.builders import make_config


def test_suggest_names_similar_names_or_the_first_of_all():
    assert suggest("lable", ["path", "label"]) == "; did you mean label?"
    assert suggest("zz", [1, 2]) == "; valid names are 1, 2."
    assert suggest("zz", range(20)).endswith(", 10, 11, …")
    assert suggest("zz", []) == "."


def test_no_message_puts_a_full_stop_after_a_suggestion():
    package = Path(pipeline.__file__).parent
    wrong = [path.name for path in package.rglob("*.py") if re.search(r"suggest(ion|\(.*\))\}\.", path.read_text())]
    assert wrong == []


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"batch_rows": 0}}, 'data.batch_rows: Expected `int` >= 1 (allowed words: "auto", "file"); see'),
        ({"split": {"by": "hour"}}, 'split.by: Invalid enum value \'hour\' (allowed words: "row", "batch"'),
        (
            {"features": {"columns": {"x": {"impute": "x"}}}},
            'features.columns.x.impute: Invalid enum value \'x\' (allowed words: "mean", "median"); see',
        ),
        (
            {"data": {"join": [{"path": "a", "on": ["b"], "columns": ["c"], "how": "x"}]}},
            'data.join[0].how: Invalid enum value \'x\' (allowed words: "left", "inner"); see',
        ),
        ({"train": {"tol": "x"}}, "train.tol: Expected `float`, got `str`; see"),
    ],
)
def test_wrong_value_is_explained_with_the_allowed_words(sections, message):
    with pytest.raises(ConfigError) as caught:
        make_config("d", **sections)
    assert message in str(caught.value)
