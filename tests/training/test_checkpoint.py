"""Going on after a crash: at every round, with every option, to the same bits as without it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import SGDClassifier

from pipeline import config as cfg
from pipeline.commands.run import run
from pipeline.errors import ClusterError, ConfigError, DataError
from pipeline.io.run_folder import RunFolder
from pipeline.models import persistence
from pipeline.models.factory import make
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import make_plan
from pipeline.training.checkpoint import Checkpoints, State, check_sources
from pipeline.training.job import Job
from tests.conftest import table, write

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


def progress(state: State) -> tuple:
    return state.learned is None, state.training and state.training.rounds, len(state.folds)


def settings_of(folder: Path, changes: dict) -> cfg.Config:
    base: dict = {"data": {"path": str(folder), "label": "y", "batch_rows": 60}, "evaluate": {"bootstrap": 50}}
    base["train"] = {"round_batches": 12}
    for section, values in changes.items():
        base[section] = {**base.get(section, {}), **values}
    return cfg.parse(base)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write(table(1_200), tmp_path_factory.mktemp("resumed") / "data", 4)


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_crashes_after_every_step_ends_like_one_that_does_not(session, data, tmp_path, case):
    plan = make_plan(settings_of(data, CASES[case]))
    estimator = make(plan.config.model, plan.features.task, 0)
    whole = Job(plan, session, Monitor(0.0, quiet=True)).execute()
    folder, said, steps = RunFolder(str(tmp_path / "run")), [], 0
    for attempt in range(40):
        keeper = Checkpoints(folder, 0.0, estimator, said.append)
        state = keeper.load() if attempt else State()

        begun = progress(state)

        def after(state: State, keeper: Checkpoints = keeper, begun: tuple = begun) -> None:
            keeper.note(state)
            if progress(state) != begun:  # a fold is begun anew
                raise Crash

        try:
            outcome = Job(plan, session, Monitor(0.0, quiet=True)).execute(state, after)
            break
        except Crash:
            steps += 1
    assert steps >= 3
    assert persistence.fingerprint(outcome.model) == persistence.fingerprint(whole.model)
    assert outcome.findings == whole.findings
    assert outcome.training.progressive == whole.training.progressive
    assert outcome.training.validation == whole.training.validation
    assert (outcome.ledger, outcome.folds) == (whole.ledger, whole.folds)
    assert len(folder.names("checkpoint/round")) == 2  # older ones are pruned
    if case == "lanes and epochs":
        assert "after 1 rounds" in said[1]
        assert steps == 1 + 6  # the statistics and each round


@pytest.fixture
def kept(session, data, tmp_path):
    """A run folder as a crash after two rounds leaves it, and a way to look at what it says on the way."""
    plan = make_plan(settings_of(data, {"train": {"round_batches": 5}}))
    folder, said = RunFolder(str(tmp_path / "run")), []
    keeper = Checkpoints(folder, 0.0, SGDClassifier(), said.append)

    def after(state: State) -> None:
        keeper.note(state)
        if state.training and state.training.rounds == 2:
            raise Crash

    with pytest.raises(Crash):
        Job(plan, session, Monitor(0.0, quiet=True)).execute(None, after)
    assert [n[11:16] for n in folder.names("checkpoint")] == ["learn", "round", "round"]
    return folder, Checkpoints(folder, 0.0, SGDClassifier(), said.append), said


def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_is_told(kept):
    folder, keeper, said = kept
    last, before = reversed(folder.names("checkpoint/round"))
    for name, rounds in ((last, 1), (before, None)):
        folder.write(name, folder.read(name)[:-100])
        said.clear()
        state = keeper.load()
        assert (state.training.rounds if state.training else None) == rounds
        assert f"damaged     {folder}/{last} is not as it was written" in said[0]
    (learned,) = folder.names("checkpoint/learned")
    folder.write(learned, b"")
    assert keeper.load() == State()


class Evil:
    def __reduce__(self):
        return eval, ("open('hacked', 'w')",)


def test_a_checkpoint_with_something_else_in_it_is_refused_and_nothing_of_it_runs(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, keeper, _ = kept
    content = persistence.dumps({"training": Evil(), "folds": []})
    folder.write(f"checkpoint/round-000009-{hashlib.sha256(content).hexdigest()[:16]}.skops", content)
    with pytest.raises(DataError, match=r"not trusted|not a readable model"):
        keeper.load()
    assert not (tmp_path / "hacked").exists()


def test_other_data_is_refused_and_the_file_named(tmp_path, frame):
    data = write(frame, tmp_path / "data", 3)
    settings, folder = settings_of(data, {}), RunFolder("memory://sources")
    then = make_plan(settings).sources
    check_sources(folder, then, make_plan(settings).sources)
    frame.head(10).to_parquet(data / "part-001.parquet", index=False)
    with pytest.raises(DataError, match=r"part-001\.parquet: when .* began it was .* rows in .*, now it is 10 rows in"):
        check_sources(folder, then, make_plan(settings).sources)
    (data / "part-001.parquet").unlink()
    with pytest.raises(DataError, match=r"part-001\.parquet: .* now it is not there"):
        check_sources(folder, then, make_plan(settings).sources)


def test_joined_tables_and_test_sets_are_data_too(tmp_path, frame):
    data, test = write(frame, tmp_path / "data", 2), write(frame, tmp_path / "test", 1)
    pd.DataFrame({"n": np.arange(50), "extra": 1.0}).to_parquet(tmp_path / "join.parquet")
    join = {"path": str(tmp_path / "join.parquet"), "on": ["n"], "columns": ["extra"]}
    plan = make_plan(settings_of(data, {"data": {"join": [join]}, "split": {"path": str(test)}}))
    assert {Path(path).name for path in plan.sources} == {"part-000.parquet", "part-001.parquet", "join.parquet"}
    assert len(plan.sources) == 4


@pytest.fixture
def begun(session, data, tmp_path, monkeypatch):
    """An unfinished run of the command's own, of which the scheduler went away after two rounds."""
    monkeypatch.chdir(tmp_path)
    # The scheduler lives in this process, whose modules are not to be replaced by what is sent to it.
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])
    settings = settings_of(data, {"train": {"round_batches": 5, "checkpoint_seconds": 0.0}})
    (tmp_path / "c.toml").write_text(cfg.dump(settings))
    execute = Job.execute

    def broken(self, state, after, base=None):
        def until(state):
            after(state)
            if state.training and state.training.rounds == 2:
                raise ClusterError("gone")

        return execute(self, state, until, base)

    monkeypatch.setattr(Job, "execute", broken)
    options = {"scheduler": session.scheduler}
    with pytest.raises(ClusterError, match="gone"):
        run(tmp_path / "c.toml", options=options, out="unfinished")
    monkeypatch.setattr(Job, "execute", execute)
    return options


def test_the_command_goes_on_where_it_was(begun, tmp_path, capsys):
    with pytest.raises(ConfigError, match="holds an unfinished run"):
        run(tmp_path / "c.toml", options=begun, out="unfinished")
    with pytest.raises(ConfigError, match=r"train.epochs: unfinished began with 1, now it is 2; resume it as it was"):
        run(None, ("train.epochs=2",), begun, resume="unfinished")
    done = run(None, (), begun, resume="unfinished")
    assert done["training"]["resumed_after_rounds"] == 2
    assert not (tmp_path / "unfinished/checkpoint").exists()
    assert json.loads((tmp_path / "unfinished/report.json").read_text()) == json.loads(json.dumps(done))
    whole = run(tmp_path / "c.toml", options=begun, out="whole")
    assert done["model"]["fingerprint"] == whole["model"]["fingerprint"]
    assert done["metrics"] == whole["metrics"]
    assert done["rows"] == whole["rows"]
    with pytest.raises(ConfigError, match="its run is finished"):
        run(None, (), begun, resume="unfinished")
