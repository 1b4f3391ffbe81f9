"""Tables of the tests of preparation, a packed column, and what they expect of slices."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedFeatures, pack
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.slice_columns import SliceColumn, slice_codes

JOIN_TABLE = pd.DataFrame({"k": ["a", "b", None, "z"], "i": [1, 2, 3, 4]}, index=[7, 8, 9, 10])


def make_slice_table(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "c": rng.choice(["a", "b", "c"], rows),
            "x": rng.normal(5, 2, rows),
            "few": rng.integers(0, 3, rows),
            "flag": rng.random(rows) < 0.5,
            "t": pd.Timestamp("2026-01-15") + pd.to_timedelta(rng.integers(0, 80, rows), unit="D"),
            "y": rng.integers(0, 2, rows),
        }
    )
    table.loc[rng.random(rows) < 0.1, ["c", "x"]] = None
    table.loc[rng.random(rows) < 0.1, "t"] = None
    return table


def slice_names(table: pd.DataFrame, column: SliceColumn) -> list[str]:
    """The part of each row by its name."""
    codes, values = slice_codes(table, column)
    return [str(values[c]) if c >= 0 else "missing" for c in codes]


def scale_of(values: Sequence[float], **options: object) -> PackingScale:
    """The packing scale of one numeric column."""
    frame = pd.DataFrame({"x": np.array(values, dtype=float)})
    return PackingScale.of(frame, Columns(("x",), options={"x": options}))


def pack_values(values: Sequence[float], scale: PackingScale) -> PackedFeatures:
    """One numeric column, packed."""
    return pack(pd.DataFrame({"x": np.array(values, dtype=float)}), Columns(("x",)), scale)
