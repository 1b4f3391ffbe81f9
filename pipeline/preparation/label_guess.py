"""The label guess: whether a numeric label is classes, by the values seen so far."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# An integer label of at most so many values is a class.
MAX_CLASS_INTEGERS = 20


@dataclass(frozen=True)
class LabelGuess:
    """A numeric label was taken for classes by its first rows; the statistics of all rows confirm or refute it."""

    integer: bool
    """Whether the label is an integer."""

    def holds_for(self, values: Iterable[Any]) -> bool:
        """Whether values of the label can be classes: integers of few values, or floats 0 and 1 alone.

        >>> LabelGuess(integer=True).holds_for([1, 2, 3]), LabelGuess(integer=False).holds_for([0.0, 1.0, 0.5])
        (True, False)
        """
        # By value, not by dtype: an integer column with a missing value may be a float by now.
        distinct = set(values)
        return distinct <= {0, 1} or (self.integer and len(distinct) <= MAX_CLASS_INTEGERS)

    @property
    def refutation(self) -> str:
        """What was found if it does not hold; the same whichever batch showed it first."""
        if self.integer:
            return f"an integer of few values in the first rows, but of more than {MAX_CLASS_INTEGERS} in all"
        return "a float that is 0 or 1 in the first rows, but not in all"
