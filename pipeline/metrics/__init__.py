"""Metrics as states that merge: ``of`` one batch, ``merge`` two, ``result`` at the end.

Belongs here: a figure computed from labels and predictions, under scikit-learn's own name. Each metric is a frozen
value, and the result of any partitioning is that of the whole.

May import: `errors`, `io`, `config`, `preparation`.

To add a metric, write a class in one of these files and name it in `registry.metrics_for`. One that is a function of
sums over rows derives from `Additive` and has intervals and slices by itself.
"""

from pipeline.metrics.additive import Additive

__all__ = ["Additive"]
