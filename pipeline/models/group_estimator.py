"""What an estimator has that learns from groups of whole batches, not batch by batch."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

# Reads the batches of a group, from the first, each time it is called: the rows of each, dense or CSR, and their class
# numbers or targets.
ReadBatches = Callable[[], Iterator[tuple[Any, np.ndarray]]]


class GroupEstimator(Protocol):
    """An estimator whose members learn from groups of batches; `training.group_trainer` trains it."""

    def groups(self, numbers: Sequence[int], count: int) -> list[list[int]]:
        """Return the batches of each member, given their ``numbers`` and ``train.lanes``."""

    def fit_group(self, read: ReadBatches, classes: np.ndarray | None = None, scratch: str | None = None) -> Any:
        """Return the member that learned from a group of batches.

        Parameters
        ----------
        classes
            The labels in order, of which ``y`` holds the numbers; None for a regressor.
        scratch
            A folder for what need not be in memory; None: everything stays in memory.
        """

    def combine_members(self, members: Sequence[Any], classes: np.ndarray | None = None) -> Any:
        """Return the fitted estimator of all members."""
