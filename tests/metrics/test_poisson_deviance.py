import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.metrics.poisson_deviance import PoissonDeviance
from pipeline.metrics.prediction import Prediction
from tests.metrics.builders import cut, merged


def test_equals_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.poisson(2, 80).astype(float), rng.gamma(2, size=80)
    figures = merged(PoissonDeviance, cut(Prediction(y, p, n_classes=0), [30])).result()
    assert figures == {"mean_poisson_deviance": pytest.approx(sk.mean_poisson_deviance(y, p))}


@pytest.mark.parametrize("predicted", [[1.0, 0.0, 2.0], [1.0, -1.0, 2.0]])
def test_it_is_undefined_if_a_prediction_is_not_positive(predicted):
    assert PoissonDeviance.of(Prediction(np.array([0.0, 1.0, 2.0]), np.array(predicted))).result() == {}
