import msgspec
import numpy as np
import pandas as pd
import pytest

from pipeline.config import JoinConfig
from pipeline.errors import ConfigError, DataError, PipelineError
from pipeline.preparation.transforms import PreparationSteps, check_join, prepare, resolve, small_table

FRAME = pd.DataFrame({"k": ["a", "b", None, "z"], "i": [1, 2, 3, 4]}, index=[7, 8, 9, 10])


@pytest.fixture
def join(tmp_path):
    pd.DataFrame({"k": ["b", "a"], "v": [20, 10], "w": ["B", "A"]}).to_parquet(tmp_path / "small.parquet")
    small_table.cache_clear()
    return JoinConfig(path=str(tmp_path / "small.parquet"), on=["k"], columns=["v", "w"], prefix="p_")


def test_join_equals_a_left_merge_and_keeps_the_rows(join):
    before = FRAME.copy()
    result = prepare(FRAME, PreparationSteps((join,)))[0]
    table = pd.DataFrame({"k": ["b", "a"], "p_v": [20, 10], "p_w": ["B", "A"]})
    expected = FRAME.merge(table, on="k", how="left").set_axis(FRAME.index)
    pd.testing.assert_frame_equal(result, expected, check_dtype=False)
    pd.testing.assert_frame_equal(FRAME, before)


def test_join_takes_categories_and_empty_frames(join):
    result = prepare(FRAME.astype({"k": "category"}), PreparationSteps((join,)))[0]
    assert result["p_v"].tolist()[:2] == [10, 20]
    assert list(prepare(FRAME.iloc[:0], PreparationSteps((join,)))[0].columns) == ["k", "i", "p_v", "p_w"]


def test_join_on_two_columns(tmp_path):
    pd.DataFrame({"k": ["a", "a"], "i": [1, 2], "v": [5, 6]}).to_parquet(tmp_path / "two.parquet")
    join = JoinConfig(path=str(tmp_path / "two.parquet"), on=["k", "i"], columns=["v"])
    assert prepare(FRAME, PreparationSteps((join,)))[0]["v"].fillna(-1).tolist() == [5, -1, -1, -1]


def test_join_refuses_a_key_that_stands_twice(tmp_path):
    pd.DataFrame({"k": ["a", "a"], "v": [5, 6]}).to_parquet(tmp_path / "twice.parquet")
    with pytest.raises(DataError, match="k = a stands there twice"):
        prepare(FRAME, PreparationSteps((JoinConfig(path=str(tmp_path / "twice.parquet"), on=["k"], columns=["v"]),)))


def test_join_is_checked_before_the_run(join, tmp_path):
    with pytest.raises(ConfigError, match="no column 'kk'; did you mean k"):
        check_join(JoinConfig(path=join.path, on=["kk"], columns=["v"]), ["k"])
    with pytest.raises(ConfigError, match="the data has no column 'k'"):
        check_join(join, ["j"])
    with pytest.raises(DataError, match=r"none\.parquet"):
        check_join(JoinConfig(path=str(tmp_path / "none.parquet"), on=["k"], columns=["v"]), ["k"])


def test_function_is_called_and_its_exception_is_a_sentence():
    assert len(prepare(FRAME, PreparationSteps(function="tests.prepared:keep_large"))[0]) == 2
    with pytest.raises(DataError, match=r"tests\.prepared:fail: raised ZeroDivisionError"):
        prepare(FRAME, PreparationSteps(function="tests.prepared:fail"))
    with pytest.raises(DataError, match="returned int; return a DataFrame"):
        prepare(FRAME, PreparationSteps(function="tests.prepared:not_a_frame"))


@pytest.mark.parametrize("reference", ["nothing", "no.such.module:f", "tests.prepared:absent", "tests.prepared:NUMBER"])
def test_function_that_is_none(reference):
    with pytest.raises(ConfigError, match=r"prepare\.function"):
        resolve(reference)


def test_rows_without_a_match_are_counted_and_an_inner_join_drops_them(join):
    joined, tally = prepare(FRAME, PreparationSteps((join,)))
    assert (len(joined), tally.unmatched, tally.dropped) == (4, {"small.parquet": 2}, {})
    joined, tally = prepare(FRAME, PreparationSteps((msgspec.structs.replace(join, how="inner"),)))
    assert joined["k"].tolist() == ["a", "b"]
    assert tally.dropped == {"no match in small.parquet": 2}


def test_derived_columns_see_those_before_them_and_missing_stays_missing():
    frame = pd.DataFrame({"a": [1.0, np.nan, 30.0], "k": pd.Categorical(["x", None, "y"])})
    derive = (
        ("late", "a > 15"),
        ("twice", "2 * a"),
        ("four", "twice + twice"),
        ("both", "k + '-' + k"),
        ("one", "1"),
    )
    result, _ = prepare(frame, PreparationSteps(derive=derive))
    assert result["late"].tolist() == [False, pd.NA, True]
    assert result["four"].tolist() == [4.0, pd.NA, 120.0]
    assert result["both"].tolist() == ["x-x", pd.NA, "y-y"]
    assert result["one"].tolist() == [1, 1, 1]
    assert list(frame.columns) == ["a", "k"]


def test_conditions_drop_rows_and_say_how_many():
    steps = PreparationSteps(filter=(("known", "k == k"), ("small", "i < 4 and i != 1")))
    result, tally = prepare(FRAME, steps)
    assert result["i"].tolist() == [2]
    assert tally.dropped == {"prepare.filter.known": 1, "prepare.filter.small": 2}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (PreparationSteps(derive=(("d", "ii + 1"),)), "prepare.derive.d: no column 'ii'; did you mean i"),
        (PreparationSteps(derive=(("d", "i +"),)), "is not an expression"),
        (PreparationSteps(derive=(("d", "@pd"),)), "holds @ or __"),
        (PreparationSteps(derive=(("d", "i.__class__"),)), "holds @ or __"),
        (PreparationSteps(derive=(("d", "k + 1"),)), "cannot be computed"),
        (PreparationSteps(filter=(("f", "i + 1"),)), "gives Int64, not true or false"),
    ],
)
def test_expressions_that_are_none(steps, message):
    with pytest.raises(PipelineError, match=message):
        prepare(FRAME, steps)
