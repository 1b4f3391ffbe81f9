import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier

from pipeline import config as cfg
from pipeline.artefact import fingerprint
from pipeline.encode import Encoded, Encoder, Rows
from pipeline.errors import ConfigError
from pipeline.evaluate import Target
from pipeline.models import kind, make, target_scale, with_target_scale
from pipeline.statistics import Moments
from pipeline.train import batch_order, fitted, progress, start, train_batch
from tests.conftest import table

CLASSES = Target(np.array([0, 1]))


def batches(count: int = 4) -> list[Encoded]:
    frame = table(400)
    X = Encoder(["x", "n"], ["c"]).fit_transform(frame)
    y = frame["y"].to_numpy()
    nothing = Rows(X[:0], y[:0])
    return [Encoded(Rows(X[part], y[part]), nothing) for part in np.array_split(np.arange(400), count)]


def test_a_lane_is_the_plain_loop_of_partial_fit():
    plain = SGDClassifier(loss="log_loss", random_state=3)
    lane = start(clone(plain))
    for batch in batches():
        lane = train_batch(lane, batch, CLASSES)
        plain.partial_fit(batch.train.X, batch.train.y, classes=[0, 1])
    np.testing.assert_array_equal(fitted(lane, CLASSES).coef_, plain.coef_)
    assert lane.rows == 400


def test_training_again_from_the_same_lane_gives_the_same_bits():
    first, second = batches(2)
    lane = train_batch(start(SGDClassifier(random_state=0)), first, CLASSES)
    before = fingerprint(lane.model.estimator_)
    once, again = (train_batch(lane, second, CLASSES) for _ in range(2))
    assert fingerprint(lane.model.estimator_) == before
    assert fingerprint(once.model.estimator_) == fingerprint(again.model.estimator_) != before


def test_progress_is_the_loss_before_training():
    first, second = batches(2)
    lane = train_batch(start(SGDClassifier(loss="log_loss", random_state=0)), first, CLASSES)
    assert progress(lane) == {}
    proba = lane.model.estimator_.predict_proba(second.train.X)
    after = train_batch(lane, second, CLASSES)
    expected = -np.log(proba[np.arange(200), second.train.y]).mean()
    assert progress(after) == {"rows": 400, "log_loss": pytest.approx(expected)}


def test_a_batch_without_training_rows_changes_nothing():
    (batch,) = batches(1)
    lane = train_batch(start(SGDClassifier(random_state=0)), batch, CLASSES)
    assert train_batch(lane, Encoded(batch.test, batch.test), CLASSES).model is lane.model


def test_the_order_of_batches_is_the_seeds_and_the_epochs_alone():
    numbers = [2, 3, 5, 7, 11, 13]
    assert sorted(batch_order(numbers, 0, 1)) == numbers
    assert batch_order(numbers, 0, 1) == batch_order(numbers, 0, 1) != batch_order(numbers, 1, 1)


def test_a_regression_target_is_trained_scaled_and_answered_in_its_unit():
    (batch,) = batches(1)
    y = 1e6 + 1e4 * batch.train.X.toarray()[:, 0]
    rows = Rows(batch.train.X, y)
    target = Target(None, *target_scale(cfg.Model(), Moments.of(y)))
    lane = start(make(cfg.Model(), "regression", 0))
    for _ in range(20):
        lane = train_batch(lane, Encoded(rows, rows), target)
    error = fitted(lane, target).predict(rows.X) - y
    assert np.sqrt(np.mean(error**2)) < 0.02 * y.std()
    assert with_target_scale(lane.model.estimator_, 0.0, 1.0) is lane.model.estimator_


@pytest.mark.parametrize(
    ("estimator", "params", "message"),
    [
        ("sklearn.linear_model.NoSuch", {}, "cannot be imported"),
        ("SGDClassifier", {}, "cannot be imported"),
        ("sklearn.linear_model.LogisticRegression", {}, "no partial_fit"),
        ("sklearn.linear_model.SGDClassifier", {"alhpa": 1}, "does not take them"),
        ("sklearn.linear_model.SGDRegressor", {}, "is not for classification"),
    ],
)
def test_estimators_that_cannot_serve(estimator, params, message):
    with pytest.raises(ConfigError, match=message):
        make(cfg.Model(estimator=estimator, params=params), "classification", 0)


def test_the_seed_reaches_the_estimator_and_its_kind_is_known():
    assert make(cfg.Model(), "classification", 7).random_state == 7
    named = cfg.Model(estimator="sklearn.linear_model.SGDClassifier", params={"random_state": 1})
    assert make(named, "classification", 7).random_state == 1
    assert kind(named) == "classifier"
    assert kind(cfg.Model()) is None
