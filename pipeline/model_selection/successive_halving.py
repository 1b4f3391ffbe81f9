"""Successive halving: how many trials train on how much, and which of them reach the next rung.

K. Jamieson, A. Talwalkar, *Non-stochastic Best Arm Identification and Hyperparameter Optimization*, AISTATS 2016;
L. Li et al., *Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization*, JMLR 2018.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Halving starts with eta**-2 of the training: with less, what is good for few rows wins, like a high learning rate.
MAX_DEPTH = 2
# A rung costs so many times less than the one before: a score from many rows is worth more than many trials.
COST_RATIO = 2


@dataclass(frozen=True)
class Rung:
    """``count`` trials of a bracket, each trained with a ``share`` of the whole training."""

    bracket: int
    share: float
    count: int


def brackets(method: str, trials: int, eta: int, parts: int) -> list[list[Rung]]:
    """Return the rungs of each bracket; all trials of a bracket train on its first rung.

    Parameters
    ----------
    parts
        A rung trains on at least one of so many parts of the rows.
    """
    if method in ("grid", "random"):
        return [[Rung(0, 1.0, trials)]]
    max_depth = math.floor(math.log(max(parts, 1), eta) + 1e-9)
    if method == "halving":
        depth = min(MAX_DEPTH, max_depth)
        rungs = [Rung(0, eta ** (k - depth), max(trials // (COST_RATIO * eta) ** k, 1)) for k in range(depth + 1)]
        # A trial that is left alone has won, and the run trains it on all rows anyway.
        return [[rung for k, rung in enumerate(rungs) if not k or rung.count > 1]]
    # Hyperband: brackets of about the same cost, from the one that drops most trials to one that drops none.
    depths = range(min(round(math.log(trials, eta)), max_depth), -1, -1)
    counts = _divided(trials, [eta**depth / (depth + 1) for depth in depths])
    return [
        _rungs(bracket, count, eta, depth)
        for bracket, (count, depth) in enumerate(zip(counts, depths, strict=True))
        if count
    ]


def _rungs(bracket: int, count: int, eta: int, depth: int) -> list[Rung]:
    return [Rung(bracket, eta ** (k - depth), max(count // eta**k, 1)) for k in range(depth + 1)]


def _divided(total: int, weights: Sequence[float]) -> list[int]:
    """Divide a total into integers in proportion to ``weights``; the rest goes to the largest remainders."""
    quotas = [total * weight / sum(weights) for weight in weights]
    counts = [math.floor(quota) for quota in quotas]
    order = sorted(range(len(quotas)), key=lambda i: (counts[i] - quotas[i], i))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return counts


def ranked(losses: Mapping[int, float | None]) -> list[int]:
    """Return the trials from the least loss to the greatest, ties by number; those without a loss are left out."""
    return [number for _, number in sorted((loss, n) for n, loss in losses.items() if loss is not None)]
