"""Slices: the parts of the rows, however they are packed, against pandas' own groups."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.slices import MAX_PAIRED_VALUES, MAX_VALUES, Slicing
from pipeline.preparation.slice_columns import keys_of, slice_codes, slice_columns
from tests.preparation.builders import make_slice_table, slice_names


@given(st.integers(0, 20), st.lists(st.integers(0, 200), max_size=4))
def test_every_row_has_one_slice_of_each_key_in_any_batch(seed, edges):
    table = make_slice_table(seed=seed)
    wanted = ["c", ["few", "x"]]
    columns = slice_columns(wanted, "y", table)
    counts = {c.name: pd.Series(slice_names(table, c)).value_counts() for c in columns if c.edges is None}
    counts["c"] = counts["c"].drop("missing", errors="ignore").drop("b")  # seen too late to be known
    counts["few"].index = counts["few"].index.astype(int)
    slicing = Slicing.of(keys_of(wanted), counts, columns)
    names = [f"{key}/{name}" for key, values in slicing.names() for name in values]
    assert len(names) == sum(slicing.sizes) == (2 + 2) + (3 + 2) * (4 + 2)
    found = []
    for part in np.split(np.arange(200), sorted(edges)):
        piece = table.iloc[part]
        coded = {}
        for column in columns:
            codes, values = slice_codes(piece, column)
            coded[column.name] = np.where(codes < 0, len(values), codes), values
        found += zip(*slicing.slice_numbers(coded, np.arange(len(piece))), strict=True)
    single = table["c"].fillna("missing").replace("b", "other")
    double = [f"{a}:{b}" for a, b in zip(slice_names(table, columns[1]), slice_names(table, columns[2]), strict=True)]
    expected = [(f"c/{a}", f"few:x/{b}") for a, b in zip(single, double, strict=True)]
    assert [tuple(names[i] for i in row) for row in found] == expected


def test_slice_values_like_reserved_names_or_pairs():
    values = pd.Series([3, 2, 1], index=["other", "missing", "a:b"])
    slicing = Slicing.of([("c",), ("c", "c:d")], {"c": values, "c:d": values}, ())
    (one, names), (two, pairs) = slicing.names()
    assert (one, names) == ("c", ["a:b", "missing", "other", "(missing)", "(other)"])
    assert two == "c:c\\:d"
    assert len(set(pairs)) == len(pairs) == 25


def test_only_the_frequent_values_have_slices():
    counts = pd.Series(np.arange(1_000) + 1, index=[f"v{i:03d}" for i in range(1_000)])
    slicing = Slicing.of([("c",), ("c", "d")], {"c": counts, "d": counts[:3]}, ())
    (single,), (first, second) = slicing.values
    assert (len(single), len(first), len(second)) == (MAX_VALUES, MAX_PAIRED_VALUES, 3)
    assert single[0] == f"v{1_000 - MAX_VALUES:03d}"
