"""ROC AUC and average precision from counts of positives and negatives by bin of the score."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pipeline.metrics.intervals import Support


def ranking_areas(positives: np.ndarray, negatives: np.ndarray, bounds: bool = True) -> dict[str, np.ndarray]:
    """Return ROC AUC and average precision, (...), and how far the ties within the bins can move them.

    The rows of one bin count as ties. ``roc_auc_error`` is half the fraction of pairs that fall into one bin;
    ``average_precision_error`` is how far the best and the worst order within the bins would move the figure.

    Parameters
    ----------
    positives, negatives : (..., bins)
        Rows by bin, in ascending order of the score. The figures are NaN where either has no row.
    bounds : bool
        Whether the two errors are wanted: they take as long as all else.
    """
    n_positives, n_negatives = positives.sum(axis=-1), negatives.sum(axis=-1)
    with np.errstate(all="ignore"):
        pairs = n_positives * n_negatives
        ties = (positives * negatives).sum(axis=-1) / 2
        below = np.cumsum(negatives, axis=-1) - negatives
        auc = ((positives * below).sum(axis=-1) + ties) / pairs
        # From the highest score down: positives and negatives with at least the bin's score.
        hits = np.cumsum(positives[..., ::-1], axis=-1)[..., ::-1]
        alarms = np.cumsum(negatives[..., ::-1], axis=-1)[..., ::-1]

        def average_precision(right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
            precision = np.divide(right, right + wrong, out=np.zeros_like(right), where=positives > 0)
            return (positives * precision).sum(axis=-1) / n_positives

        precision = np.where(pairs > 0, average_precision(hits, alarms), np.nan)
        if not bounds:
            return {"roc_auc": auc, "average_precision": precision}
        best = average_precision(hits, alarms - negatives)
        worst = average_precision(hits - positives + 1, alarms)
        error = np.where(pairs > 0, np.maximum(best - precision, precision - worst), np.nan)
        auc_error = ties / pairs
    return {
        "roc_auc": auc,
        "average_precision": precision,
        "roc_auc_error": auc_error,
        "average_precision_error": error,
    }


def ranking_support(rows: Sequence[int], figures: Mapping[str, float]) -> dict[str, Support]:
    """Return what the figures of a ranking rest on: the rows of the rarest class.

    The variance of ROC AUC is at most that of a proportion of as many rows as the rarer of two classes has (Z. W.
    Birnbaum and O. M. Klose, *Bounds for the variance of the Mann-Whitney statistic*, 1957).

    Parameters
    ----------
    rows
        Of the class and of all others if one class is ranked, else of each class.
    """
    rarest = float(min(rows, default=0))
    support = dict.fromkeys(figures, Support(rarest))
    if len(rows) == 2 and "roc_auc" in figures:
        support["roc_auc"] = Support(rarest, figures["roc_auc"] * rarest)
    return support


def resampled_areas(
    counts: Iterable[np.ndarray], weights: np.ndarray, figures: dict[str, float]
) -> dict[str, np.ndarray]:
    """Return ROC AUC and average precision of each resample, (b,), averaged over classes.

    Parameters
    ----------
    counts
        For each ranked class the rows by bootstrap group, truth (positives first) and bin, (groups, 2, bins).
    weights : float64 (b, groups)
        Whole numbers.
    figures
        The figures of all rows. The bins are coarse, so the resamples' figures are moved by what the bins miss of them.
    """
    with_all_rows = np.vstack([np.ones((1, weights.shape[1])), weights])
    by_class: list[dict[str, np.ndarray]] = []
    for table in counts:
        flat = table.reshape(len(table), -1).astype(np.float64)
        # Sums of integers below 2^53: exact, whatever the order of adding.
        sums = (with_all_rows @ flat).reshape(len(with_all_rows), 2, -1)
        by_class.append(ranking_areas(sums[:, 0], sums[:, 1], bounds=False))
    resampled: dict[str, np.ndarray] = {}
    for name in ("roc_auc", "average_precision"):
        if name in figures and by_class:
            values = np.mean([areas[name] for areas in by_class], axis=0)
            resampled[name] = np.clip(values[1:] + (figures[name] - values[0]), 0, 1)
    return resampled
