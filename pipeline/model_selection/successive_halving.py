"""Successive halving: how many trials train on how much, and which of them go on.

K. Jamieson, A. Talwalkar, *Non-stochastic Best Arm Identification and Hyperparameter Optimization*, AISTATS 2016;
L. Li et al., *Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization*, JMLR 2018.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Halving begins with eta**-2 of the work: with less, what is good for few rows wins, a high learning rate above all.
DEPTH = 2
# A rung costs so many times less than the one before: what many rows say is more worth than many trials.
SLACK = 2


@dataclass(frozen=True)
class Rung:
    """``count`` trials of a bracket, each trained with a ``share`` of the work."""

    bracket: int
    share: float
    count: int


def brackets(method: str, trials: int, eta: int, parts: int) -> list[tuple[int, list[Rung]]]:
    """The brackets: how many trials each begins with, and its rungs.

    Parameters
    ----------
    parts
        The first rung has no less than one such part of the rows.
    """
    if method in ("grid", "random"):
        return [(trials, [Rung(0, 1.0, trials)])]
    most = math.floor(math.log(max(parts, 1), eta) + 1e-9)
    if method == "halving":
        depth = min(DEPTH, most)
        rungs = [Rung(0, eta ** (k - depth), max(trials // (SLACK * eta) ** k, 1)) for k in range(depth + 1)]
        # Who is left alone has won: the run trains it on all rows anyway.
        return [(trials, [rung for k, rung in enumerate(rungs) if not k or rung.count > 1])]
    deepest = min(round(math.log(trials, eta)), most)
    # Hyperband: brackets of about the same cost, from the boldest to one in which nothing is dropped.
    depths = range(deepest, -1, -1)
    weights = [eta**depth / (depth + 1) for depth in depths]
    counts = _allotted(trials, weights)
    return [(n, _rungs(i, n, eta, depth)) for i, (n, depth) in enumerate(zip(counts, depths, strict=True)) if n]


def _rungs(bracket: int, count: int, eta: int, depth: int) -> list[Rung]:
    return [Rung(bracket, eta ** (k - depth), max(count // eta**k, 1)) for k in range(depth + 1)]


def _allotted(total: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to ``weights``; what is left goes to the largest remainders."""
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [math.floor(x) for x in exact]
    order = sorted(range(len(exact)), key=lambda i: (counts[i] - exact[i], i))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return counts


def best(scores: Mapping[int, float | None], count: int) -> list[int]:
    """The ``count`` trials of the least scores, ties by number; those without a score are never among them."""
    scored = sorted((score, number) for number, score in scores.items() if score is not None)
    return [number for _, number in scored[:count]]
