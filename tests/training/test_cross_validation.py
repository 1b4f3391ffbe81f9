"""Cross-validation: every fold is predicted by a model that has not seen it."""

import numpy as np
import pandas as pd
import pytest

from pipeline.models.persistence import fingerprint
from tests.builders import execute, make_config, make_table_config, report_of, write_parquet

pytestmark = pytest.mark.cluster


def test_folds_hold_out_every_training_row_once(session, folder, frame):
    plain = execute(session, make_table_config(folder))
    outcome = execute(session, make_table_config(folder, split={"folds": 4}))
    assert fingerprint(outcome.model) == fingerprint(plain.model)
    assert outcome.metrics == plain.metrics
    assert len(outcome.folds) == 4
    assert len({fold["log_loss"] for fold in outcome.folds}) == 4
    log_loss = report_of(outcome, make_table_config(folder))["cross_validation"]["metrics"]["log_loss"]
    assert log_loss["mean"] == pytest.approx(np.mean([fold["log_loss"] for fold in outcome.folds]))
    assert log_loss["std"] == pytest.approx(np.std([fold["log_loss"] for fold in outcome.folds], ddof=1))
    assert abs(log_loss["mean"] - plain.metrics["log_loss"]) < 0.1


def test_fold_is_evaluated_by_a_model_learned_without_it(session, tmp_path):
    """A target-encoded identifier of random labels: worth nothing to honest figures, everything to leaking ones."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": [f"u{i % 700}" for i in range(1_400)], "y": rng.integers(0, 2, 1_400)})
    frame["row"] = np.arange(1_400)
    write_parquet(frame, tmp_path / "d", 3)
    features = {"categorical": ["id"], "numeric": ["row"], "encode": "target", "smooth": 1.0}
    config = make_config(tmp_path / "d", features=features, split={"folds": 3}, train={"epochs": 5})
    outcome = execute(session, config)
    assert outcome.metrics["roc_auc"] < 0.6
    assert all(fold["roc_auc"] < 0.6 for fold in outcome.folds)
    last = outcome.training.progressive
    assert not last or min(point["log_loss"] for point in last) > 0.6  # training rows did not see their own label
