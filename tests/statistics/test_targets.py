import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from pipeline.statistics.targets import COUNT, SUM, TargetCounts

VALUES = pd.Index(["a", "b"])


def test_classes_are_counted_by_value_fold_and_class():
    codes, folds, label = np.array([0, 0, 1, 2, 0]), np.array([0, 1, 1, 0, 0], dtype=np.int8), np.array([0, 1, 1, 0, 0])
    targets = TargetCounts.of(codes, VALUES, folds, label, pd.Index(["no", "yes"]))
    expected = {(0, "no"): [2, 0], (0, "yes"): [0, 0], (1, "no"): [0, 0], (1, "yes"): [1, 1]}
    assert {column: targets.table[column].tolist() for column in targets.table} == expected
    assert targets.missing[0, "no"].tolist() == [1]


def test_numbers_are_summed_by_value_and_fold():
    codes, folds, label = np.array([0, 0, 1, 2]), np.array([0, 1, 0, 0], dtype=np.int8), np.array([1.5, 2.0, 4.0, 8.0])
    targets = TargetCounts.of(codes, VALUES, folds, label, None)
    assert targets.table[0, SUM].tolist() == [1.5, 4.0]
    assert targets.table[1, COUNT].tolist() == [1, 0]
    assert targets.missing[0, SUM].tolist() == [8.0]


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 2, st.integers(0, 1)), max_size=30), st.integers(0, 30))
def test_merged_counts_equal_those_of_all_rows(rows, cut):
    codes, folds, label = np.array(rows, dtype=np.int64).reshape(-1, 3).T

    def counted(part):
        return TargetCounts.of(codes[part], VALUES, folds[part].astype(np.int8), label[part], pd.Index([0, 1]))

    merged = TargetCounts.merge([counted(slice(0, cut)), counted(slice(cut, None))])
    whole = TargetCounts.merge([counted(slice(None))])
    pd.testing.assert_frame_equal(merged.table, whole.table)
    pd.testing.assert_frame_equal(merged.missing, whole.missing)
