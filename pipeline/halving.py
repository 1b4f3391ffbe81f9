"""Successive halving: how many trials train on how much, and which of them go on.

K. Jamieson, A. Talwalkar, *Non-stochastic Best Arm Identification and Hyperparameter Optimization*, AISTATS 2016;
L. Li et al., *Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization*, JMLR 2018.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rung:
    """``count`` trials of a bracket, each trained up to ``share`` of the whole."""

    bracket: int
    share: float
    count: int


def brackets(method: str, trials: int, eta: int, parts: int) -> list[tuple[int, list[Rung]]]:
    """The brackets: how many trials each begins with, and its rungs.

    Parameters
    ----------
    parts
        The training rows come in so many; a first rung has one of them or more.
    """
    if method in ("grid", "random"):
        return [(trials, [Rung(0, 1.0, trials)])]
    deepest = _floor_log(max(min(trials, parts), 1), eta)
    if method == "halving":
        return [(trials, _rungs(0, trials, eta, deepest))]
    # Hyperband: brackets of about the same cost, from the boldest to one in which nothing is dropped.
    depths = range(deepest, -1, -1)
    weights = [eta**depth / (depth + 1) for depth in depths]
    counts = _allotted(trials, weights)
    return [(n, _rungs(i, n, eta, depth)) for i, (n, depth) in enumerate(zip(counts, depths, strict=True)) if n]


def _rungs(bracket: int, count: int, eta: int, depth: int) -> list[Rung]:
    return [Rung(bracket, eta ** (k - depth), math.ceil(count / eta**k)) for k in range(depth + 1)]


def _floor_log(value: int, base: int) -> int:
    depth = 0
    while base ** (depth + 1) <= value:
        depth += 1
    return depth


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
