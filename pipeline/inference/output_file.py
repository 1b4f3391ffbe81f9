"""Files of predictions: an `OutputFile` accounts for the rows of one batch, a `ScoringState` for several batches."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.evaluation.drift import DriftState
from pipeline.io.run_folder import RunFolder

# Where files lie until all are there. Parquet's readers take no data from names that begin with an underscore.
STAGED = "_unfinished"


@dataclass(frozen=True)
class OutputFile:
    """The account of one batch: ``rows`` were written, the others rejected."""

    batch: int
    where: str
    read: int
    rows: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Rows by reason."""
    size: int = 0
    """Bytes."""
    error: str = ""
    """Why the batch was quarantined; it has no file then."""
    observed: DriftState = field(default_factory=DriftState)

    @property
    def file(self) -> str:
        """The file's name; sorted by name, the files are in the order of the input."""
        return f"part-{self.batch:06d}.parquet"

    def to_dict(self) -> bytes:
        """The account as JSON; `from_dict` reads it."""
        return json.dumps({**vars(self), "observed": self.observed.to_dict()}).encode()

    @classmethod
    def from_dict(cls, content: bytes) -> "OutputFile":
        """The account that `to_dict` wrote."""
        values = json.loads(content)
        return cls(**{**values, "observed": DriftState.from_dict(values["observed"])})


@dataclass(frozen=True)
class ScoringState:
    """What became of several batches, in order, and the merged state of their drift."""

    files: tuple[OutputFile, ...] = ()
    observed: DriftState = field(default_factory=DriftState)

    @classmethod
    def of(cls, files: Sequence[OutputFile]) -> "ScoringState":
        """The state of the batches of one task."""
        observed = DriftState.merge([file.observed for file in files])
        return cls(tuple(replace(file, observed=DriftState()) for file in files), observed)

    @classmethod
    def merge(cls, states: Sequence["ScoringState"]) -> "ScoringState":
        """The state of neighbours, in order."""
        files = tuple(file for state in states for file in state.files)
        return cls(files, DriftState.merge([state.observed for state in states]))

    def rejected_by_reason(self) -> dict[str, int]:
        """Rejected rows of all batches."""
        counts: dict[str, int] = {}
        for file in self.files:
            for reason, count in file.rejected.items():
                counts[reason] = counts.get(reason, 0) + count
        return counts


def write_staged(folder: RunFolder, table: pa.Table, file: OutputFile, dictionary_columns: list[str]) -> OutputFile:
    """Write a batch's table, then its account: if the account is there, so is the table.

    Returns
    -------
    OutputFile
        With the size of the file.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, use_dictionary=dictionary_columns)
    content = sink.getvalue().to_pybytes()
    folder.write(f"{STAGED}/{file.file}", content)
    file = replace(file, size=len(content))
    folder.write(f"{STAGED}/{file.file}.json", file.to_dict(), durable=False)
    return file
