"""The training stage on two worker processes, compared with plain scikit-learn on the same rows."""

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier

from pipeline.encoding.encoder import Encoder
from pipeline.errors import ConfigError
from tests.builders import execute, make_table_config, train_and_test

pytestmark = pytest.mark.cluster


def test_one_batch_equals_partial_fit_on_the_encoded_training_rows(session, folder, frame):
    params = {"loss": "log_loss", "alpha": 0.001}
    model = {"estimator": "sklearn.linear_model.SGDClassifier", "params": params}
    outcome = execute(session, make_table_config(folder, data={"batch_rows": 10_000}, model=model))
    train, _ = train_and_test(frame, "y")
    train = train.iloc[np.random.default_rng([0, 0]).permutation(len(train))]
    encoder = outcome.model.named_steps["preprocess"]
    plain = SGDClassifier(**params, random_state=0).partial_fit(encoder.transform(train), train["y"], classes=[0, 1])
    np.testing.assert_array_equal(outcome.model.named_steps["model"].coef_, plain.coef_)
    alone = Encoder(["x", "n"], ["c"], ["t"]).fit(train)
    np.testing.assert_allclose(encoder.mean_, alone.mean_, rtol=1e-6)
    np.testing.assert_allclose(encoder.scale_, alone.scale_, rtol=1e-6)
    np.testing.assert_array_equal(encoder.get_feature_names_out(), alone.get_feature_names_out())


@pytest.mark.parametrize("lanes", [2, 4, 16])
def test_lanes_train_as_well_as_one_and_on_every_row_once(session, folder, lanes):
    one, many = (execute(session, make_table_config(folder, train={"lanes": n, "epochs": 3})) for n in (1, lanes))
    assert many.metrics["log_loss"] == pytest.approx(one.metrics["log_loss"], abs=0.01)
    assert many.model.named_steps["model"].t_ == one.model.named_steps["model"].t_ == 3 * one.ledger.train
    assert many.ledger == one.ledger


@pytest.mark.parametrize(
    "estimator",
    ["linear_model.SGDClassifier", "linear_model.Perceptron", "naive_bayes.BernoulliNB", "naive_bayes.GaussianNB"],
)
def test_scikit_learn_estimators_train_in_lanes(session, folder, estimator):
    model = {"estimator": f"sklearn.{estimator}"}
    one, two = (execute(session, make_table_config(folder, model=model, train={"lanes": n})) for n in (1, 2))
    assert two.metrics["accuracy"] == pytest.approx(one.metrics["accuracy"], abs=0.1)
    if "naive_bayes" in estimator:  # exact, by counts
        assert two.metrics == pytest.approx(one.metrics, rel=1e-6)


def test_lanes_of_models_that_cannot_be_merged_are_refused(session, folder):
    model = {"estimator": "sklearn.neural_network.MLPClassifier"}
    with pytest.raises(ConfigError, match=r"train\.lanes: MLPClassifier models cannot be merged"):
        execute(session, make_table_config(folder, model=model, train={"lanes": 2}))


@pytest.mark.parametrize("by", ["progressive", "validation"])
def test_early_stopping_ends_training_and_keeps_the_best_epoch(session, folder, by):
    settings = {"epochs": 50, "early_stopping": by, "tol": 1e-3}
    outcome = execute(session, make_table_config(folder, train=settings))
    assert 2 <= outcome.training.epochs < 50
    assert outcome.metrics["roc_auc"] > 0.8
    ledger = outcome.ledger
    assert ledger.read == ledger.train + ledger.test + ledger.rejected
    if by == "validation":
        curve = outcome.training.validation
        assert [point["epoch"] for point in curve] == list(range(1, outcome.training.epochs + 1))
        assert 0.05 < ledger.validation / ledger.train < 0.15
        # The model is that of the best epoch, and it has never seen the validation rows.
        best = min(curve, key=lambda point: point["log_loss"])["epoch"]
        assert outcome.model.named_steps["model"].t_ == best * (ledger.train - ledger.validation)
    else:
        assert ledger.validation == 0


def test_naive_bayes_is_trained_by_its_import_path(session, folder):
    model = {"estimator": "sklearn.naive_bayes.BernoulliNB"}
    assert execute(session, make_table_config(folder, model=model)).metrics["roc_auc"] > 0.6
