"""What the boosted trees of both libraries have in common: labels, the same bits, plain data."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from pipeline.errors import ConfigError
from pipeline.models import persistence
from pipeline.models.boosting import import_library
from pipeline.models.factory import BOOSTED_TREES
from tests.models.builders import MARGIN, SPARSE, X, Y


@pytest.fixture(params=list(BOOSTED_TREES))
def classes(request):
    """Classifier and regressor of a library."""
    pytest.importorskip(request.param, reason=f"the extra {request.param} is not installed")
    return BOOSTED_TREES[request.param]


def read_parts(X, y, parts):
    """Reads the rows in parts."""
    return lambda: iter([(X[i], y[i]) for i in np.array_split(np.arange(len(y)), parts)])


@pytest.mark.parametrize("data", [X, SPARSE], ids=["dense", "sparse"])
def test_any_threads_give_the_same_bits_and_a_loaded_model_too(classes, data):
    fitted = [
        classes[0](n_estimators=8, n_jobs=n, random_state=0).fit_group(read_parts(data, Y, 4), np.array([0, 1]))
        for n in (1, 2)
    ]
    assert fitted[0].booster_.tobytes() == fitted[1].booster_.tobytes()
    proba = fitted[0].predict_proba(data)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert roc_auc_score(Y, proba[:, 1]) > 0.8
    again = persistence.loads(persistence.dumps(fitted[0]), "test")
    np.testing.assert_array_equal(again.predict_proba(data), proba)
    assert persistence.fingerprint(again) == persistence.fingerprint(fitted[0])


def test_labels_classes_and_numbers_are_predicted(classes):
    names = np.array(["no", "yes"], dtype=object)[Y]
    model = classes[0](n_estimators=8).fit(X, names)
    assert (model.predict(X) == names).mean() > 0.75
    three = clone(model).fit(X, np.digitize(MARGIN, [-1, 1]))
    assert three.predict_proba(X).shape == (3_000, 3)
    assert (three.predict(X) == np.digitize(MARGIN, [-1, 1])).mean() > 0.7
    number = classes[1](n_estimators=50).fit(X, MARGIN)
    assert np.corrcoef(number.predict(X), MARGIN)[0, 1] > 0.95


def test_the_booster_that_is_kept_for_predictions_is_not_saved(classes):
    model = classes[1](n_estimators=3).fit(X, MARGIN)
    before, content = persistence.fingerprint(model), persistence.dumps(model)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), persistence.loads(content, "test")):
        assert persistence.fingerprint(other) == before
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        assert persistence.fingerprint(other) == before
    model.n_estimators = 5
    assert len(model.fit(X, MARGIN).booster_) != len(other.booster_)
    assert (model.predict(X) != other.predict(X)).any()


def test_a_missing_library_is_named_with_its_extra():
    with pytest.raises(ConfigError, match=r"no_boost is not installed .*; pip install 'dask-etl-train\[no_boost\]'"):
        import_library("no_boost")
