"""Search on two real workers: the same scores everywhere, no row that tests, the winner as a run of its own."""

import contextlib
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import config as cfg
from pipeline.cli import main
from pipeline.commands import run as runs
from pipeline.errors import ConfigError, DataError, Interrupted
from pipeline.io.run_folder import RunFolder
from pipeline.model_selection.search import SAVED, HyperparameterSearch, describe, settings_to_try, without_search
from pipeline.model_selection.shared_data import part_of
from pipeline.monitoring.dashboard.state import RunState
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import make_plan
from pipeline.preparation.split import TEST, TRAIN, VALIDATION, assign_roles
from pipeline.training.job import Job
from tests.conftest import table, write

pytestmark = pytest.mark.cluster
FEATURES = {"numeric": ["x", "n"], "categorical": ["c"], "datetime": ["t"]}
SPACE = {
    "model.params.learning_rate": [1e-4, 0.1],
    "features.columns.c.encode": ["onehot", "target"],
    "train.lanes": [1, 2],
}


def config(folder: Path, space=SPACE, label="y", train=None, data=None, **how) -> cfg.Config:
    data = {"path": str(folder), "label": label, "batch_rows": "file"} | (data or {})
    train = {"round_batches": 3, **(train or {})}
    return cfg.parse({"data": data, "features": FEATURES, "train": train, "search": {"space": space, **how}})


class Interrupting:
    """Stops after so many rungs."""

    def __init__(self, rungs):
        self.left = rungs

    def __call__(self):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def searched(session, settings, folder, heed=lambda: None, monitor=None):
    monitor = monitor or Monitor(time.perf_counter(), quiet=True)
    return HyperparameterSearch(make_plan(settings), session, monitor, RunFolder(str(folder)), heed).run()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write(table(12_000), tmp_path_factory.mktemp("search") / "data", 6)


@pytest.fixture(scope="module")
def found(session, data, tmp_path_factory):
    events = []
    monitor = Monitor(time.perf_counter(), quiet=True)
    monitor.events.listeners.append(events.append)
    return searched(session, config(data, eta=2), tmp_path_factory.mktemp("found"), monitor=monitor), events


def test_the_search_finds_what_a_grid_finds_on_less(session, data, found, tmp_path):
    grid = searched(session, config(data, method="grid"), tmp_path)
    by_number = {trial["trial"]: trial["score"] for trial in grid.report["trials"]}
    assert by_number[found[0].report["best"]] == pytest.approx(min(by_number.values()), abs=2e-3)
    assert found[0].values["model.params.learning_rate"] == 0.1
    assert found[0].report["rows_trained"] < 0.7 * grid.report["rows_trained"]
    train = assign_roles(table(12_000), "y", ["x", "n", "c", "t", "y"], 0.2, 0, None, 0.1)["__fate__"]
    assert grid.report["rows_trained"] == 8 * (train == TRAIN).sum()


def test_a_trial_on_all_rows_is_the_run_without_its_validation_rows(session, data, tmp_path):
    settings = config(data, {"train.epochs": [2, 3]}, train={"lanes": 2}, method="grid")
    grid = searched(session, settings, tmp_path)
    stopping = {"early_stopping": "validation", "n_iter_no_change": 9, "epochs": 3, "lanes": 2, "round_batches": 3}
    raw = {"data": {"path": str(data), "label": "y", "batch_rows": "file"}, "features": FEATURES, "train": stopping}
    outcome = Job(make_plan(cfg.parse(raw)), session, Monitor(quiet=True)).execute()
    watched = [point["log_loss"] for point in outcome.training.validation]
    assert [trial["score"] for trial in grid.report["trials"]] == watched[1:]


def test_kept_or_read_again_whole_or_interrupted_the_scores_are_the_same(session, data, found, tmp_path):
    settings = config(data, eta=2, train={"checkpoint_seconds": 0.0})
    with pytest.raises(KeyboardInterrupt):
        searched(session, settings, tmp_path, Interrupting(1))
    lines = json.loads((tmp_path / SAVED).read_text())
    assert {line["share"] for line in lines} == {0.25}
    again = searched(session, settings, tmp_path)
    assert again.report == found[0].report
    reread = searched(session, config(data, eta=2, data={"keep": "reread"}), tmp_path / "other")
    assert reread.report == found[0].report


def test_events_tell_of_every_score(found):
    outcome, events = found
    scored = [event for event in events if event["event"] == "trial_scored"]
    assert len({event["trial"] for event in scored}) == 8
    state = RunState("a")
    for event in scored:
        state.apply(event)
    assert state.ranked_trials()[0]["trial"] == outcome.report["best"]
    assert outcome.table().decode().splitlines()[0].startswith("trial,bracket,share,score,rows,failed,model.params")


def test_a_setting_that_cannot_be_trained_is_told_and_the_others_go_on(session, data, tmp_path):
    space = {"model.params.learning_rate": [0.1, 1e200]}
    with_one = searched(session, config(data, space, label="amount", method="grid"), tmp_path)
    assert with_one.values == {"model.params.learning_rate": 0.1}
    assert with_one.report["metric"] == "mean_squared_error"
    assert "diverged" in with_one.report["trials"][1]["failed"]
    with pytest.raises(DataError, match=r"no setting could be trained; the first says: .*diverged"):
        searched(session, config(data, {"model.params.learning_rate": [1e200, 1e201]}, label="amount"), tmp_path)


def test_another_metric_of_which_more_is_better(session, data, tmp_path):
    settings = config(data, {"model.params.learning_rate": [1e-4, 0.1]}, metric="roc_auc", method="random")
    report = searched(session, settings, tmp_path).report
    assert report["best"] == 1
    assert report["trials"][1]["score"] > report["trials"][0]["score"]
    with pytest.raises(DataError, match=r"search.metric: no figure 'gain' of these models; there are log_loss"):
        searched(session, config(data, {"train.lanes": [1, 2]}, metric="gain"), tmp_path)


def test_the_command_ends_as_a_run_of_the_winner(session, data, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "open_session", lambda settings, monitor: contextlib.nullcontext(session))
    path = tmp_path / "my.toml"
    path.write_text(cfg.dump(config(data, eta=2)))
    result = runs.run(path, (), None, tmp_path / "found", monitor=Monitor(quiet=True), searching=True)
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


def test_an_interrupted_search_is_resumed_by_either_command_to_the_same_model(session, data, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "open_session", lambda settings, monitor: contextlib.nullcontext(session))
    path, out, values = tmp_path / "my.toml", tmp_path / "out", {"train.lanes": [1, 2], "train.epochs": [1, 2]}
    path.write_text(cfg.dump(config(data, values, method="hyperband", eta=2)))
    monitor = Monitor(quiet=True)

    def stop(event):
        if event["event"] == "trial_scored":
            raise KeyboardInterrupt

    monitor.events.listeners.append(stop)
    with pytest.raises(Interrupted, match="a checkpoint was kept"):
        runs.run(path, (), None, out, monitor=monitor, searching=True)
    whole = runs.run(path, (), None, tmp_path / "whole", monitor=Monitor(quiet=True), searching=True)
    resumed = runs.run(None, (), None, monitor=Monitor(quiet=True), resume=out)
    assert resumed["search"] == whole["search"]
    assert resumed["model"]["fingerprint"] == whole["model"]["fingerprint"]


def test_settings_that_would_move_rows_or_cannot_be_run_are_refused(data):
    with pytest.raises(ConfigError, match="other rows would test"):
        settings_to_try(make_plan(config(data, {"features.numeric": [["x"], ["x", "n"]]})))
    with pytest.raises(ConfigError, match=r"with model.params.rate = 1: model.params: default does not take"):
        settings_to_try(make_plan(config(data, {"model.params.rate": [1, 2]})))
    plan = make_plan(config(data))
    assert describe(plan)[0] == "search      halving: 8 settings, by auto on rows kept out of training"
    assert without_search(plan.config).search == cfg.SearchConfig()


def test_a_part_is_a_sample_of_few_batches_and_some_of_many():
    few = part_of(list(range(12)), 1 / 9, 0)
    assert (len(few.numbers), few.step) == (12, 9)
    many = part_of(list(range(900)), 1 / 9, 0)
    assert (len(many.numbers), many.step) == (100, 1)
    assert many.numbers < part_of(list(range(900)), 1 / 3, 0).numbers
    assert {TRAIN, VALIDATION, TEST} == {0, 1, 4}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "search: needs a CONFIG"), (("--out", "a", "--resume", "b"), "--resume: goes on in its folder")],
)
def test_wrong_usage_is_exit_code_2(arguments, message):
    result = CliRunner().invoke(main, ["search", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
