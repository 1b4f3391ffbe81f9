import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.constant_ranking import ConstantRanking
from pipeline.metrics.exact_ranking import ExactRanking
from tests.metrics.builders import EDGES, classified, cut, merged, predictions


@given(st.sampled_from([2, 3, 4]), st.integers(0, 9), EDGES)
def test_figures_are_those_of_equal_scores(classes, seed, edges):
    whole = predictions(80, classes, seed)
    equal = classified(whole.y, np.full((80, classes), 1 / classes), whole.group_index)
    parts, weights = cut(equal, edges), np.array([[2, 0, 1, 1], [0, 3, 0, 1]], dtype=float)
    constant, exact = (merged(metric, parts) for metric in (ConstantRanking, ExactRanking))
    assert constant.result() == pytest.approx(exact.result())
    for name, values in exact.resampled(weights).items():
        np.testing.assert_allclose(constant.resampled(weights)[name], values)
