"""Samples of several batches as one, and what changes places in them."""

import numpy as np
import pandas as pd
import pytest

from pipeline.encoding.encoder import Encoder
from pipeline.evaluation.permutation_importance import (
    Sample,
    concat_samples,
    features_of,
    permutation_importances,
)
from pipeline.metrics.prediction import Prediction
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import pack
from pipeline.preparation.packing_scale import PackingScale

COLUMNS = Columns(("x",), ("c",), ("t",), ("text",), (("c", "t.month"),))


def frame(rows: int, seed: int, words: str) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": rng.normal(size=rows),
            "c": rng.choice([*words, None], rows),
            "t": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 300, rows), unit="D"),
            "text": [" ".join(rng.choice(["good", "bad", words * 2], 2)) for _ in range(rows)],
        }
    )


def test_samples_of_different_vocabularies_are_concatenated_row_by_row():
    frames = [frame(40, 0, "ab"), frame(1, 1, "c"), frame(30, 2, "bd")]
    whole = pd.concat(frames, ignore_index=True)
    reference = PackingScale.of(whole, COLUMNS)
    encoder = Encoder(["x"], ["c"], ["t"], ["text"], [["c", "t.month"]]).fit(whole)
    samples = [Sample(pack(part, COLUMNS, reference), np.arange(len(part))) for part in frames]
    for sample in (concat_samples(samples), concat_samples([concat_samples(samples[:2]), samples[2]])):
        assert sample.y.tolist() == [*range(40), 0, *range(30)]
        found = encoder.encode(sample.features, np.arange(71)).to_sklearn().toarray()
        expected = encoder.encode(pack(whole, COLUMNS, reference), np.arange(71)).to_sklearn().toarray()
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["x", "c", "t", "text", "c:t.month"])
def test_a_column_is_shuffled_with_everything_made_of_it_and_nothing_else(name):
    whole = frame(50, 3, "ab")
    reference = PackingScale.of(whole, COLUMNS)
    packed = pack(whole, COLUMNS, reference)
    seen = []

    def predict(features, y):
        seen.append(features)
        return Prediction(y, np.zeros(len(y)), n_classes=0)

    assert features_of(COLUMNS) == ("x", "c", "t", "text", "c:t.month")
    found = permutation_importances(Sample(packed, np.ones(50)), predict, COLUMNS, [name], 0)
    assert found == {name: {"mean": 0.0, "error": 0.0}}
    before, after = seen
    assert before is packed
    moved = {"x"} if (before.numbers != after.numbers).any() else set()
    moved |= {n for j, n in enumerate(before.names) if (before.codes[:, j] != after.codes[:, j]).any()}
    moved |= {"text"} if (before.texts[0].codes != after.texts[0].codes).any() else set()
    assert moved == ({"t.hour", "t.weekday", "t.month"} & moved | {"t.month"} if name == "t" else {name})
    np.testing.assert_array_equal(np.sort(after.codes, axis=0), np.sort(before.codes, axis=0))
    if name == "t":  # parts of a moment stay together
        parts = [before.names.index(f"t.{part}") for part in ("weekday", "month")]
        pairs = [sorted(map(tuple, b.codes[:, parts].tolist())) for b in (before, after)]
        assert pairs[0] == pairs[1]
