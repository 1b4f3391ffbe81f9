"""Two samples of counts, training and other rows: how far apart they are, and whether chance would put them there.

A difference has a size, the population stability index, and a probability of at least as much by chance. With few rows
chance alone makes large differences, with many rows every difference is beyond chance: a judgement needs both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, bdtrc, chdtrc

# A group of values has so many rows of the smaller sample, if both are alike: fewer have no chi-square law.
MIN_EXPECTED = 5.0
# Where only frequent values are counted apart, one with a smaller share of both samples is one of the others: which of
# these are counted was chosen by their counts in one sample, which then differ without a cause.
MIN_SHARE = 0.005
# A share of no row at all counts as this one, or as half a row if that is more: an empty group has no logarithm.
LEAST_SHARE = 1e-4
# Between the two samples, a probability below this is beyond chance.
ALPHA = 0.01


@dataclass(frozen=True)
class Difference:
    """How far two samples of one column are apart.

    Parameters
    ----------
    score
        The population stability index: the sum of (p - q) ln(p / q) over groups of values, missing among them.
    chance
        The score that two samples of the same population have on average: each group but one adds the sum of the
        inverse numbers of rows.
    p_value
        How likely chance alone makes a difference like this.
    """

    score: float
    chance: float
    p_value: float

    @property
    def size(self) -> float:
        """The score beyond what chance gives."""
        return max(self.score - self.chance, 0.0)


def compare_counts(
    old: np.ndarray,
    new: np.ndarray,
    missing: tuple[int, int] = (0, 0),
    unseen: tuple[int, int] = (0, 0),
    values: int = 0,
) -> Difference:
    """Compare the counts of values in the rows of two samples.

    Chance is judged under both counts together, as if the rows had been dealt to the samples: by all groups together
    (chi-square), and by each count alone (the binomial law), which holds for any number of rows. Both with the
    correction of Bonferroni.

    Parameters
    ----------
    old, new : int (groups,)
        The rows of each group of values in either sample; the last group is of all other values.
    missing
        The rows without a value in either sample.
    unseen
        The rows of ``new``, all of them in its last group, with values that ``old`` has not; and before them, how many
        rows of ``old`` have a value that the rest of ``old`` has not.
    values
        How many distinct values ``old`` has, if more than groups.
    """
    n, m = int(old.sum()) + missing[0], int(new.sum()) + missing[1]
    if not n or not m:
        return Difference(0.0, 0.0, 1.0)
    pooled, share_of_new, fewest = (old + new)[:-1], m / (n + m), min(n, m)
    least = MIN_SHARE if values > len(pooled) else 0.0
    is_large = (pooled * fewest >= MIN_EXPECTED * (n + m)) & (pooled >= least * (n + m))
    groups = [np.append(counts[:-1][is_large], counts[:-1][~is_large].sum() + counts[-1]) for counts in (old, new)]
    together = _chi_square(*(np.append(side, gaps) for side, gaps in zip(groups, missing, strict=True)))

    n_tests = max(len(old), values) + 2
    # What is counted for the last group alone was chosen by one sample: it is judged with all small groups.
    singles = [np.concatenate([c[:-1], [g[-1], gaps]]) for c, g, gaps in zip((old, new), groups, missing, strict=True)]
    by_group = _tail(singles[0], singles[1], share_of_new)
    # The variance of the number before is at most about twice that of a count.
    expected = int(np.ceil(unseen[0] + 3 * np.sqrt(2 * unseen[0])))
    beyond = float(bdtrc(unseen[1] - 1, expected + unseen[1], share_of_new)) if unseen[1] else 1.0
    alone = min(float(by_group.min()), beyond) * n_tests

    apart = np.append((by_group[:-2] * n_tests < ALPHA) & ~is_large, False)
    excess = min(max(unseen[1] - unseen[0] * m / n, 0.0), float(new[-1]))
    sides = []
    for side, counts, gaps, unlike in zip(groups, (old, new), missing, (0.0, excess), strict=True):
        rest = side[-1] - counts[apart].sum() - unlike
        sides.append(np.concatenate([side[:-1], counts[apart], [rest, unlike, gaps]]))
    filled = (sides[0] + sides[1]) > 0
    score = stability_index(sides[0][filled], sides[1][filled])
    chance = (int(filled.sum()) - 1) * (1 / n + 1 / m)
    return Difference(score, chance, float(min(2 * min(together, alone), 1.0)))


def stability_index(old: np.ndarray, new: np.ndarray) -> float:
    """Return the population stability index of two histograms; 0 if one has no row."""
    if not new.sum() or not old.sum():
        return 0.0
    p, q = ((side + 0.5) / (side.sum() + 0.5 * len(side)) for side in (old, new))
    p, q = np.maximum(p, LEAST_SHARE), np.maximum(q, LEAST_SHARE)
    return float(((p - q) * np.log(p / q)).sum())


def beyond_chance(p_values: Sequence[float]) -> list[bool]:
    """Return which of several differences are beyond chance, so that at most `ALPHA` of them are expected to be wrong.

    Y. Benjamini and Y. Hochberg, *Controlling the False Discovery Rate*, JRSS B 57 (1995).
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    passed = np.flatnonzero(p[order] <= ALPHA * np.arange(1, len(p) + 1) / max(len(p), 1))
    found = np.zeros(len(p), dtype=bool)
    found[order[: passed[-1] + 1 if len(passed) else 0]] = True
    return [bool(each) for each in found]


def value_ranges(old: np.ndarray, new: np.ndarray, ranges: int) -> np.ndarray:
    """Return the range of each bin of two histograms, int (bins,), so that each range has about as many rows of both.

    A bin with more than its share is a range of its own, and the ranges divide the other rows among them: a column that
    is nearly always 0 has as many ranges as another. A range has rows enough for `compare_counts` to tell it apart.
    """
    pooled = old + new
    n, m = old.sum(), new.sum()
    fewest = MIN_EXPECTED * (n + m) / max(min(n, m), 1)
    is_own = pooled > max((n + m) / ranges, fewest)
    size = max(pooled[~is_own].sum() / ranges, fewest)
    range_of_bin, current, rows = np.zeros(len(pooled), dtype=np.int64), 0, 0
    for k, (count, own) in enumerate(zip(pooled.tolist(), is_own.tolist(), strict=True)):
        if rows and (own or rows >= size):
            current, rows = current + 1, 0
        range_of_bin[k] = current
        rows += count
    return range_of_bin


def _tail(old: np.ndarray, new: np.ndarray, share: float) -> np.ndarray:
    """Return for each pair of counts how likely it, or one as far out, is if each row is new with this probability."""
    total = old + new
    with np.errstate(invalid="ignore"):
        above = np.where(new > 0, bdtrc(np.maximum(new, 1) - 1, np.maximum(total, 1), share), 1.0)
        below = bdtr(new, total, share)
    return np.where(total > 0, np.minimum(2 * np.minimum(above, below), 1.0), 1.0)


def _chi_square(old: np.ndarray, new: np.ndarray) -> float:
    """Return how likely the difference of two samples is by K. Pearson's test; small groups count as one."""
    n, m, total = old.sum(), new.sum(), old + new
    order = np.argsort(total, kind="stable")
    # The smallest groups together, until they have rows enough.
    fewest = MIN_EXPECTED * (n + m) / min(n, m)
    n_small = int(np.searchsorted(total[order], fewest))
    while 0 < n_small < len(order) and total[order[:n_small]].sum() < fewest:
        n_small += 1
    old, new = (np.append(side[order[n_small:]], side[order[:n_small]].sum()) for side in (old, new))
    total = old + new
    old, new, total = old[total > 0], new[total > 0], total[total > 0]
    if len(total) < 2:
        return 1.0
    expected = total * m / (n + m)
    statistic = ((new - expected) ** 2 / expected).sum() * (n + m) / n
    return float(chdtrc(len(total) - 1, statistic))
