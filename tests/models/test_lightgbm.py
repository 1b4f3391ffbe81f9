"""LightGBM's trees are those of the library itself."""

import numpy as np
import pytest

from pipeline.models.lightgbm import LightGBMClassifier
from tests.models.builders import X, Y

lightgbm = pytest.importorskip("lightgbm", reason="the extra lightgbm is not installed")


def test_predicts_as_lightgbm_on_the_same_matrix():
    ours = LightGBMClassifier(n_estimators=20).fit(X, Y)
    plain = lightgbm.LGBMClassifier(n_estimators=20, verbosity=-1, force_row_wise=True, deterministic=True).fit(X, Y)
    np.testing.assert_allclose(ours.predict_proba(X), plain.predict_proba(X), atol=1e-5)
