"""The command as a user meets it: exit codes, sentences, streams, and what is left on disk."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.preparation.joins import small_table
from tests.builders import make_table, write_parquet

MINIMAL = '[data]\npath = "data"\nlabel = "y"\n[cluster]\ndashboard = "127.0.0.1:0"\n'


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with data and a config; the command must leave nothing but what it says."""
    monkeypatch.chdir(tmp_path)
    write_parquet(make_table(1_000), tmp_path / "data", 3)
    (tmp_path / "c.toml").write_text(MINIMAL)
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(main, ["run", "c.toml", "--out", "out", *arguments])


def pipeline(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, **options)


def corrupt(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


CASES = {
    "path missing": (lambda d: None, ["--set", "data.path=nowhere"], 1, "nowhere: no such file"),
    "no Parquet there": (lambda d: (d / "empty").mkdir(), ["--set", "data.path=empty"], 1, "no Parquet file"),
    "truncated": (lambda d: corrupt(d / "data/part-001.parquet"), [], 1, "part-001.parquet: not a readable"),
    "label missing": (lambda d: None, ["--set", "data.label=z"], 2, "column 'z'"),
    "feature missing": (lambda d: None, ["--set", "features.numeric=['xx']"], 2, "column 'xx'; did you mean x"),
    "feature of wrong kind": (lambda d: None, ["--set", "features.numeric=['c']"], 2, "name it under categorical"),
    "label as feature": (lambda d: None, ["--set", "features.numeric=['y']"], 2, "is the label"),
    "schemas disagree": (
        lambda d: make_table(9).astype({"n": str}).to_parquet(d / "data/part-009.parquet", index=False),
        [],
        1,
        "'n' is large_string, but int64",
    ),
    "unknown key": (lambda d: None, ["--set", "train.epoch=2"], 2, "did you mean epochs"),
    "no scheduler": (
        lambda d: None,
        ["--scheduler", "tcp://127.0.0.1:9", "--set", "cluster.timeout=1"],
        1,
        "no scheduler answered within 1 s",
    ),
    "run folder taken": (lambda d: (d / "out/x").mkdir(parents=True), [], 2, "exists and is not empty"),
    "bad function": (lambda d: None, ["--set", "prepare.function=no:where"], 2, "cannot be imported"),
    "a folder of data for a config": (
        lambda d: (d / "c.toml").unlink() or (d / "data").rename(d / "c.toml"),
        [],
        2,
        "c.toml: a folder without config.toml; give a config or a run folder",
    ),
    "no config": (lambda d: (d / "c.toml").unlink(), [], 2, "cannot read the config"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_one_sentence_with_its_exit_code(here, case):
    prepare, arguments, code, message = CASES[case]
    prepare(here)
    before = sorted(here.rglob("*"))
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert sorted(here.rglob("*")) == before


@pytest.mark.cluster
def test_json_is_alone_on_stdout_and_the_run_folder_is_complete(here):
    done = pipeline("run", "c.toml", "--out", "out", "--json", "--workers", "1")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report == json.loads((here / "out/report.json").read_text())
    assert sorted(p.name for p in (here / "out").iterdir()) == [
        "config.toml",
        "ledger.csv",
        "metrics.json",
        "model-card.md",
        "model.skops",
        "params.yaml",
        "report.html",
        "report.json",
    ]
    config = tomllib.loads((here / "out/config.toml").read_text())
    assert yaml.safe_load((here / "out/params.yaml").read_text()) == config
    figures = json.loads((here / "out/metrics.json").read_text())
    assert figures.items() >= report["metrics"].items()
    assert figures["rows_test"] == report["rows"]["test"]
    assert set(report) >= {"task", "rows", "batches", "metrics", "progressive", "slices", "seconds", "cluster", "model"}
    assert set(report["metrics"]) >= {"log_loss", "roc_auc", "accuracy"}
    assert report["cost"]["stages"]["train"]["compute"] > 0
    assert set(report["cost"]["stages"]) == {"read", "statistics", "train", "evaluate"}  # no task has another name
    assert len(report["cost"]["workers"]) == 1
    rows = report["rows"]
    assert rows["read"] == 1_000 == rows["train"] + rows["test"] + rows["rejected"]
    assert set(report["seconds"]) == {"total", "startup", "statistics", "train", "evaluate"}
    assert report["cluster"]["workers"] == 1
    assert report["cluster"]["scheduler"].startswith("tcp://127.0.0.1:")
    assert "//127.0.0.1:" in report["cluster"]["dashboard"]
    assert done.stderr.startswith("dashboard")
    again = CliRunner().invoke(main, ["run", "out/config.toml", "--out", "again", "--json", "--workers", "0"])
    assert json.loads(again.stdout)["model"]["fingerprint"] == report["model"]["fingerprint"]


@pytest.mark.cluster
@pytest.mark.parametrize("label", ["y", "nothing"])
def test_a_run_that_fails_on_the_cluster_leaves_nothing(here, label):
    frame = make_table(300).assign(y=1, nothing=np.nan)
    write_parquet(frame, here / "data", 3)
    before = sorted(here.rglob("*"))
    done = pipeline(
        "run", "c.toml", "--out", "out", "--set", f"data.label={label}", "--set", "model.task=classification"
    )
    assert done.returncode == 1
    assert "single class" in done.stderr if label == "y" else "has no value" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(here.rglob("*")) == before


def test_the_plan_runs_nothing_and_gives_reasons(here):
    result = run("--plan")
    assert result.exit_code == 0
    assert "1,000 rows in 3 files" in result.stderr
    assert "classification, because the label is an integer of few values" in result.stderr
    assert "categorical" in result.stderr
    assert not (here / "out").exists()
    described = json.loads(CliRunner().invoke(main, ["run", "c.toml", "--plan", "--json"]).stdout)
    assert any("1,000 rows" in line for line in described["plan"])


@pytest.mark.cluster
def test_a_bare_worker_on_a_scheduler_gives_the_local_fingerprint(here, tmp_path_factory):
    """A worker in an empty folder, isolated from the source tree and the installed project: code is sent to it.

    Twice, by different processes: the second finds the code of the first there.
    """
    (here / "mine.py").write_text("def keep(frame):\n    return frame[frame['n'] > 3]\n")
    arguments = ["--set", "prepare.function=mine:keep", "--set", "train.lanes=2", "--json"]
    ours = json.loads(run("--workers", "0", *arguments).stdout)
    away = tmp_path_factory.mktemp("away")
    hide = "import sys, importlib.abc as a\n"
    hide += (
        "sys.meta_path[:] = [f for f in sys.meta_path if 'dask_etl_train' not in getattr(f, '__module__', str(f))]\n"
    )
    hide += "import importlib.util as u; assert u.find_spec('pipeline') is None, 'the project is visible'\n"
    hide += "from distributed.cli.dask_SERVICE import main; main()\n"
    processes = []

    def start(service: str, *options: str) -> subprocess.Popen:
        script = away / f"{service}.py"
        script.write_text(hide.replace("SERVICE", service))
        command = [sys.executable, str(script), *options]
        processes.append(subprocess.Popen(command, cwd=away, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    try:
        scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")
        address = ""
        while not address:
            line = scheduler.stderr.readline()
            assert line, "the scheduler ended"
            address = line.rpartition("Scheduler at:")[2].strip() if "Scheduler at:" in line else ""
        start("worker", address, "--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard", "--no-nanny")
        there = ["--scheduler", address, *arguments]
        first = CliRunner().invoke(main, ["run", "c.toml", "--out", "first", *there])
        assert first.exit_code == 0, first.stderr
        second = pipeline("run", "c.toml", "--out", "second", *there)
        assert second.returncode == 0, second.stderr
        for remote in (first, second):
            theirs = json.loads(remote.stdout)
            assert theirs["model"]["fingerprint"] == ours["model"]["fingerprint"]
            assert theirs["metrics"] == ours["metrics"]
            assert theirs["cluster"]["scheduler"] == address
    finally:
        sys.modules.pop("mine", None)
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()


@pytest.mark.cluster
def test_the_flights_demo(tmp_path):
    small_table.cache_clear()
    done = pipeline("run", "--json", "--set", "cluster.dashboard=127.0.0.1:0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    rows = report["rows"]
    assert rows["read"] == 336_776 == rows["train"] + rows["test"] + rows["rejected"]
    assert rows["rejected_by_reason"] == {"label missing": 9_430}
    assert report["batches"]["read"] == 12
    assert report["metrics"]["roc_auc"] >= 0.68
    assert len(list((tmp_path / "data/flights/flights").glob("*.parquet"))) == 12


def test_dask_finds_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "dask", "pipeline", "run", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "--scheduler" in done.stdout


def test_help_imports_nothing_heavy():
    heavy = "{'dask', 'distributed', 'numpy', 'pandas', 'pyarrow', 'sklearn'}"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, pipeline.cli; print(sorted({heavy} & sys.modules.keys()))"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr
