import numpy as np
import pytest
from sklearn import metrics as sk

from pipeline.metrics.ranking_areas import ranking_areas


def test_rows_of_a_bin_are_ties():
    rng = np.random.default_rng(0)
    positives, negatives = rng.integers(0, 5, 12), rng.integers(0, 9, 12)
    y = np.repeat([1, 0], [positives.sum(), negatives.sum()])
    score = np.concatenate([np.repeat(np.arange(12), positives), np.repeat(np.arange(12), negatives)])
    areas = ranking_areas(positives.astype(float), negatives.astype(float))
    assert areas["roc_auc"] == pytest.approx(sk.roc_auc_score(y, score))
    assert areas["average_precision"] == pytest.approx(sk.average_precision_score(y, score))
    assert areas["roc_auc_error"] == pytest.approx(
        (positives * negatives).sum() / 2 / positives.sum() / negatives.sum()
    )


def test_without_positives_areas_are_undefined():
    areas = ranking_areas(np.zeros(3), np.ones(3))
    assert np.isnan(list(areas.values())).all()
