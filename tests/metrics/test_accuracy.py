import numpy as np
import pytest

from pipeline.metrics.accuracy import Accuracy
from tests.metrics.builders import predictions


def test_slices_have_the_standard_error_of_a_mean():
    p = predictions(200, 3, 0)
    right = (p.y == p.predicted)[p.group_index.index[:, 1] == 5]
    figures, errors = Accuracy.of(p).sliced()
    assert figures["accuracy"][1] == right.mean()
    assert errors["accuracy"][1] == pytest.approx(right.std(ddof=1) / np.sqrt(len(right)))
