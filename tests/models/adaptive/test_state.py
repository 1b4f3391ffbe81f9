import numpy as np
import pytest

from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.adaptive.regressor import AdaptiveRegressor
from pipeline.models.adaptive.state import INITIAL_SQUARES, AdaptiveState, column_units
from pipeline.models.persistence import fingerprint
from tests.models.adaptive.builders import clicks


@pytest.mark.parametrize(
    "model", [AdaptiveClassifier(l1=0.1), AdaptiveClassifier(normalize=False), AdaptiveRegressor()], ids=str
)
def test_a_model_with_its_own_state_is_the_same(model):
    X, y = clicks(300)
    model = model.set_params(random_state=0).fit(X, y)
    assert fingerprint(model.with_state(AdaptiveState.of(model, model))) == fingerprint(model)


def test_state_of_no_model_is_the_beginning_of_the_template():
    X, y = clicks(300)
    template = AdaptiveRegressor().fit(X, y + 5.0)
    state = AdaptiveState.of(None, template)
    assert (state.weights[:, :-1] == 0).all()
    assert state.weights[0, -1] == template.target_mean_
    assert (state.squares == INITIAL_SQUARES).all()
    assert (state.duals, state.rows) == (None, 0)


def test_column_units_are_root_mean_squares_of_values():
    units = column_units(3, np.array([8.0, 0.0, 9.0]), np.array([2.0, 0.0, 1.0]))
    assert units.tolist() == [2.0, 1.0, 3.0, 1.0]
    assert column_units(2, None, None).tolist() == [1.0] * 3
