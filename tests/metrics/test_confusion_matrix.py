import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from pipeline.metrics.confusion_matrix import MAX_CLASSES, ConfusionMatrix
from pipeline.metrics.prediction import Prediction
from tests.metrics.builders import EDGES, cut, merged, predictions


@given(st.sampled_from([2, 3]), EDGES)
def test_any_partitioning_gives_scikit_learns_matrix(classes, edges):
    whole = predictions(80, classes, 1)
    expected = sk.confusion_matrix(whole.y, whole.predicted, labels=range(classes)).tolist()
    assert merged(ConfusionMatrix, cut(whole, edges)).curves() == {"confusion_matrix": expected}


def test_too_many_classes_have_no_matrix():
    y = np.arange(MAX_CLASSES + 1)
    assert ConfusionMatrix.of(Prediction(y, y, n_classes=len(y))).curves() == {}
