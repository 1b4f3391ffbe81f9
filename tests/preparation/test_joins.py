import pandas as pd
import pytest

from pipeline.config import JoinConfig
from pipeline.errors import ConfigError, DataError
from pipeline.io.storage import DEFAULT_STORAGE
from pipeline.preparation.joins import apply_join, check_join, matched_column
from tests.preparation.builders import JOIN_TABLE


def test_join_equals_a_left_merge_and_keeps_the_rows(join):
    before = JOIN_TABLE.copy()
    result, matched = apply_join(JOIN_TABLE, join, DEFAULT_STORAGE)
    table = pd.DataFrame({"k": ["b", "a"], "p_v": [20, 10], "p_w": ["B", "A"]})
    expected = JOIN_TABLE.merge(table, on="k", how="left").set_axis(JOIN_TABLE.index)
    pd.testing.assert_frame_equal(result, expected, check_dtype=False)
    pd.testing.assert_frame_equal(JOIN_TABLE, before)
    assert matched.tolist() == [True, True, False, False]
    assert matched.index.equals(JOIN_TABLE.index)


def test_join_takes_categories_and_empty_frames(join):
    result, _ = apply_join(JOIN_TABLE.astype({"k": "category"}), join, DEFAULT_STORAGE)
    assert result["p_v"].tolist()[:2] == [10, 20]
    assert list(apply_join(JOIN_TABLE.iloc[:0], join, DEFAULT_STORAGE)[0].columns) == ["k", "i", "p_v", "p_w"]
    assert apply_join(JOIN_TABLE.iloc[1:2], join, DEFAULT_STORAGE)[0]["p_v"].tolist() == [20]


def test_join_on_two_columns(tmp_path):
    pd.DataFrame({"k": ["a", "a"], "i": [1, 2], "v": [5, 6]}).to_parquet(tmp_path / "two.parquet")
    join = JoinConfig(path=str(tmp_path / "two.parquet"), on=["k", "i"], columns=["v"])
    assert apply_join(JOIN_TABLE, join, DEFAULT_STORAGE)[0]["v"].fillna(-1).tolist() == [5, -1, -1, -1]


def test_join_refuses_a_repeated_key(tmp_path):
    pd.DataFrame({"k": ["a", "a"], "v": [5, 6]}).to_parquet(tmp_path / "twice.parquet")
    with pytest.raises(DataError, match="k = a occurs twice"):
        apply_join(
            JOIN_TABLE, JoinConfig(path=str(tmp_path / "twice.parquet"), on=["k"], columns=["v"]), DEFAULT_STORAGE
        )


def test_after_a_shuffle_the_joined_rows_are_known_and_the_table_is_not_read():
    join = JoinConfig(path="no/such/table.parquet", on=["k"], columns=["v"], large=True)
    frame = JOIN_TABLE.assign(v=[10, None, None, 5], **{matched_column(join): [True, None, False, True]})
    result, matched = apply_join(frame, join, DEFAULT_STORAGE)
    assert list(result.columns) == ["k", "i", "v"]
    assert matched.tolist() == [True, False, False, True]


def test_join_is_checked_before_the_run(join, tmp_path):
    with pytest.raises(ConfigError, match="no column 'kk'; did you mean k"):
        check_join(JoinConfig(path=join.path, on=["kk"], columns=["v"]), ["k"])
    with pytest.raises(ConfigError, match="the data has no column 'k'"):
        check_join(join, ["j"])
    with pytest.raises(DataError, match=r"none\.parquet"):
        check_join(JoinConfig(path=str(tmp_path / "none.parquet"), on=["k"], columns=["v"]), ["k"])
