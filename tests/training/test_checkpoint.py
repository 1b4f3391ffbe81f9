"""Resuming after a crash, at every round and with every option: the same bits as without it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import SGDClassifier

from pipeline import config as cfg
from pipeline.commands.run import resume_run, run
from pipeline.errors import ClusterError, ConfigError, DataError
from pipeline.io.run_folder import RunFolder
from pipeline.models import persistence
from pipeline.models.factory import make
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.training.checkpoint import Checkpoints, RunProgress, check_sources
from pipeline.training.run_stages import run_stages
from tests.builders import make_config, make_table, merge_sections, write_config, write_parquet

pytestmark = pytest.mark.cluster

CASES = {
    "one lane": {},
    "lanes and epochs": {"train": {"lanes": 3, "epochs": 2, "round_batches": 7}},
    "stopped by progress": {"train": {"epochs": 4, "early_stopping": "progressive", "tol": 0.01, "round_batches": 9}},
    "stopped by validation": {"train": {"epochs": 4, "early_stopping": "validation", "tol": 0.01}},
    "naive bayes": {"model": {"estimator": "sklearn.naive_bayes.GaussianNB"}, "train": {"lanes": 2}},
    "averaged": {"model": {"estimator": "sklearn.linear_model.SGDClassifier", "params": {"average": True}}},
    "a network": {"model": {"estimator": "sklearn.neural_network.MLPClassifier"}},
    "a number": {"data": {"label": "amount"}, "train": {"lanes": 2}},
    "text classes": {"data": {"label": "c"}},
    "folds": {"split": {"folds": 2}},
    "slices and target encoding": {
        "features": {"columns": {"c": {"encode": "target"}}},
        "evaluate": {"slices": ["c", "n", ["c", "t"]]},
    },
}


class Crash(Exception):
    pass


def steps_done(progress: RunProgress) -> tuple[bool, int, int]:
    return progress.fitted_state is not None, progress.rounds, len(progress.folds)


def make_rounds_config(folder: Path, **sections) -> cfg.Config:
    """The config of a run of several rounds: 1,200 rows are 20 batches."""
    base = {"data": {"batch_rows": 60}, "train": {"round_batches": 12}, "evaluate": {"bootstrap": 50}}
    return make_config(folder, **merge_sections(base, sections))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_parquet(make_table(1_200), tmp_path_factory.mktemp("resumed") / "data", 4)


@pytest.mark.parametrize("case", CASES)
def test_run_that_crashes_after_every_step_ends_with_the_same_bits(session, data, tmp_path, case):
    plan = make_plan(make_rounds_config(data, **CASES[case]))
    estimator = make(plan.config.model, plan.features.task, 0)
    uninterrupted = run_stages(plan, session, Monitor(quiet=True))
    folder, lines, crashes = RunFolder(str(tmp_path / "run")), [], 0
    for attempt in range(40):
        checkpoints = Checkpoints(folder, 0.0, lambda task: estimator, lines.append)
        progress = checkpoints.load() if attempt else RunProgress()
        begun = steps_done(progress)

        def crash_on_progress(progress: RunProgress, checkpoints=checkpoints, begun=begun) -> None:
            checkpoints.record(progress)
            if steps_done(progress) != begun:  # a fold begins again
                raise Crash

        try:
            outcome = run_stages(plan, session, Monitor(quiet=True), progress, crash_on_progress)
            break
        except Crash:
            crashes += 1
    assert crashes >= 3
    assert persistence.fingerprint(outcome.model) == persistence.fingerprint(uninterrupted.model)
    assert outcome.results == uninterrupted.results
    assert outcome.training.progressive == uninterrupted.training.progressive
    assert outcome.training.validation == uninterrupted.training.validation
    assert (outcome.ledger, outcome.folds) == (uninterrupted.ledger, uninterrupted.folds)
    assert len(folder.names("checkpoint/round")) == 2  # older ones are pruned
    if case == "lanes and epochs":
        assert "after 1 rounds" in lines[1]
        assert crashes == 1 + 6  # the statistics and each round


@pytest.fixture
def kept(session, data, tmp_path):
    """A run folder as a crash after two rounds leaves it, its checkpoints, and the lines that they say."""
    plan = make_plan(make_rounds_config(data, train={"round_batches": 5}))
    folder, lines = RunFolder(str(tmp_path / "run")), []
    checkpoints = Checkpoints(folder, 0.0, lambda task: SGDClassifier(), lines.append)

    def crash_after_two_rounds(progress: RunProgress) -> None:
        checkpoints.record(progress)
        if progress.rounds == 2:
            raise Crash

    with pytest.raises(Crash):
        run_stages(plan, session, Monitor(quiet=True), None, crash_after_two_rounds)
    assert [n[11:16] for n in folder.names("checkpoint")] == ["learn", "round", "round"]
    return folder, Checkpoints(folder, 0.0, lambda task: SGDClassifier(), lines.append), lines


def test_damaged_checkpoint_is_named_and_the_one_before_is_loaded(kept):
    folder, checkpoints, lines = kept
    last, before = reversed(folder.names("checkpoint/round"))
    for name, rounds in ((last, 1), (before, None)):
        folder.write(name, folder.read(name)[:-100])
        lines.clear()
        progress = checkpoints.load()
        assert (progress.training.rounds if progress.training else None) == rounds
        assert f"damaged     {folder}/{last} is not as it was written" in lines[0]
    (learned,) = folder.names("checkpoint/learned")
    folder.write(learned, b"")
    assert checkpoints.load() == RunProgress()


class Evil:
    def __reduce__(self):
        return eval, ("open('hacked', 'w')",)


def test_checkpoint_with_an_untrusted_type_is_refused_and_nothing_of_it_runs(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, checkpoints, _ = kept
    content = persistence.dumps({"training": Evil(), "folds": []})
    folder.write(f"checkpoint/round-000009-{hashlib.sha256(content).hexdigest()[:16]}.skops", content)
    with pytest.raises(DataError, match=r"not trusted|not a readable model"):
        checkpoints.load()
    assert not (tmp_path / "hacked").exists()


def test_check_sources_names_a_changed_or_missing_file(tmp_path, frame):
    data = write_parquet(frame, tmp_path / "data", 3)
    settings, folder = make_rounds_config(data), RunFolder("memory://sources")
    then = make_plan(settings).sources.file_versions
    check_sources(folder, then, make_plan(settings).sources.file_versions)
    frame.head(10).to_parquet(data / "part-001.parquet", index=False)
    with pytest.raises(DataError, match=r"part-001\.parquet: when .* began it was .* rows in .*, now it is 10 rows in"):
        check_sources(folder, then, make_plan(settings).sources.file_versions)
    (data / "part-001.parquet").unlink()
    with pytest.raises(DataError, match=r"part-001\.parquet: .* now it is not there"):
        check_sources(folder, then, make_plan(settings).sources.file_versions)


def test_sources_include_joined_tables_and_the_test_set(tmp_path, frame):
    data, test = write_parquet(frame, tmp_path / "data", 2), write_parquet(frame, tmp_path / "test", 1)
    pd.DataFrame({"n": np.arange(50), "extra": 1.0}).to_parquet(tmp_path / "join.parquet")
    join = {"path": str(tmp_path / "join.parquet"), "on": ["n"], "columns": ["extra"]}
    plan = make_plan(make_rounds_config(data, data={"join": [join]}, split={"path": str(test)}))
    assert {Path(path).name for path in plan.sources.file_versions} == {
        "part-000.parquet",
        "part-001.parquet",
        "join.parquet",
    }
    assert len(plan.sources.file_versions) == 4


@pytest.fixture
def begun(session, data, tmp_path, monkeypatch):
    """An unfinished run of the command: its scheduler went away after two rounds."""
    monkeypatch.chdir(tmp_path)
    # The scheduler lives in this process, whose modules are not to be replaced by what is sent to it.
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])
    config = make_rounds_config(data, train={"round_batches": 5, "checkpoint_seconds": 0.0})
    write_config(config, tmp_path / "c.toml")

    def fail_after_two_rounds(plan, session, monitor, progress, on_progress, base_run):
        def fail(progress):
            on_progress(progress)
            if progress.rounds == 2:
                raise ClusterError("gone")

        return run_stages(plan, session, monitor, progress, fail, base_run)

    options = {"scheduler": session.scheduler}
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.commands.run_execution.run_stages", fail_after_two_rounds)
        with pytest.raises(ClusterError, match="gone"):
            run(tmp_path / "c.toml", cluster=options, out="unfinished")
    return options


def test_resume_ends_with_the_fingerprint_of_an_uninterrupted_run(begun, tmp_path, capsys):
    with pytest.raises(ConfigError, match="holds an unfinished run"):
        run(tmp_path / "c.toml", cluster=begun, out="unfinished")
    with pytest.raises(ConfigError, match=r"train.epochs: unfinished began with 1, now it is 2; resume it as it was"):
        resume_run("unfinished", None, ("train.epochs=2",), begun)
    done = resume_run("unfinished", None, (), begun)
    assert done["training"]["resumed_after_rounds"] == 2
    assert not (tmp_path / "unfinished/checkpoint").exists()
    assert json.loads((tmp_path / "unfinished/report.json").read_text()) == json.loads(json.dumps(done))
    uninterrupted = run(tmp_path / "c.toml", cluster=begun, out="uninterrupted")
    assert done["model"]["fingerprint"] == uninterrupted["model"]["fingerprint"]
    assert done["metrics"] == uninterrupted["metrics"]
    assert done["rows"] == uninterrupted["rows"]
    with pytest.raises(ConfigError, match="its run is finished"):
        resume_run("unfinished", None, (), begun)
