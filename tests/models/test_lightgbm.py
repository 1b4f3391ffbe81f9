"""LightGBM's trees are those of the library itself."""

import numpy as np
import pytest

from pipeline.models.lightgbm import LightGBMClassifier

lightgbm = pytest.importorskip("lightgbm", reason="the extra lightgbm is not installed")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3_000, 6)).astype(np.float32)
X[:, 5] = RNG.random(3_000) < 0.3
MARGIN = X[:, 0] * X[:, 1] + X[:, 2]
Y = (MARGIN + RNG.normal(size=3_000) > 0).astype(int)


def test_predicts_as_lightgbm_on_the_same_matrix():
    ours = LightGBMClassifier(n_estimators=20).fit(X, Y)
    plain = lightgbm.LGBMClassifier(n_estimators=20, verbosity=-1, force_row_wise=True, deterministic=True).fit(X, Y)
    np.testing.assert_allclose(ours.predict_proba(X), plain.predict_proba(X), atol=1e-5)
