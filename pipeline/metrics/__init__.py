"""Metrics as states that merge: ``of`` one batch, ``merge`` two, ``result`` at the end.

Belongs here: a figure computed from labels and predictions, under scikit-learn's own name. Each metric is a frozen
value, and the result of any partitioning is that of all rows together.

May import: `errors`, `notices`, `io`, `config`, `preparation`.

To add a metric, write a file named after it, as `brier_score` is, and name its class in `registry.metrics_for`. A
metric that is a function of sums over rows derives from `Additive` and thereby has intervals and slices.
"""

from pipeline.metrics.additive import Additive

__all__ = ["Additive"]
