"""Areas under curves, from counts of positives and negatives by step of the score."""

import numpy as np


def areas(positives: np.ndarray, negatives: np.ndarray, bounds: bool = True) -> dict[str, np.ndarray]:
    """ROC AUC and average precision, (...), rows of one step being ties; and the bounds of what ties can hide.

    Parameters
    ----------
    positives, negatives
        (..., steps), in ascending order of the score; NaN comes out where either has no row.
    bounds
        Whether they are asked for: they take as long as all else.
    """
    own, others = positives.sum(axis=-1), negatives.sum(axis=-1)
    with np.errstate(all="ignore"):
        pairs = own * others
        ties = (positives * negatives).sum(axis=-1) / 2
        below = np.cumsum(negatives, axis=-1) - negatives
        auc = ((positives * below).sum(axis=-1) + ties) / pairs
        # From the highest score down: rows of the class, and others, with at least the step's score.
        hits = np.cumsum(positives[..., ::-1], axis=-1)[..., ::-1]
        alarms = np.cumsum(negatives[..., ::-1], axis=-1)[..., ::-1]

        def averaged(right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
            shares = np.divide(right, right + wrong, out=np.zeros_like(right), where=positives > 0)
            return (positives * shares).sum(axis=-1) / own

        precision = np.where(pairs > 0, averaged(hits, alarms), np.nan)
        if not bounds:
            return {"roc_auc": auc, "average_precision": precision}
        best = averaged(hits, alarms - negatives)
        worst = averaged(hits - positives + 1, alarms)
        error = np.where(pairs > 0, np.maximum(best - precision, precision - worst), np.nan)
        auc_error = ties / pairs
    return {
        "roc_auc": auc,
        "average_precision": precision,
        "roc_auc_error": auc_error,
        "average_precision_error": error,
    }
