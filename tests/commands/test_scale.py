"""The study as a command: what it measures, prints, and refuses."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from tests.builders import make_table, write_parquet

CONFIG = '[data]\npath = "data"\nlabel = "y"\nbatch_rows = 50\n[evaluate]\nbootstrap = 0\nimportance_rows = 0\n'


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_parquet(make_table(2_000), tmp_path / "data", 4)
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path


def scale(*arguments: str):
    return CliRunner().invoke(main, ["scale", "c.toml", "--dashboard", "127.0.0.1:0", *arguments])


@pytest.mark.cluster
def test_a_study_writes_figures_and_a_page(here):
    # Ten times as many, so that no noise of tasks of a millisecond turns it round.
    result = scale("--batches", "4,40", "--workers", "1,2", "--lanes", "1,2", "--repeats", "1", "--out", "s", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found == json.loads((here / "s" / "scale.json").read_text())
    work = found["work"]
    assert work["seconds_per_batch"] > 0
    assert work["fixed_seconds"] >= 0
    assert work["r2"] <= 1
    # Two sizes, numbers of workers and of lanes, and batches of half the size.
    assert len(found["runs"]) == 2 * 2 * 2 + 1
    assert {(r["workers"], r["lanes"]) for r in found["time"]["measured"]} == {(1, 1), (2, 1), (1, 2), (2, 2)}
    assert found["time"]["amdahl"] is not None
    assert found["batch_rows"]["seconds"].keys() == {"25", "50"}
    for workers, parts in found["critical_path"].items():
        runs = [r for r in found["runs"] if r["batches"] == 40 and r["workers"] == int(workers) and r["lanes"] == 1]
        runs = [r for r in runs if r["rows_per_batch"] == 50]
        assert sum(parts["parts"].values()) == pytest.approx(sum(r["seconds"] for r in runs), rel=1e-3)
    checked = {(c["batches"], c["workers"], c["lanes"]) for c in found["simulator"]["checks"]}
    assert {(n, w, k) for n in (4, 40) for w in (1, 2) for k in (1, 2)} <= checked
    assert found["forecast"]["ten_times_the_data"]["now"] > found["forecast"]["now"]
    for word in ("work", "bottleneck", "next worker", "enough", "10 x data", "simulator"):
        assert word in found["advice"]
        assert word in result.stderr
    page = (here / "s" / "scale.html").read_text()
    assert found["advice"]["enough"] in page
    assert "<script src" not in page
    assert (here / "s" / "config.toml").read_text().startswith("[data]")


@pytest.mark.cluster
def test_a_quadratic_function_is_named(here, monkeypatch):
    (here / "slow.py").write_text(
        "import time\nSEEN = []\n\ndef prepare(frame):\n    SEEN.append(len(frame))\n"
        "    time.sleep(3e-3 * len(SEEN))\n    return frame\n"
    )
    monkeypatch.syspath_prepend(str(here))
    try:
        result = scale(
            *(
                "--batches",
                "4,12,40",
                "--workers",
                "1",
                "--repeats",
                "2",
                "--out",
                "s",
                "--json",
                "--batch-rows",
                "50",
            ),
            *("--set", "prepare.function=slow:prepare"),
        )
    finally:
        sys.modules.pop("slow", None)
    assert result.exit_code == 0, result.stderr
    work = json.loads(result.stdout)["work"]
    assert work["linear"] is False
    assert work["not_linear"] == ["read"]
    assert "not O(n): read" in result.stderr
    assert "look at prepare.function = slow:prepare" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--batches", "10,5000"], 2, "--batches 5000: the data has 40 batches"),
        (["--batches", "ten"], 2, "no list of whole numbers"),
        (["--workers", "0"], 2, "must be 1 or more"),
        (["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], 2, "--workers: a scheduler has the workers"),
        (["--set", "data.label=nothing"], 2, "no file has a column 'nothing'"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_runs(here, arguments, code, message):
    result = scale("--out", "s", *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert not (here / "s").exists()


def test_a_large_join_is_refused(here):
    make_table(10)[["n", "x"]].drop_duplicates("n").rename(columns={"x": "more"}).to_parquet("other.parquet")
    join = 'data.join=[{path="other.parquet",on=["n"],columns=["more"],large=true}]'
    result = scale("--out", "s", "--set", join)
    assert result.exit_code == 2
    assert "data.join: other.parquet is so large" in result.stderr


def test_a_folder_that_is_not_empty_stays_as_it_is(here):
    (here / "s").mkdir()
    (here / "s" / "mine").write_text("x")
    result = scale("--out", "s")
    assert result.exit_code == 2
    assert [path.name for path in (here / "s").iterdir()] == ["mine"]
