from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB

from pipeline import config as cfg
from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.encoding.encoder import Encoder
from pipeline.encoding.one_hot_matrix import OneHotMatrix
from pipeline.errors import DataError
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.factory import make, matrix_for
from pipeline.models.persistence import fingerprint
from pipeline.models.target import TargetSpec, target_scale
from pipeline.preparation.columns import category_codes
from pipeline.preparation.packing import PackedBatch, pack
from pipeline.preparation.split import TEST, TRAIN
from pipeline.statistics.moments import Moments
from pipeline.training.lane import delta_of, fitted, loss_value, merge_deltas, merged_lane, new_lane, train_batches
from tests.builders import make_table

CLASSES = TargetSpec(np.array([0, 1]))
FRAME = make_table(400)
ENCODER = Encoder(["x", "n"], ["c"]).fit(FRAME)
CODING = BatchEncoder(ENCODER, np.array([0, 1]), 0)


def batches(count: int = 4, label: str = "y", role: int = TRAIN) -> list[PackedBatch]:
    about = ENCODER.packing
    made = []
    for i, part in enumerate(np.array_split(np.arange(400), count)):
        rows = FRAME.iloc[part]
        coded = category_codes(rows[label]) if label == "y" else (rows[label].to_numpy(), None)
        features = pack(rows, ENCODER.columns, about)
        made.append(PackedBatch(i, features, *coded, np.full(len(rows), role, dtype=np.int8)))
    return made


def test_a_lane_is_the_plain_loop_of_partial_fit():
    plain = SGDClassifier(loss="log_loss", random_state=3)
    lane = train_batches(new_lane(clone(plain)), batches(), CODING, CLASSES)
    for batch in batches():
        rows = CODING.encode(batch, TRAIN)
        plain.partial_fit(rows.X.tocsr(), rows.y, classes=[0, 1])
    np.testing.assert_array_equal(fitted(lane, CLASSES).coef_, plain.coef_)
    assert lane.rows == 400


def test_training_twice_from_a_lane_gives_the_same_bits_and_keeps_it():
    first, second = batches(2)
    for estimator in (SGDClassifier(random_state=0), AdaptiveClassifier(random_state=0)):
        lane = train_batches(new_lane(estimator), [first], CODING, CLASSES)
        before = fingerprint(lane.estimator)
        once, again = (train_batches(lane, [second], CODING, CLASSES) for _ in range(2))
        assert fingerprint(lane.estimator) == before
        assert fingerprint(once.estimator) == fingerprint(again.estimator) != before


def test_progress_is_the_loss_before_training():
    first, second = batches(2)
    lane = train_batches(new_lane(SGDClassifier(loss="log_loss", random_state=0)), [first], CODING, CLASSES)
    assert lane.losses == ((200, None),)
    rows = CODING.encode(second, TRAIN)
    proba = lane.estimator.predict_proba(rows.X.tocsr())
    ((count, loss),) = train_batches(lane, [second], CODING, CLASSES).losses
    expected = -np.log(proba[np.arange(200), rows.y]).mean()
    assert count == 200
    assert loss.result() == {"log_loss": pytest.approx(expected)}
    assert loss_value(loss) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("estimator", "figure"), [(SGDClassifier(), "accuracy"), (AdaptiveClassifier("hinge"), "accuracy")]
)
def test_models_without_probabilities_are_watched_by_their_errors(estimator, figure):
    lane = train_batches(new_lane(estimator), batches(2), CODING, CLASSES)
    (_, loss) = lane.losses[1]
    assert loss_value(loss) == pytest.approx(1 - loss.result()[figure])


def test_a_batch_without_training_rows_changes_nothing():
    (batch,) = batches(1)
    lane = train_batches(new_lane(SGDClassifier(random_state=0)), [batch], CODING, CLASSES)
    (other,) = batches(1, role=TEST)
    after = train_batches(lane, [other], CODING, CLASSES)
    assert fingerprint(after.estimator) == fingerprint(lane.estimator)
    assert (after.rows, after.losses) == (lane.rows, ((0, None),))
    assert delta_of(after, lane) is None
    assert merge_deltas([None, None]) is None
    assert merged_lane(lane, None, [after]) is lane


def test_lanes_hand_over_a_model_that_knows_all_rows():
    base = new_lane(AdaptiveClassifier(random_state=0))
    lanes = [train_batches(base, part, CODING, CLASSES) for part in (batches()[::2], batches()[1::2])]
    merged = merged_lane(base, merge_deltas([delta_of(lane, base) for lane in lanes]), lanes)
    assert merged.rows == 400
    assert merged.estimator.t_ == 400
    assert fingerprint(merged.estimator) not in {fingerprint(lane.estimator) for lane in lanes}


def test_regression_target_is_trained_scaled_and_predicted_in_its_unit():
    (batch,) = batches(1, "amount")
    batch_encoder = BatchEncoder(ENCODER, None, 0)
    y = 1e6 + 1e4 * batch_encoder.encode(batch, TRAIN).X.dense[:, 0]
    target = TargetSpec(None, *target_scale(cfg.ModelConfig(), Moments.of(y)))
    batch = replace(batch, label=1e6 + 1e4 * ENCODER.encode(batch.features, np.arange(400)).dense[:, 0])
    lane = train_batches(new_lane(make(cfg.ModelConfig(), "regression", 0)), [batch] * 20, batch_encoder, target)
    rows = batch_encoder.encode(batch, TRAIN)
    error = fitted(lane, target).predict(rows.X) - rows.y
    assert np.sqrt(np.mean(error**2)) < 0.02 * y.std()
    assert TargetSpec().unscaled(lane.estimator) is lane.estimator


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (AdaptiveClassifier(class_weight="balanced"), "needs all rows at once"),
        (MultinomialNB(), "Negative values in data"),
    ],
)
def test_an_estimator_that_refuses_the_rows_is_named(estimator, message):
    with pytest.raises(DataError, match=f"{type(estimator).__name__} refused to train .*{message}.*correct model"):
        train_batches(new_lane(estimator), batches(1), CODING, CLASSES)


def test_an_estimator_that_takes_dense_input_only_gets_it():
    lane = train_batches(new_lane(GaussianNB()), batches(), CODING, CLASSES)
    X = ENCODER.transform(FRAME).toarray()
    np.testing.assert_allclose(lane.estimator.theta_, GaussianNB().fit(X, FRAME["y"]).theta_, rtol=1e-6, atol=1e-7)
    huge = OneHotMatrix(np.empty((600, 1), np.float32), np.zeros((600, 1), np.uint32), 1_000_000)
    with pytest.raises(DataError, match="GaussianNB takes no sparse input, and 1,000,000 encoded columns"):
        matrix_for(GaussianNB(), huge)
