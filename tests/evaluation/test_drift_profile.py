"""The profile of training data: what is kept, how two merge, and which frames it lets pass."""

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.evaluation.drift_profile import (
    MAX_VALUES,
    check_schema,
    merge_profiles,
    missing_rate,
    missing_rows,
    profile,
)
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
    number, expected = merged["numbers"]["a"], both["numbers"]["a"]
    assert number.pop("histogram").tolist() == expected.pop("histogram").tolist()
    assert number == expected
    assert merged["codes"]["k"].pop("distinct") == both["codes"]["k"].pop("distinct") == 3
    # The value that each part has once, the other part may have too.
    assert (merged["codes"]["k"].pop("unseen"), both["codes"]["k"].pop("unseen")) == (2, 1)
    assert merged["codes"] == both["codes"]


def test_profile_of_an_earlier_version_keeps_the_histogram_of_the_new_rows():
    first, second = profiled([1.0, np.nan, 3.0], pd.Series({"p": 2})), profiled([-5.0, 2.0], pd.Series({"p": 4}))
    earlier = {"missing": 1 / 3, "low": 1.0, "high": 3.0, "histogram": [0] * 62 + [1, 1]}
    merged = merge_profiles({**first, "numbers": {"a": earlier}}, second)["numbers"]["a"]
    assert merged["histogram"].tolist() == second["numbers"]["a"]["histogram"].tolist()
    assert (merged["low"], merged["high"]) == (-5.0, 3.0)


def test_rows_without_a_value_are_remembered_or_follow_from_their_rate():
    assert missing_rows({"missing_rows": 7, "missing": 0.5}, 1) == 7
    assert missing_rows({"missing": 0.25}, 3) == 1
    assert missing_rows({"missing": 1.0}, 0) == 0


def test_unseen_rows_are_those_that_a_row_would_be_if_the_encoder_had_not_seen_it():
    counts = Counts(pd.Series({"often": 5, "twice": 2, "once": 1, "also": 1}))
    summary = Summary({}, {}, {"k": counts}, None, None, None)
    assert profile(summary, COLUMNS)["codes"]["k"]["unseen"] == 2
    limited = profile(summary, COLUMNS, {"k": np.array(["often", "once"], dtype=object)})
    assert limited["codes"]["k"]["unseen"] == 2 + 1 + 1


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
