"""The profile of training data: what is kept, how two merge, and which frames it lets pass."""

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.evaluation.drift_profile import MAX_VALUES, check_schema, merge_profiles, missing_rate, profile
from pipeline.preparation.columns import Columns
from pipeline.statistics.counts import Counts
from pipeline.statistics.moments import NumericStats
from pipeline.statistics.summary import Summary

COLUMNS = Columns(("a",), ("k",))


def profiled(values: list[float], counts: pd.Series, missing: int = 0) -> dict:
    number = NumericStats.of(np.array(values, dtype=np.float32), np.arange(len(values)), 0.0, 1.0)
    return profile(Summary({}, {"a": number}, {"k": Counts(counts, missing)}, None, None, None), COLUMNS)


def test_profile_keeps_the_most_frequent_values():
    counts = pd.Series(np.arange(1, MAX_VALUES + 3), index=[f"v{i:03d}" for i in range(MAX_VALUES + 2)])
    kept = profiled([1.0], counts)["codes"]["k"]
    assert kept["distinct"] == MAX_VALUES + 2
    assert (len(kept["values"]), kept["values"][0]) == (MAX_VALUES, f"v{MAX_VALUES + 1:03d}")
    assert kept["rest"] == 1 + 2


def test_merged_profile_is_that_of_all_rows():
    first = profiled([1.0, np.nan, 3.0], pd.Series({"p": 2, "q": 1}), missing=1)
    second = profiled([-5.0, 2.0], pd.Series({"q": 4, "r": 1}))
    merged = merge_profiles(first, second)
    both = profiled([1.0, np.nan, 3.0, -5.0, 2.0], pd.Series({"q": 5, "p": 2, "r": 1}), missing=1)
    assert merged["numbers"] == both["numbers"]
    assert merged["codes"]["k"].pop("distinct") == both["codes"]["k"].pop("distinct") == 3
    assert merged["codes"] == both["codes"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": [1.0]}), "column 'k': missing from the data"),
        (pd.DataFrame({"a": ["x"], "k": ["p"]}), "column 'a': .* in the data, but numeric when the model was trained"),
    ],
)
def test_a_frame_of_another_schema_is_refused(frame, message):
    with pytest.raises(DataError, match=message):
        check_schema({"kinds": {"a": "numeric", "k": "categorical"}}, COLUMNS, frame)


def test_a_frame_of_the_same_schema_passes():
    check_schema({"kinds": {"a": "numeric", "k": "categorical"}}, COLUMNS, pd.DataFrame({"a": [1], "k": [None]}))


def test_missing_rate_without_rows_is_zero():
    assert (missing_rate(0, 0), missing_rate(1, 3)) == (0.0, 0.25)
