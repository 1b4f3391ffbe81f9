import numpy as np
import pytest

from pipeline.config import ColumnTransform
from pipeline.encoding.numeric import fit_bin_edges, fit_numeric_transform
from pipeline.statistics.moments import NumericStats

VALUES = np.array([1.0, 2.0, 4.0, 8.0, 100.0])


def stats(values=VALUES, log=False):
    return NumericStats.of(values.astype(np.float32), np.arange(len(values)), 0.0, 1.0, log, with_quantiles=True)


def test_by_default_a_number_is_standardised_and_its_mean_imputed():
    fitted = fit_numeric_transform(stats(), ColumnTransform())
    assert (fitted.low, fitted.high, fitted.fill) == (-np.inf, np.inf, 0.0)
    assert (fitted.center, fitted.scale) == pytest.approx((VALUES.mean(), VALUES.std()))


@pytest.mark.parametrize("values", [np.full(4, 7.0), np.full(1, 7.0)])
def test_a_constant_column_is_centered_but_not_scaled(values):
    assert (
        fit_numeric_transform(stats(values), ColumnTransform()).center,
        fit_numeric_transform(stats(values), ColumnTransform()).scale,
    ) == (
        7.0,
        1.0,
    )


def test_robust_scaling_is_by_median_and_quartiles():
    fitted = fit_numeric_transform(stats(), ColumnTransform(scale="robust", impute="median"))
    assert (fitted.center, fitted.scale, fitted.fill) == (4.0, 6.0, 0.0)


def test_clipping_changes_what_is_standardised():
    fitted = fit_numeric_transform(stats(), ColumnTransform(clip=(0.25, 0.75)))
    clipped = np.clip(VALUES, 2, 8)
    assert (fitted.low, fitted.high) == (2.0, 8.0)
    assert (fitted.center, fitted.scale) == pytest.approx((clipped.mean(), clipped.std()))


def test_a_constant_to_impute_is_clipped_and_logged_like_a_value():
    fitted = fit_numeric_transform(
        stats(log=True), ColumnTransform(scale="none", impute=1e9, clip=(0.0, 1.0), log1p=True)
    )
    assert fitted.fill == pytest.approx(np.log1p(100))
    assert fit_numeric_transform(stats(), ColumnTransform(scale="none", impute=-5.0, log1p=True)).fill == 0.0


def test_a_column_without_values_is_zeros():
    for options in ({}, {"impute": "median"}, {"scale": "robust"}, {"clip": (0.1, 0.9)}):
        fitted = fit_numeric_transform(stats(np.full(3, np.nan)), ColumnTransform(**options))
        assert (fitted.center, fitted.scale, fitted.fill) == (0.0, 1.0, 0.0)


def test_bins_of_few_values_are_fewer():
    assert fit_bin_edges(stats(), 5).tolist() == pytest.approx([1.8, 3.2, 5.6, 26.4])
    assert fit_bin_edges(stats(np.array([0.0, 0.0, 0.0, 1.0])), 4).tolist() == [0.25]
    assert fit_bin_edges(stats(np.full(3, np.nan)), 5).tolist() == []
