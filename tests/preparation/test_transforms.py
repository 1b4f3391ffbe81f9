import pickle

import msgspec
import numpy as np
import pandas as pd
import pytest

from pipeline.errors import ConfigError, DataError, PipelineError
from pipeline.preparation.row_counts import RowCounts
from pipeline.preparation.transforms import PreparationSteps, apply_steps, filter_reason, import_function
from tests.preparation.builders import JOIN_TABLE


def test_function_is_called_and_its_exception_is_a_sentence():
    assert len(apply_steps(JOIN_TABLE, PreparationSteps(function="tests.user_code:keep_large"))[0]) == 2
    with pytest.raises(DataError, match=r"tests\.user_code:fail: raised ZeroDivisionError"):
        apply_steps(JOIN_TABLE, PreparationSteps(function="tests.user_code:fail"))
    with pytest.raises(DataError, match="returned int; return a DataFrame"):
        apply_steps(JOIN_TABLE, PreparationSteps(function="tests.user_code:not_a_frame"))


@pytest.mark.parametrize(
    "reference", ["nothing", "no.such.module:f", "tests.user_code:absent", "tests.user_code:NUMBER"]
)
def test_function_that_is_none(reference):
    with pytest.raises(ConfigError, match=r"prepare\.function"):
        import_function(reference)


def test_rows_without_a_match_are_counted_and_an_inner_join_drops_them(join):
    joined, counts = apply_steps(JOIN_TABLE, PreparationSteps((join,)))
    assert (len(joined), counts.unmatched, counts.dropped) == (4, {"small.parquet": 2}, {})
    joined, counts = apply_steps(JOIN_TABLE, PreparationSteps((msgspec.structs.replace(join, how="inner"),)))
    assert joined["k"].tolist() == ["a", "b"]
    assert counts.dropped == {"no match in small.parquet": 2}


def test_derived_columns_see_those_before_them_and_missing_stays_missing():
    frame = pd.DataFrame({"a": [1.0, np.nan, 30.0], "k": pd.Categorical(["x", None, "y"])})
    derive = (
        ("late", "a > 15"),
        ("twice", "2 * a"),
        ("four", "twice + twice"),
        ("both", "k + '-' + k"),
        ("one", "1"),
    )
    result, _ = apply_steps(frame, PreparationSteps(derive=derive))
    assert result["late"].tolist() == [False, pd.NA, True]
    assert result["four"].tolist() == [4.0, pd.NA, 120.0]
    assert result["both"].tolist() == ["x-x", pd.NA, "y-y"]
    assert result["one"].tolist() == [1, 1, 1]
    assert list(frame.columns) == ["a", "k"]


def test_conditions_drop_rows_and_say_how_many():
    steps = PreparationSteps(filter=(("known", "k == k"), ("small", "i < 4 and i != 1")))
    result, counts = apply_steps(JOIN_TABLE, steps)
    assert result["i"].tolist() == [2]
    assert counts.dropped == {"known": 1, "small": 2}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (PreparationSteps(derive=(("d", "ii + 1"),)), "prepare.derive.d: no column 'ii'; did you mean i"),
        (PreparationSteps(derive=(("d", "i +"),)), "is not an expression"),
        (PreparationSteps(derive=(("d", "@pd"),)), "is not an expression"),
        (PreparationSteps(derive=(("d", "i.__class__"),)), "holds .__class__"),
        (PreparationSteps(derive=(("d", "k + 1"),)), "cannot be computed"),
        (PreparationSteps(filter=(("f", "i + 1"),)), "gives Int64, not true or false"),
    ],
)
def test_expressions_that_are_none(steps, message):
    with pytest.raises(PipelineError, match=message):
        apply_steps(JOIN_TABLE, steps)


def test_without_steps_the_frame_itself_is_the_result():
    assert PreparationSteps().is_empty
    assert not PreparationSteps(filter=(("small", "i < 4"),)).is_empty
    result, counts = apply_steps(JOIN_TABLE, PreparationSteps())
    assert result is JOIN_TABLE
    assert counts == RowCounts(4)


@pytest.mark.parametrize("rows", [0, 1])
def test_apply_steps_to_few_rows_equals_their_part_and_keeps_the_frame(join, rows):
    steps = PreparationSteps((join,), (("twice", "2 * p_v"),), (("small", "i < 4"),), "tests.user_code:add_column")
    steps = pickle.loads(pickle.dumps(steps))
    before = JOIN_TABLE.copy()
    result, counts = apply_steps(JOIN_TABLE.iloc[:rows], steps)
    pd.testing.assert_frame_equal(result, apply_steps(JOIN_TABLE, steps)[0].iloc[:rows], check_dtype=False)
    assert counts.read == rows
    pd.testing.assert_frame_equal(JOIN_TABLE, before)


def test_a_condition_called_as_a_role_or_another_reason_keeps_its_key():
    names = ["cheap", "train", "label missing", "outside data.filters", "no match in a.parquet", "where"]
    assert [filter_reason(name) for name in names] == ["cheap", *(f"prepare.filter.{name}" for name in names[1:])]
    frame = pd.DataFrame({"i": [1, 2, 3]})
    _, counts = apply_steps(frame, PreparationSteps(filter=(("test", "i > 1"), ("few", "i < 3"))))
    assert counts.dropped == {"prepare.filter.test": 1, "few": 1}
