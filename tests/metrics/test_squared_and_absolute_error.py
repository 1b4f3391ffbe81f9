import numpy as np
import pytest
from hypothesis import given
from sklearn import metrics as sk

from pipeline.metrics.prediction import Prediction
from pipeline.metrics.squared_and_absolute_error import SquaredAndAbsoluteError
from tests.metrics.builders import EDGES, cut, merged


@given(EDGES)
def test_any_partitioning_gives_scikit_learns_figures(edges):
    rng = np.random.default_rng(0)
    y, p = 1e6 + rng.normal(size=80), 1e6 + rng.normal(size=80)
    whole = Prediction(y, p, n_classes=0, target_mean=1e6, target_std=1.0)
    assert merged(SquaredAndAbsoluteError, cut(whole, edges)).result() == pytest.approx(
        {
            "mean_squared_error": sk.mean_squared_error(y, p),
            "root_mean_squared_error": sk.root_mean_squared_error(y, p),
            "mean_absolute_error": sk.mean_absolute_error(y, p),
            "r2": sk.r2_score(y, p),
            "mean_pinball_loss_0.1": sk.mean_pinball_loss(y, p, alpha=0.1),
            "mean_pinball_loss_0.9": sk.mean_pinball_loss(y, p, alpha=0.9),
        },
        rel=1e-9,
    )


def test_of_a_constant_target_nothing_is_explained():
    y = np.full(5, 0.1)
    assert "r2" not in SquaredAndAbsoluteError.of(Prediction(y, y + 1, n_classes=0, target_mean=7.0)).result()
