"""A search on two worker processes: the same scores everywhere, no test row, and the winner as a run of its own."""

import contextlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import config as cfg
from pipeline.cli import main
from pipeline.commands import run as runs
from pipeline.commands.run_execution import RunOptions
from pipeline.errors import DataError, Interrupted
from pipeline.io.run_folder import RunFolder
from pipeline.model_selection.search import HyperparameterSearch
from pipeline.model_selection.search_checkpoint import CHECKPOINT_FILE
from pipeline.monitoring.dashboard.state import RunState
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.preparation.split import TRAIN, SplitSpec, assign_roles
from tests.builders import execute, make_table, make_table_config, write_config, write_parquet

pytestmark = pytest.mark.cluster
LEARNING_RATE = "model.params.learning_rate"
SPACE = {
    LEARNING_RATE: [1e-4, 0.1],
    "features.columns.c.encode": ["onehot", "target"],
    "train.lanes": [1, 2],
}


def make_search_config(folder: Path, space=SPACE, label="y", train=None, data=None, **options) -> cfg.Config:
    train = {"round_batches": 3, **(train or {})}
    return make_table_config(folder, label, data=data or {}, train=train, search={"space": space, **options})


class InterruptAfter:
    """Interrupts after so many rungs."""

    def __init__(self, rungs):
        self.left = rungs

    def __call__(self):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def run_search(session, settings, folder, on_rung=lambda: None, monitor=None):
    monitor = monitor or Monitor(quiet=True)
    return HyperparameterSearch(make_plan(settings), session, monitor, RunFolder(str(folder)), on_rung).run()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_parquet(make_table(12_000), tmp_path_factory.mktemp("search") / "data", 6)


@pytest.fixture(scope="module")
def search_and_events(session, data, tmp_path_factory):
    events = []
    monitor = Monitor(quiet=True)
    monitor.events.listeners.append(events.append)
    result = run_search(session, make_search_config(data, eta=2), tmp_path_factory.mktemp("search"), monitor=monitor)
    return result, events


def test_halving_finds_what_a_grid_finds_with_less_work(session, data, search_and_events, tmp_path):
    result, _ = search_and_events
    grid = run_search(session, make_search_config(data, method="grid"), tmp_path)
    by_number = {trial["trial"]: trial["score"] for trial in grid.report["trials"]}
    assert by_number[result.report["best"]] == pytest.approx(min(by_number.values()), abs=2e-3)
    assert result.values[LEARNING_RATE] == 0.1
    assert result.report["rows_trained"] < 0.7 * grid.report["rows_trained"]
    split = SplitSpec(("x", "n", "c", "t", "y"), 0.2, 0, validation_fraction=0.1)
    role = assign_roles(make_table(12_000), split, "y").role
    assert grid.report["rows_trained"] == 8 * (role == TRAIN).sum()


def test_trial_on_all_rows_scores_as_a_run_does_on_its_validation_rows(session, data, tmp_path):
    settings = make_search_config(data, {"train.epochs": [2, 3]}, train={"lanes": 2}, method="grid")
    grid = run_search(session, settings, tmp_path)
    stopping = {"early_stopping": "validation", "n_iter_no_change": 9, "epochs": 3, "lanes": 2, "round_batches": 3}
    outcome = execute(session, make_table_config(data, train=stopping))
    watched = [point["log_loss"] for point in outcome.training.validation]
    assert [trial["score"] for trial in grid.report["trials"]] == watched[1:]


def test_scores_are_the_same_kept_or_read_again_and_after_an_interrupt(session, data, search_and_events, tmp_path):
    result, _ = search_and_events
    settings = make_search_config(data, eta=2, train={"checkpoint_seconds": 0.0})
    with pytest.raises(KeyboardInterrupt):
        run_search(session, settings, tmp_path, InterruptAfter(1))
    lines = json.loads((tmp_path / CHECKPOINT_FILE).read_text())
    assert {line["share"] for line in lines} == {0.25}
    again = run_search(session, settings, tmp_path)
    assert again.report == result.report
    reread = run_search(session, make_search_config(data, eta=2, data={"keep": "reread"}), tmp_path / "other")
    assert reread.report == result.report


def test_every_score_is_an_event(search_and_events):
    result, events = search_and_events
    scored = [event for event in events if event["event"] == "trial_scored"]
    assert len({event["trial"] for event in scored}) == 8
    state = RunState("a")
    for event in scored:
        state.apply(event)
    assert state.ranked_trials()[0]["trial"] == result.report["best"]
    assert result.table().decode().splitlines()[0].startswith("trial,bracket,share,score,rows,failed,model.params")


def test_setting_that_cannot_be_trained_is_reported_and_the_others_continue(session, data, tmp_path):
    space = {LEARNING_RATE: [0.1, 1e200]}
    with_one = run_search(session, make_search_config(data, space, label="amount", method="grid"), tmp_path)
    assert with_one.values == {LEARNING_RATE: 0.1}
    assert with_one.report["metric"] == "mean_squared_error"
    assert "diverged" in with_one.report["trials"][1]["failed"]
    with pytest.raises(DataError, match=r"no setting could be trained; the first says: .*diverged"):
        run_search(session, make_search_config(data, {LEARNING_RATE: [1e200, 1e201]}, label="amount"), tmp_path)


def test_metric_of_which_more_is_better(session, data, tmp_path):
    settings = make_search_config(data, {LEARNING_RATE: [1e-4, 0.1]}, metric="roc_auc", method="random")
    report = run_search(session, settings, tmp_path).report
    assert report["best"] == 1
    assert report["trials"][1]["score"] > report["trials"][0]["score"]
    with pytest.raises(DataError, match=r"search.metric: no figure 'gain' of these models; there are log_loss"):
        run_search(session, make_search_config(data, {"train.lanes": [1, 2]}, metric="gain"), tmp_path)


def test_command_ends_as_a_run_of_the_winner(session, data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "pipeline.commands.run_execution.open_session", lambda settings, monitor: contextlib.nullcontext(session)
    )
    path = write_config(make_search_config(data, eta=2), tmp_path / "my.toml")
    result = runs.run(path, (), None, tmp_path / "found", monitor=Monitor(quiet=True), options=RunOptions(search=True))
    winner = tmp_path / "found" / "config.toml"
    assert "[search" not in winner.read_text()
    plain = runs.run(winner, (), None, tmp_path / "plain", monitor=Monitor(quiet=True))
    assert plain["model"]["fingerprint"] == result["model"]["fingerprint"]
    assert plain["metrics"] == result["metrics"]
    assert result["seconds"]["search"] > 0
    assert (
        json.loads((tmp_path / "found" / "report.json").read_text())["search"]["values"] == result["search"]["values"]
    )
    page = (tmp_path / "found" / "report.html").read_text()
    assert "trials.csv" in page
    assert "The best of 8 settings" in page
    assert len((tmp_path / "found" / "trials.csv").read_text().splitlines()) == 9


def test_interrupted_search_resumes_to_the_same_model(session, data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "pipeline.commands.run_execution.open_session", lambda settings, monitor: contextlib.nullcontext(session)
    )
    out, values = tmp_path / "out", {"train.lanes": [1, 2], "train.epochs": [1, 2]}
    path = write_config(make_search_config(data, values, method="hyperband", eta=2), tmp_path / "my.toml")
    monitor = Monitor(quiet=True)

    def stop(event):
        if event["event"] == "trial_scored":
            raise KeyboardInterrupt

    monitor.events.listeners.append(stop)
    with pytest.raises(Interrupted, match="a checkpoint was kept"):
        runs.run(path, (), None, out, monitor=monitor, options=RunOptions(search=True))
    uninterrupted = runs.run(
        path, (), None, tmp_path / "uninterrupted", monitor=Monitor(quiet=True), options=RunOptions(search=True)
    )
    resumed = runs.resume_run(out, monitor=Monitor(quiet=True))
    assert resumed["search"] == uninterrupted["search"]
    assert resumed["model"]["fingerprint"] == uninterrupted["model"]["fingerprint"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "search: needs a CONFIG"), (("--out", "a", "--resume", "b"), "--resume continues in its own folder")],
)
def test_wrong_usage_exits_with_2(arguments, message):
    result = CliRunner().invoke(main, ["search", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
