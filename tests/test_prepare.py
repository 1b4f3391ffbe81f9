import pandas as pd
import pytest

from pipeline.config import Join
from pipeline.errors import ConfigError, DataError
from pipeline.prepare import check_join, prepare, resolve, small_table

FRAME = pd.DataFrame({"k": ["a", "b", None, "z"], "i": [1, 2, 3, 4]}, index=[7, 8, 9, 10])


@pytest.fixture
def join(tmp_path):
    pd.DataFrame({"k": ["b", "a"], "v": [20, 10], "w": ["B", "A"]}).to_parquet(tmp_path / "small.parquet")
    small_table.cache_clear()
    return Join(path=str(tmp_path / "small.parquet"), on=["k"], columns=["v", "w"], prefix="p_")


def test_join_equals_a_left_merge_and_keeps_the_rows(join):
    before = FRAME.copy()
    result = prepare(FRAME, [join], None)
    table = pd.DataFrame({"k": ["b", "a"], "p_v": [20, 10], "p_w": ["B", "A"]})
    expected = FRAME.merge(table, on="k", how="left").set_axis(FRAME.index)
    pd.testing.assert_frame_equal(result, expected, check_dtype=False)
    pd.testing.assert_frame_equal(FRAME, before)


def test_join_takes_categories_and_empty_frames(join):
    result = prepare(FRAME.astype({"k": "category"}), [join], None)
    assert result["p_v"].tolist()[:2] == [10, 20]
    assert list(prepare(FRAME.iloc[:0], [join], None).columns) == ["k", "i", "p_v", "p_w"]


def test_join_on_two_columns(tmp_path):
    pd.DataFrame({"k": ["a", "a"], "i": [1, 2], "v": [5, 6]}).to_parquet(tmp_path / "two.parquet")
    join = Join(path=str(tmp_path / "two.parquet"), on=["k", "i"], columns=["v"])
    assert prepare(FRAME, [join], None)["v"].fillna(-1).tolist() == [5, -1, -1, -1]


def test_join_refuses_a_key_that_stands_twice(tmp_path):
    pd.DataFrame({"k": ["a", "a"], "v": [5, 6]}).to_parquet(tmp_path / "twice.parquet")
    with pytest.raises(DataError, match="k = a stands there twice"):
        prepare(FRAME, [Join(path=str(tmp_path / "twice.parquet"), on=["k"], columns=["v"])], None)


def test_join_is_checked_before_the_run(join, tmp_path):
    with pytest.raises(ConfigError, match="no column 'kk'; did you mean k"):
        check_join(Join(path=join.path, on=["kk"], columns=["v"]), ["k"])
    with pytest.raises(ConfigError, match="the data has no column 'k'"):
        check_join(join, ["j"])
    with pytest.raises(DataError, match=r"none\.parquet"):
        check_join(Join(path=str(tmp_path / "none.parquet"), on=["k"], columns=["v"]), ["k"])


def test_function_is_called_and_its_exception_is_a_sentence():
    assert len(prepare(FRAME, [], "tests.prepared:keep_large")) == 2
    with pytest.raises(DataError, match=r"tests\.prepared:fail: raised ZeroDivisionError"):
        prepare(FRAME, [], "tests.prepared:fail")
    with pytest.raises(DataError, match="returned int; return a DataFrame"):
        prepare(FRAME, [], "tests.prepared:not_a_frame")


@pytest.mark.parametrize("reference", ["nothing", "no.such.module:f", "tests.prepared:absent", "tests.prepared:NUMBER"])
def test_function_that_is_none(reference):
    with pytest.raises(ConfigError, match=r"prepare\.function"):
        resolve(reference)
