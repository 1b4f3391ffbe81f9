import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from pipeline.metrics.precision_recall import PrecisionRecall
from pipeline.metrics.prediction import GroupIndex, Prediction
from pipeline.preparation.split import N_BOOTSTRAP_GROUPS
from tests.metrics.builders import EDGES, cut, merged, predictions


@given(st.sampled_from([2, 3]), EDGES)
def test_each_class_has_scikit_learns_scores(classes, edges):
    whole = predictions(80, classes, 1)
    by_class = merged(PrecisionRecall, cut(whole, edges)).by_class()
    precision, recall, f1, rows = sk.precision_recall_fscore_support(whole.y, whole.predicted, zero_division=0)
    for name, expected in {"precision": precision, "recall": recall, "f1": f1, "rows": rows}.items():
        np.testing.assert_allclose(by_class[name], expected)


def test_many_classes_are_counted_for_all_rows_alone():
    rng = np.random.default_rng(0)
    y, predicted = rng.integers(0, 500, 2_000), rng.integers(0, 500, 2_000)
    groups = GroupIndex(np.zeros((2_000, 1), dtype=np.int32), N_BOOTSTRAP_GROUPS, N_BOOTSTRAP_GROUPS)
    state = PrecisionRecall.of(Prediction(y, predicted, n_classes=500, group_index=groups))
    assert state.sums.nbytes < 1 << 16
    assert state.result()["f1_macro"] == pytest.approx(sk.f1_score(y, predicted, average="macro", zero_division=0))
    assert state.resampled(np.ones((2, N_BOOTSTRAP_GROUPS))) == {}
