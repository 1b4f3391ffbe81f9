import pickle

import pandas as pd
import pytest

from pipeline.errors import ConfigError
from pipeline.preparation.columns import Columns
from pipeline.preparation.feature_inference import FeatureSelection, choose_features, feature_kind
from tests.builders import make_config

# Without rows, as the plan has it.
FRAME = pd.DataFrame(
    {
        "x": pd.Series(dtype="float64"),
        "n": pd.Series(dtype="int64"),
        "b": pd.Series(dtype="boolean"),
        "c": pd.Series(dtype="category"),
        "s": pd.Series(dtype="str"),
        "t": pd.Series(dtype="datetime64[us]"),
        "took": pd.Series(dtype="timedelta64[us]"),
        "raw": pd.Series(dtype=object),
        "y": pd.Series(dtype="int64"),
    }
).astype({"c": pd.CategoricalDtype(pd.Index([], dtype="str"))})


def chosen(features=None, split=None) -> FeatureSelection:
    config = make_config("data", features=features or {}, split=split or {})
    return choose_features(FRAME, config, "classification")


def test_features_are_inferred_from_dtypes_with_a_reason_for_each_column():
    before = FRAME.copy()
    selection = chosen()
    assert selection.columns == Columns(("x", "n", "b"), ("c", "s"), ("t",))
    assert selection.reasons["n"] == "int64 column"
    assert selection.reasons["took"] == "left out: timedelta64[us] has no treatment"
    assert selection.reasons["raw"] == "left out: object has no treatment"
    assert "y" not in selection.reasons
    pd.testing.assert_frame_equal(FRAME, before)
    assert pickle.loads(pickle.dumps(selection)) == selection


def test_excluded_columns_texts_and_the_group_of_the_split_are_not_inferred():
    selection = chosen({"exclude": ["x"], "text": ["s"]}, {"by": "group", "column": "n"})
    assert selection.columns == Columns(("b",), ("c",), ("t",), ("s",))
    assert selection.reasons["x"] == "left out: features.exclude"
    assert selection.reasons["s"] == "named in features.text"
    assert "n" not in selection.reasons


def test_named_features_are_the_only_ones():
    selection = chosen({"categorical": ["n", "c"], "cross": [["c", "t.hour"]], "datetime": ["t"]})
    assert selection.columns == Columns((), ("n", "c"), ("t",), cross=(("c", "t.hour"),))
    assert selection.reasons["c:t.hour"] == "named in features.cross"


def test_options_apply_to_the_columns_of_their_kinds_and_are_in_the_reasons():
    own = {"x": {"log1p": True}, "c:n": {"encode": "target"}}
    selection = chosen({"scale": "robust", "cross": [["c", "n"]], "exclude": ["s", "t", "b"], "columns": own})
    assert selection.columns.options == {
        "x": {"scale": "robust", "log1p": True},
        "n": {"scale": "robust"},
        "c": {"scale": "robust"},
        "c:n": {"encode": "target", "scale": "robust"},
    }
    assert selection.reasons["x"] == "float64 column; scale robust, log1p True"


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"exclude": ["nn"]}, "features.exclude: no file has a column 'nn'; did you mean n"),
        ({"numeric": ["xx"]}, "features.numeric: no file has a column 'xx'; did you mean x"),
        ({"numeric": ["y"]}, "features.numeric: 'y' is the label; a feature must not be"),
        ({"numeric": ["c"]}, "features.numeric: column 'c' is category; name it under categorical"),
        (
            {"numeric": ["took"]},
            r"features.numeric: column 'took' is timedelta64\[us\]; name it under none, leave it out",
        ),
        ({"categorical": ["x"]}, "features.categorical: column 'x' is float64; name it under numeric"),
        ({"text": ["n"]}, "features.text: column 'n' is int64; name it under numeric"),
        ({"text": ["ss"]}, "features.text: no file has a column 'ss'"),
        ({"cross": [["c", "x"]]}, "features.cross: column 'x' is float64"),
        ({"numeric": ["n"], "categorical": ["n"]}, "features: column 'n' is named twice; name it once"),
        ({"numeric": []}, "features: no column is left to learn from"),
        ({"columns": {"cc": {}}}, "features.columns.cc: no feature has this name; did you mean c"),
        (
            {"columns": {"t": {"buckets": 8}}},
            "features.columns.t.buckets: 't' is datetime, which knows parts, cyclical",
        ),
    ],
)
def test_names_that_cannot_be_features_are_refused_with_their_key(features, message):
    with pytest.raises(ConfigError, match=message):
        chosen(features)


def test_kinds_of_dtypes():
    kinds = {name: feature_kind(dtype) for name, dtype in FRAME.dtypes.items()}
    assert kinds == {
        **dict.fromkeys(["x", "n", "b", "y"], "numeric"),
        **dict.fromkeys(["c", "s"], "categorical"),
        "t": "datetime",
        **dict.fromkeys(["took", "raw"], None),
    }
    assert feature_kind(pd.Series([1j]).dtype) is None
