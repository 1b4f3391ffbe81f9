"""Drift: how far other data is from the data that a model was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.encoding.encoder import Encoder
from pipeline.evaluation.column_change import code_change, label_change, number_change
from pipeline.evaluation.drift_verdict import with_verdicts
from pipeline.preparation.packing import PackedFeatures
from pipeline.statistics.counts import Counts
from pipeline.statistics.histogram import N_BINS
from pipeline.statistics.moments import Moments, NumericStats
from pipeline.statistics.summary import Summary


def compare(
    profile: Mapping[str, Any],
    categories: Mapping[str, np.ndarray],
    summary: Summary,
    label: str = "",
    classes: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return for every column how the data of a summary differs from a profile.

    Parameters
    ----------
    profile
        See `drift_profile.profile`.
    categories
        The values that the encoder tells apart, by column.
    label, classes
        The label's name, if it is to be compared too, and its classes; None for a number.

    Returns
    -------
    dict
        For each column, those first that drifted most: ``verdict``, see `drift_verdict.with_verdicts`; ``score``, the
        population stability index, ``chance``, the score that chance alone gives, and ``p_value``, how likely chance
        is, see `two_samples.Difference`; ``rows`` and ``missing``, the rows and the rate of missing values in training
        and now; ``unseen``, the fraction of the values that training did not have (a number: below or above all of
        its histogram), and ``expected_unseen``, that of training rows if each had to do without itself; for a number
        ``range``, lowest and highest value in training and now. The label's ``kind`` is "label"; it has the ``shares``
        of its classes, or its ``mean``, in training and now.
    """
    changes = {name: number_change(profile["numbers"][name], number) for name, number in summary.numeric.items()}
    for name, counts in summary.categorical.items():
        known = KnownValues.of(profile["codes"][name]["values"], categories.get(name))
        changes[name] = known.count(counts).change(profile["codes"][name])
    if label and "rows" in profile["label"]:  # an earlier version does not remember how many
        changes[label] = label_change(profile["label"], classes, summary.train_labels, summary.label)
    return with_verdicts(changes)


@dataclass(frozen=True)
class ValueCounts:
    """How often each profiled value of a coded column occurs, and how many rows have other values.

    Parameters
    ----------
    profiled : int64 (values,)
        The rows of each value in the profile.
    total, unseen, missing : int
        The rows with a value, those with a value that the encoder does not know, and those without a value.
    """

    profiled: np.ndarray
    total: int = 0
    unseen: int = 0
    missing: int = 0

    def merge(self, other: "ValueCounts") -> "ValueCounts":
        return ValueCounts(
            self.profiled + other.profiled,
            self.total + other.total,
            self.unseen + other.unseen,
            self.missing + other.missing,
        )

    def change(self, profiled: Mapping[str, Any]) -> dict[str, Any]:
        """Return how the column differs from its profile."""
        return code_change(profiled, self.profiled, self.total, self.unseen, self.missing)


@dataclass(frozen=True)
class KnownValues:
    """The values of a coded column that a model knows.

    Parameters
    ----------
    profiled
        Those in its profile.
    categories
        Those that the encoder tells apart; None for a column that it hashes.
    profiled_by_slot : int (slots,), optional
        For each of the encoder's slots the position of its value in ``profiled``, whose length stands for none. None
        if a profiled value has no slot of its own.
    """

    profiled: pd.Index
    categories: np.ndarray | None
    profiled_by_slot: np.ndarray | None

    @classmethod
    def of(cls, profiled: Sequence[Any], categories: np.ndarray | None) -> "KnownValues":
        index = pd.Index(profiled)
        if categories is None:
            return cls(index, None, None)
        position = index.get_indexer(pd.Index(categories))
        if np.count_nonzero(position >= 0) < len(index):
            return cls(index, categories, None)
        none = len(index)
        return cls(index, categories, np.append(np.where(position < 0, none, position), [none, none]))

    def count(self, counts: Counts) -> ValueCounts:
        """Return the counts of the known values, from those of all values."""
        profiled = counts.values.reindex(self.profiled).fillna(0).to_numpy(dtype=np.int64)
        unseen = 0 if self.categories is None else int(counts.values[~counts.values.index.isin(self.categories)].sum())
        return ValueCounts(profiled, int(counts.values.sum()), unseen, counts.missing)

    def count_codes(self, counts: np.ndarray, values: pd.Index, slots: np.ndarray | None) -> ValueCounts:
        """Return the counts of the known values in one batch.

        Parameters
        ----------
        counts : int (values + 1,)
            The rows of each value of the batch's vocabulary and, last, those without a value.
        values
            The vocabulary.
        slots : int (values + 1,), optional
            The encoder's slot of each; None for a column that it hashes.
        """
        none, total, missing = len(self.profiled), int(counts[:-1].sum()), int(counts[-1])
        if self.profiled_by_slot is None or self.categories is None or slots is None:
            position = np.append(self.profiled.get_indexer(values), -1)
            profiled = np.bincount(np.where(position < 0, none, position), counts, none + 1)
            unseen = 0 if self.categories is None else int(counts[:-1][~values.isin(self.categories)].sum())
        else:
            profiled = np.bincount(self.profiled_by_slot[slots], counts, none + 1)
            unseen = int(counts[slots == len(self.categories) + 1].sum())
        return ValueCounts(profiled[:-1].astype(np.int64), total, unseen, missing)


def known_values(encoder: Encoder) -> dict[str, KnownValues]:
    """Return the values of each coded column that a fitted encoder with a profile knows."""
    codes = encoder.profile_["codes"]
    return {name: KnownValues.of(column["values"], encoder.categories_.get(name)) for name, column in codes.items()}


@dataclass(frozen=True)
class DriftState:
    """How far some rows are from the training data; its size does not depend on their values."""

    rows: int = 0
    numbers: Mapping[str, NumericStats] = field(default_factory=dict)
    codes: Mapping[str, ValueCounts] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        packed: PackedFeatures,
        rows: np.ndarray,
        encoder: Encoder,
        known: Mapping[str, KnownValues],
        slots: Mapping[str, np.ndarray],
    ) -> "DriftState":
        """Return the state of the packed rows at the positions ``rows``, int (n,).

        Parameters
        ----------
        known
            See `known_values`.
        slots
            By coded column, as `Encoder.category_indexes` returns them.
        """
        numbers = {
            name: NumericStats.of(packed.number(j), rows, encoder.center_[j], encoder.unit_[j])
            for j, name in enumerate(encoder.columns.numbers)
        }
        codes = {}
        for j, (name, values) in enumerate(zip(packed.names, packed.vocabularies, strict=True)):
            counts = np.bincount(packed.codes[rows, j], minlength=len(values) + 1)
            codes[name] = known[name].count_codes(counts, values, slots.get(name))
        return cls(len(rows), numbers, codes)

    @classmethod
    def merge(cls, parts: Sequence["DriftState"]) -> "DriftState":
        """Return the state of the rows of all parts; parts without rows are passed over."""
        filled = [part for part in parts if part.rows]
        if not filled:
            return cls()
        first, *rest = filled
        codes = dict(first.codes)
        for part in rest:
            codes = {name: counts.merge(part.codes[name]) for name, counts in codes.items()}
        numbers = {name: NumericStats.merge([part.numbers[name] for part in filled]) for name in first.numbers}
        return cls(sum(part.rows for part in filled), numbers, codes)

    def result(self, profile: Mapping[str, Any]) -> dict[str, Any]:
        """Return for every column how it differs from the profile, as `compare` does."""
        changes = {name: number_change(profile["numbers"][name], number) for name, number in self.numbers.items()}
        return with_verdicts(
            changes | {name: counts.change(profile["codes"][name]) for name, counts in self.codes.items()}
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain values; `from_dict` takes them back."""
        numbers = {n: [v.missing, v.low, v.high, v.histogram.tolist(), v.infinite] for n, v in self.numbers.items()}
        codes = {n: [v.profiled.tolist(), v.total, v.unseen, v.missing] for n, v in self.codes.items()}
        return {"rows": self.rows, "numbers": numbers, "codes": codes}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DriftState":
        """Return the state that `to_dict` was called on, without the moments of its numbers.

        Raises
        ------
        ValueError
            It is of an earlier version, whose histograms had other ranges.
        """
        if any(len(histogram) != N_BINS for _, _, _, histogram, _ in values["numbers"].values()):
            raise ValueError("histograms of other ranges")
        numbers = {
            name: NumericStats(Moments(), missing, low, high, np.array(histogram, dtype=np.int64), infinite=infinite)
            for name, (missing, low, high, histogram, infinite) in values["numbers"].items()
        }
        codes = {
            name: ValueCounts(np.array(profiled, dtype=np.int64), *rest)
            for name, (profiled, *rest) in values["codes"].items()
        }
        return cls(values["rows"], numbers, codes)
