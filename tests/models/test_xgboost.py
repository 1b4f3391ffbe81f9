"""XGBoost's trees are those of the library itself."""

import numpy as np
import pytest
import scipy.sparse as sp

from pipeline.models.xgboost import XGBoostClassifier
from tests.models.builders import SPARSE, X, Y

xgboost = pytest.importorskip("xgboost", reason="the extra xgboost is not installed")


def test_bins_in_a_file_give_the_bits_of_bins_in_memory(tmp_path):
    both = [
        XGBoostClassifier(n_estimators=8).fit_group(
            lambda: iter([(SPARSE[i], Y[i]) for i in np.array_split(np.arange(3_000), 5)]), np.array([0, 1]), scratch
        )
        for scratch in (None, str(tmp_path))
    ]
    assert both[0].booster_.tobytes() == both[1].booster_.tobytes()
    assert not list(tmp_path.iterdir())


def test_predicts_as_xgboost_on_the_same_matrix():
    ours = XGBoostClassifier(n_estimators=20, max_depth=4).fit(SPARSE, Y)
    plain = xgboost.XGBClassifier(n_estimators=20, max_depth=4, learning_rate=0.3, tree_method="hist")
    plain.fit(sp.csr_matrix(SPARSE), Y)
    theirs = plain.predict_proba(sp.csr_matrix(SPARSE))
    np.testing.assert_allclose(ours.predict_proba(SPARSE), theirs, atol=1e-5)


def test_an_unknown_objective_is_one_line():
    with pytest.raises(ValueError, match=r"objective|Unknown") as error:
        XGBoostClassifier(objective="nonsense").fit(X, Y)
    assert "\n" not in str(error.value)
