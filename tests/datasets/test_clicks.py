import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import log_loss

from pipeline.cli import main
from pipeline.datasets import clicks


def test_a_partition_depends_only_on_the_seed_and_its_number():
    pd.testing.assert_frame_equal(clicks.partition(3, 500, 7), clicks.partition(3, 500, 7))
    assert not clicks.partition(3, 500, 7)["n0"].equals(clicks.partition(4, 500, 7)["n0"])
    assert not clicks.partition(3, 500, 7)["n0"].equals(clicks.partition(3, 500, 8)["n0"])


def test_the_columns_follow_their_distributions():
    frame = clicks.partition(0, 20_000, 0, probability=True)
    assert list(frame) == [*(f"n{i}" for i in range(10)), "i0", "i1", "ts", *clicks.CATEGORIES, "y", "p"]
    assert {n: frame[n].nunique() for n in ("c0", "c1", "c2", "c3")} == {"c0": 3, "c1": 10, "c2": 50, "c3": 500}
    assert 1_000 < frame["c4"].nunique() <= 5_000
    gaps = frame.isna().mean()
    assert set(gaps[gaps > 0].index) == {"n1", "n3", "n5", "n7"}
    assert gaps[["n1", "n3", "n5", "n7"]].between(0.04, 0.06).all()
    for name, (mean, std) in clicks.MEANS_AND_DEVIATIONS.items():
        values = frame[name].dropna()
        assert abs(values.mean() - mean) < 5 * std / np.sqrt(len(values)), name
    assert frame["c0"].value_counts().index.tolist() == ["c0_0000", "c0_0001", "c0_0002"]  # zipf


def test_the_label_follows_the_known_probability():
    frame = clicks.partition(1, 50_000, 0, probability=True)
    p, y = frame["p"], frame["y"]
    assert abs(p.mean() - 0.2) < 0.01
    for low in np.arange(0, 0.9, 0.1):
        side = p.between(low, low + 0.1)
        assert abs((y - p)[side].mean()) < 5 * np.sqrt((p * (1 - p))[side].mean() / side.sum())
    entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p)).mean()
    assert abs(log_loss(y, p) - entropy) < 0.01


@pytest.mark.cluster
def test_the_command_writes_all_rows_or_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["data", "clicks", "--rows", "1003", "--partitions", "4", "--seed", "5"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    files = sorted((tmp_path / "data/clicks").iterdir())
    assert [len(pd.read_parquet(f)) for f in files] == [251, 251, 251, 250]
    pd.testing.assert_frame_equal(pd.read_parquet(files[2]), clicks.partition(2, 251, 5))
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 2
    assert "exists and is not empty" in again.stderr
    assert CliRunner().invoke(main, ["data", "clicks", "--rows", "3", "--out", "few"]).exit_code == 2
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["clicks"]
