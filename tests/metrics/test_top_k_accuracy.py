import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.metrics.top_k_accuracy import TopKAccuracy
from tests.metrics.builders import classified, predictions


@pytest.mark.parametrize(("classes", "ks"), [(3, []), (4, [3]), (7, [3, 5])])
def test_k_is_less_than_the_number_of_classes(classes, ks):
    p = predictions(200, classes, 0)
    expected = {f"top_{k}_accuracy": sk.top_k_accuracy_score(p.y, p.scores, k=k) for k in ks}
    assert TopKAccuracy.of(p).result() == pytest.approx(expected)


def test_ties_are_ordered_as_scikit_learn_orders_them():
    y = np.repeat(np.arange(6), 5)
    proba = np.full((30, 6), 1 / 6)
    expected = {f"top_{k}_accuracy": sk.top_k_accuracy_score(y, proba, k=k) for k in (3, 5)}
    assert TopKAccuracy.of(classified(y, proba)).result() == pytest.approx(expected)
