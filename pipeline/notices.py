"""Notices: what a person should know about the data or the result, and which key answers it.

Nothing stops for a notice. The plan, the terminal at a run's end, report.json and the page show each on a line::

    column 'weight'  looks like a weight of rows; exclude it with features.exclude

They are made where the fact is known: while files are listed, when the statistics are merged, after the evaluation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Notice:
    """One sentence about one thing.

    Parameters
    ----------
    subject
        What it is about, as the sentence would begin: ``column 'x'``, ``label 'y'``, a path.
    message
        What was found, without the subject and without a full stop.
    advice
        What to do, naming the config key; empty if there is nothing to do.

    >>> str(Notice("column 'x'", "is in 3 of 4 files", "write it to all, or list it in features.exclude"))
    "column 'x': is in 3 of 4 files; write it to all, or list it in features.exclude"
    """

    subject: str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.sentence}"

    @property
    def sentence(self) -> str:
        """Message and advice; after a question, the advice is a sentence of its own."""
        if self.message.endswith("?") and self.advice:
            return f"{self.message} {self.advice[0].upper()}{self.advice[1:]}"
        return f"{self.message}; {self.advice}" if self.advice else self.message

    def to_dict(self) -> dict[str, str]:
        """Return the notice as report.json has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, str]) -> "Notice":
        """Restore what `to_dict` returned."""
        return cls(**values)


def unique_notices(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    """The notices without repetitions, in order."""
    return tuple(dict.fromkeys(notices))


def listed(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are.

    >>> listed(["a", "b"], 2), listed(["a", "b", "c", "d"], 2)
    ('a, b', 'a, b and 2 more')
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def counted(number: int, thing: str) -> str:
    """A number of things, in words that suit it.

    >>> counted(1, "file"), counted(2000, "file")
    ('1 file', '2,000 files')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
