"""Predictions to test metrics with, and their parts; tables and runs are in `tests.builders`."""

import itertools
from functools import reduce

import numpy as np
from hypothesis import strategies as st

from pipeline.metrics.prediction import GroupIndex, Prediction

# Where the rows are cut into parts.
EDGES = st.lists(st.integers(0, 80), max_size=4)


def predictions(rows: int, classes: int, seed: int, groups: int = 4, slices: int = 3) -> Prediction:
    """Probabilities drawn at random, and labels drawn by them; every class has a row."""
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(classes), rows)
    y = np.array([rng.choice(classes, p=p) for p in proba])
    y[:classes] = np.arange(classes)
    index = np.column_stack([rng.integers(0, groups, rows), groups + rng.integers(0, slices, rows)]).astype(np.int32)
    return classified(y, proba, GroupIndex(index, groups, groups + slices))


def classified(y: np.ndarray, proba: np.ndarray, group_index: GroupIndex | None = None) -> Prediction:
    """The prediction of a classifier with these probabilities."""
    classes = proba.shape[1]
    return Prediction(y, proba.argmax(axis=1), proba, proba[:, 1] if classes == 2 else proba, classes, group_index)


def take(p: Prediction, rows) -> Prediction:
    """Some rows of a prediction."""
    groups = p.group_index
    if groups is not None:
        groups = GroupIndex(groups.index[rows], groups.bootstrap_groups, groups.size)
    proba, scores = (None if part is None else part[rows] for part in (p.proba, p.scores))
    return Prediction(p.y[rows], p.predicted[rows], proba, scores, p.n_classes, groups, p.target_mean, p.target_std)


def cut(p: Prediction, edges: list[int]) -> list[Prediction]:
    """A prediction in parts, of which some may be empty."""
    return [take(p, slice(a, b)) for a, b in itertools.pairwise([0, *sorted(edges), len(p.y)])]


def merged(metric, parts: list[Prediction]):
    """The state of all parts."""
    return reduce(lambda a, b: a.merge(b), [metric.of(part) for part in parts])
