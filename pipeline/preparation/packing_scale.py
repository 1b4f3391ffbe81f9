"""The packing scale: relative to which center, and in which unit, each number is packed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.preparation.columns import Columns, numeric_columns

MAX_FLOAT64 = float(np.finfo(np.float64).max)
# Units are powers of two within these exponents: their inverses are numbers, too.
_MAX_EXPONENT = 1000
# Center and unit are learned from at most so many rows.
_MAX_SCALE_ROWS = 10_000
# The interquartile range of a normal distribution, in standard deviations.
_NORMAL_IQR = 1.349


@dataclass(frozen=True)
class PackingScale:
    """How the d numbers of a row are packed: ``(value - center) / unit`` as float32, or in full."""

    center: np.ndarray
    """float64 (d,)"""
    unit: np.ndarray
    """float64 (d,)"""
    full: np.ndarray
    """Which are kept in full, bool (d,)."""

    @classmethod
    def of(cls, frame: pd.DataFrame, columns: Columns) -> "PackingScale":
        """Learn center and unit from some rows, by quartiles: a few extreme values among them change nothing.

        A column without a value in these rows is kept in full: there is nothing to pack it by.
        """
        in_full = np.array(columns.in_full, dtype=np.bool_)
        # At random, for values may come in turns.
        rows = np.sort(np.random.default_rng(0).permutation(len(frame))[:_MAX_SCALE_ROWS])
        center, unit = np.zeros(len(in_full)), np.ones(len(in_full))
        for j, values in enumerate(numeric_columns(frame, columns)):
            values = values[rows]
            values = values[np.isfinite(values)]
            if len(values):
                center[j], unit[j] = _center_and_unit(values)
            else:
                in_full[j] = True
        return cls(center, unit, in_full)

    @property
    def places(self) -> np.ndarray | None:
        """Where each number is packed, as `PackedFeatures.places`."""
        if not self.full.any():
            return None
        return np.where(self.full, -np.cumsum(self.full), np.cumsum(~self.full) - 1)


def _center_and_unit(values: np.ndarray) -> tuple[float, float]:
    """Median and robust standard deviation of finite values, rounded so that packing loses no digit by them.

    If more than half of the values are equal, the spread is that of the others about them.
    """
    first, middle, third = _order_statistics(values, (0.25, 0.5, 0.75))
    with np.errstate(over="ignore"):
        spread = (third - first) / _NORMAL_IQR
        if not spread:
            others = values[values != middle]
            [spread] = _order_statistics(np.abs(others - middle), (0.5,)) if len(others) else [0.0]
    spread = min(spread, MAX_FLOAT64)
    if spread <= 1e-12 * abs(middle):  # a spread that comes from rounding: the column is constant
        return middle, 1.0
    unit = 2.0 ** min(max(round(math.log2(spread)), -_MAX_EXPONENT), _MAX_EXPONENT)
    # An eighth of the unit, or of 1: the center of integers is one, and they are packed without loss.
    step = unit / 8
    center = round(middle / step) * step if abs(middle) < 2.0**50 * step else middle
    return center, unit


def _order_statistics(values: np.ndarray, shares: Sequence[float]) -> list[float]:
    """The values below which the given shares of all values lie; unlike quantiles, they are not interpolated."""
    positions = [int(share * len(values)) for share in shares]
    return np.partition(values, positions)[positions].tolist()
