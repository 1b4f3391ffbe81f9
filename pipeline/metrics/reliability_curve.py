"""Calibration of probabilities: how often a class came true that had probability p."""

from typing import Any

import numpy as np

from pipeline.metrics.additive import Additive
from pipeline.metrics.prediction import MAX_LOG_ODDS, Prediction, to_log_odds

N_EVEN_BINS = 15
N_FINE_BINS = 768
N_POINTS = 20


class ReliabilityCurve(Additive):
    """Expected calibration error over `N_EVEN_BINS` bins of equal width, and the points of a calibration curve.

    The error is that of C. Guo et al., *On Calibration of Modern Neural Networks* (ICML 2017), equation 3, with the
    bins of `sklearn.calibration.calibration_curve`: of the second of two classes, or of the predicted of more. The
    curve has up to `N_POINTS` points of about as many rows each, made of fine bins of even log-odds.

    ``sums`` are of all rows alone, float64 (1, N_EVEN_BINS + N_FINE_BINS, 3): the rows of each bin, the sum of their
    probabilities, and how many came true; the even bins come first.
    """

    @classmethod
    def of(cls, prediction: Prediction) -> "ReliabilityCurve":
        proba = prediction.proba
        if proba is None or not len(proba):
            return cls()
        if prediction.n_classes == 2:
            probability, is_true = proba[:, 1].astype(np.float64), prediction.y
        else:
            probability, is_true = proba.max(axis=1).astype(np.float64), prediction.y == proba.argmax(axis=1)
        even = np.searchsorted(np.linspace(0, 1, N_EVEN_BINS + 1)[1:-1], probability)
        scale = (N_FINE_BINS - 1) / (2 * MAX_LOG_ODDS)
        fine = N_EVEN_BINS + ((to_log_odds(probability) + MAX_LOG_ODDS) * scale).astype(np.int64)
        size = N_EVEN_BINS + N_FINE_BINS
        sums = [
            np.bincount(even, weights, size) + np.bincount(fine, weights, size)
            for weights in (None, probability, is_true)
        ]
        return cls(np.array(sums, dtype=np.float64).T[None])

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        rows, predicted, true = np.moveaxis(sums[..., :N_EVEN_BINS, :], -1, 0)
        return {"expected_calibration_error": np.abs(predicted - true).sum(axis=-1) / rows.sum(axis=-1)}

    def curves(self) -> dict[str, Any]:
        """Return ``calibration``: mean probability, fraction that came true and rows of each point, in order."""
        if self.sums is None:
            return {}
        rows, predicted, true = self.sums[0, N_EVEN_BINS:].T
        rows_before = np.cumsum(rows) - rows
        point = np.minimum((rows_before * N_POINTS / rows.sum()).astype(np.int64), N_POINTS - 1)
        rows, predicted, true = (np.bincount(point, values, N_POINTS) for values in (rows, predicted, true))
        has_rows = rows > 0
        return {
            "calibration": {
                "predicted": (predicted[has_rows] / rows[has_rows]).tolist(),
                "true": (true[has_rows] / rows[has_rows]).tolist(),
                "rows": rows[has_rows].astype(np.int64).tolist(),
            }
        }
