import pytest
from scipy.stats import binomtest

from pipeline.metrics.accuracy import Accuracy
from tests.metrics.builders import predictions


def test_slices_have_the_interval_of_a_proportion():
    p = predictions(200, 3, 0)
    right = (p.y == p.predicted)[p.group_index.index[:, 1] == 5]
    figures, intervals = Accuracy.of(p).sliced()
    assert figures["accuracy"][1] == right.mean()
    expected = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    assert intervals["accuracy"][1] == pytest.approx([expected.low, expected.high], rel=1e-5)
