"""Calibration: how often what was said with probability p came true."""

from typing import Any

import numpy as np

from pipeline.metrics.additive import Additive
from pipeline.metrics.prediction import WIDEST, Prediction, log_odds

BINS = 15
FINE = 768
POINTS = 20


class ReliabilityCurve(Additive):
    """Expected calibration error over `BINS` even bins, and the points of a calibration curve.

    The error is that of C. Guo et al., *On Calibration of Modern Neural Networks* (ICML 2017), equation 3, with the
    bins of `sklearn.calibration.calibration_curve`: of the second of two classes, or of the predicted of more. The
    curve has up to `POINTS` of about as many rows each, made of fine bins of even log-odds. ``sums`` is of the whole
    alone, float64 (1, BINS + FINE, 3): of each even and then each fine bin its rows, what was said, what came true.
    """

    @classmethod
    def of(cls, prediction: Prediction) -> "ReliabilityCurve":
        proba = prediction.proba
        if proba is None or not len(proba):
            return cls()
        if prediction.classes == 2:
            said, true = proba[:, 1].astype(np.float64), prediction.y
        else:
            said, true = proba.max(axis=1).astype(np.float64), prediction.y == proba.argmax(axis=1)
        even = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], said)
        fine = BINS + ((log_odds(said) + WIDEST) * ((FINE - 1) / (2 * WIDEST))).astype(np.int64)
        sums = [
            np.bincount(even, weights, BINS + FINE) + np.bincount(fine, weights, BINS + FINE)
            for weights in (None, said, true)
        ]
        return cls(np.array(sums, dtype=np.float64).T[None])

    @staticmethod
    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        rows, said, true = np.moveaxis(sums[..., :BINS, :], -1, 0)
        return {"expected_calibration_error": np.abs(said - true).sum(axis=-1) / rows.sum(axis=-1)}

    def curves(self) -> dict[str, Any]:
        """``calibration``: probability said, share that came true, and rows, in order."""
        if self.sums is None:
            return {}
        rows, said, true = self.sums[0, BINS:].T
        before = np.cumsum(rows) - rows
        point = np.minimum((before * POINTS / rows.sum()).astype(np.int64), POINTS - 1)
        rows, said, true = (np.bincount(point, values, POINTS) for values in (rows, said, true))
        some = rows > 0
        return {
            "calibration": {
                "predicted": (said[some] / rows[some]).tolist(),
                "true": (true[some] / rows[some]).tolist(),
                "rows": rows[some].astype(np.int64).tolist(),
            }
        }
