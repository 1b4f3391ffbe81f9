"""The same truth outside `run`: drift of real tables, single rows, later months, shortened stages."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import pipeline
from pipeline.cli import main
from pipeline.commands.evaluate import evaluate
from pipeline.commands.predict import predict
from pipeline.commands.run import run
from pipeline.commands.run_execution import RunOptions
from pipeline.errors import DataError, Interrupted
from pipeline.models import persistence
from tests.builders import make_config, write_config, write_parquet

THREADS = {"workers": 0}
QUICK = {"evaluate": {"bootstrap": 0, "importance_rows": 0}}


def make_rows(rows: int, seed: int = 0) -> pd.DataFrame:
    """A label that follows from a column that is nearly always 0, another number and a category; and a time."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "spend": np.where(rng.random(rows) < 0.92, 0.0, rng.exponential(3, rows)),
            "x": rng.normal(size=rows),
            "c": rng.choice(["red", "green", "blue"], rows),
            "t": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 31 * 86_400, rows), unit="s"),
        }
    )
    margin = frame["spend"] + frame["x"] - 1 + (frame["c"] == "red")
    frame["y"] = (rng.random(rows) < 1 / (1 + np.exp(-margin))).astype(int)
    frame["amount"] = 10 + margin + rng.normal(size=rows)
    return frame


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run for the class and of one for the number, and the rows they were trained on."""
    folder, frame = tmp_path_factory.mktemp("trained"), make_rows(6_000)
    data = write_parquet(frame, folder / "data", 3)
    for label, other in (("y", "amount"), ("amount", "y")):
        config = make_config(data, label, features={"exclude": [other]}, **QUICK)
        run(write_config(config, folder / f"{label}.toml"), cluster=THREADS, out=folder / label)
    return folder, frame


def evaluated(folder, frame, tmp_path, label="y", *overrides):
    """What `pipeline evaluate` says of a model and rows, in its result and in the terminal."""
    data = write_parquet(frame, tmp_path / "data", 1)
    config = make_config(data, label, features={"exclude": [{"y": "amount", "amount": "y"}[label]]}, **QUICK)
    config = write_config(config, tmp_path / "c.toml")
    arguments = ["evaluate", str(folder / label), str(config), "--all", "--workers", "0", "--json", *overrides]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def predicted(folder, frame, tmp_path, *arguments):
    """The manifest of predictions of rows, and the terminal."""
    data = write_parquet(frame, tmp_path / "data", 1)
    arguments = ["predict", str(folder / "y"), str(data), str(tmp_path / "out"), "--workers", "0", "--json", *arguments]
    done = CliRunner().invoke(main, arguments)
    return (json.loads(done.stdout) if done.exit_code == 0 else done.exit_code), done.stderr


@pytest.mark.parametrize("rows", [1, 30, 300])
def test_random_rows_of_the_training_table_have_not_drifted(trained, tmp_path, rows):
    folder, frame = trained
    sample = frame.sample(rows, random_state=rows)
    manifest, terminal = predicted(folder, sample, tmp_path)
    assert {change["verdict"] for change in manifest["drift"].values()} == {"stable"}
    assert ("too few rows to tell (1)" if rows == 1 else "none of 6 columns drifted") in terminal
    if rows > 1:
        found, terminal = evaluated(folder, sample, tmp_path / "evaluated")
        assert {change["verdict"] for change in found["drift"].values()} == {"stable"}
        assert "none of 6 columns drifted" in terminal


def test_a_rare_column_that_became_a_hundred_times_as_large_comes_first(trained, tmp_path):
    folder, _ = trained
    frame = make_rows(2_000, seed=1)
    before, _ = evaluated(folder, frame, tmp_path / "before")
    found, terminal = evaluated(folder, frame.assign(spend=frame["spend"] * 100), tmp_path / "after")
    assert found["metrics"]["log_loss"] > before["metrics"]["log_loss"]
    assert next(iter(found["drift"])) == "spend"
    assert found["drift"]["spend"]["verdict"] == "drifted"
    assert found["drift"]["spend"]["score"] > 0.25
    assert {change["verdict"] for name, change in found["drift"].items() if name != "spend"} == {"stable"}
    assert "1 of 6 columns drifted" in terminal
    assert "drift spend  drifted, " in terminal


def test_a_column_that_lost_a_third_of_its_values_has_drifted(trained, tmp_path):
    folder, _ = trained
    frame = make_rows(1_500, seed=2)
    gone = np.random.default_rng(0).random(1_500) < 0.33
    manifest, terminal = predicted(folder, frame.assign(x=frame["x"].mask(gone), c=frame["c"].mask(gone)), tmp_path)
    for name in ("x", "c"):
        assert manifest["drift"][name]["verdict"] == "drifted"
        assert manifest["drift"][name]["missing"] == [0.0, pytest.approx(gone.mean())]
    assert f"missing 0.0% in training, {gone.mean():.1%} now" in terminal


@pytest.mark.parametrize("label", ["y", "amount"])
def test_a_label_that_changed_has_a_line(trained, tmp_path, label):
    folder, _ = trained
    frame = make_rows(2_000, seed=3)
    now = frame.assign(y=np.where(np.arange(2_000) % 3 > 0, 1, frame["y"]), amount=frame["amount"] + 1)
    found, terminal = evaluated(folder, now, tmp_path, label)
    change = found["drift"][label]
    assert (change["kind"], change["verdict"]) == ("label", "drifted")
    assert next(iter(found["drift"])) == label
    training = found_training_label(folder, label)
    if label == "y":
        assert change["shares"]["1"] == [pytest.approx(training), pytest.approx(now["y"].mean())]
    else:
        assert change["mean"] == [pytest.approx(training), pytest.approx(now["amount"].mean())]
    assert "none of 6 columns drifted" in terminal
    assert f"drift {label}" in terminal
    assert "in training" in terminal


def found_training_label(folder, label: str) -> float:
    """The share of 1, or the mean, of the training rows, as the model remembers it."""
    profile = pipeline.load(folder / label).named_steps["preprocess"].profile_["label"]
    return profile["shares"][1] if label == "y" else profile["mean"]


@pytest.mark.parametrize("rows", [1, 5, 40])
def test_a_few_rows_with_a_new_category_are_scored(trained, tmp_path, rows):
    folder, _ = trained
    frame = make_rows(rows, seed=4).assign(c="violet")
    manifest, _ = predicted(folder, frame, tmp_path)
    assert manifest["rows"]["written"] == rows
    assert manifest["drift"]["c"]["unseen"] == 1
    scored = pd.read_parquet(tmp_path / "out")
    expected = pipeline.load(folder / "y").predict_proba(frame)[:, 1]
    np.testing.assert_allclose(scored["probability_1"], expected)


@pytest.mark.parametrize(
    ("rows", "change", "message"),
    [
        (2_000, {"c": "violet"}, "column 'c': 100% of the rows have values that training never saw"),
        (2_000, {"x": np.nan}, "column 'x': missing in 100% of the rows"),
        (40, {"c": "violet", "x": np.nan, "spend": 1e6}, "100% of the rows"),
    ],
)
def test_another_table_is_refused(trained, tmp_path, rows, change, message):
    folder, _ = trained
    code, terminal = predicted(folder, make_rows(rows, seed=5).assign(**change), tmp_path)
    assert code == 1
    assert message in terminal
    assert "is it the right table?" in terminal


def test_rows_of_the_next_month_are_scored_and_their_months_told(trained, tmp_path):
    folder, _ = trained
    frame = make_rows(2_000, seed=6).assign(t=lambda f: f["t"] + pd.Timedelta(days=31))
    manifest, terminal = predicted(folder, frame, tmp_path)
    assert manifest["rows"]["written"] == 2_000
    assert manifest["drift"]["t.month"]["verdict"] == "drifted"
    assert "drift t.month" in terminal


def test_categories_that_the_encoder_leaves_together_are_not_new(tmp_path):
    """Of 300 values three have columns: nearly all rows have one of the others, in training too."""
    frame = make_rows(3_000).assign(k=np.random.default_rng(0).integers(0, 300, 3_000).astype(str))
    data = write_parquet(frame, tmp_path / "data", 1)
    features = {"exclude": ["amount"], "columns": {"k": {"max_categories": 3}}}
    config = write_config(make_config(data, features=features, **QUICK), tmp_path / "c.toml")
    run(config, cluster=THREADS, out=tmp_path / "run")
    manifest = predict(tmp_path / "run", str(data), str(tmp_path / "out"), options=THREADS)
    assert manifest["drift"]["k"]["unseen"] > 0.9
    assert manifest["drift"]["k"]["verdict"] == "stable"


def test_training_on_with_other_rows_is_a_notice(trained, tmp_path):
    folder, _ = trained
    write_parquet(make_rows(2_000, seed=7).assign(spend=lambda f: f["spend"] * 100), tmp_path / "data", 1)
    config = make_config(tmp_path / "data", features={"exclude": ["amount"]}, **QUICK)
    options = RunOptions(base_run=str(folder / "y"))
    config = write_config(config, tmp_path / "c.toml")
    report = run(config, cluster=THREADS, out=tmp_path / "on", options=options)
    assert report["continued"]["drift"]["spend"]["verdict"] == "drifted"
    (notice,) = (n for n in report["notices"] if n["subject"] == "new rows")
    assert notice["message"].startswith("'spend' drifted from the rows")
    profile = pipeline.load(tmp_path / "on").named_steps["preprocess"].profile_
    label = profile["label"]
    assert label["rows"] == report["continued"]["rows"]["train"]
    assert int(profile["numbers"]["x"]["histogram"].sum()) == label["rows"]


def as_earlier_version(folder, place):
    """The model as an earlier version left it: other ranges, no counts."""
    model = pipeline.load(folder / "y")
    profile = model.named_steps["preprocess"].profile_
    for number in profile["numbers"].values():
        number["histogram"] = [0] * 32 + [100] * 8 + [0] * 24
        del number["missing_rows"]
    for column in profile["codes"].values():
        del column["missing_rows"], column["unseen"]
    del profile["label"]["rows"]
    place.mkdir()
    (place / "model.skops").write_bytes(persistence.dumps(model))
    return place


def test_a_model_of_an_earlier_version_predicts_and_says_what_it_cannot_tell(trained, tmp_path):
    folder, frame = trained
    model = as_earlier_version(folder, tmp_path / "earlier")
    write_parquet(frame.assign(c=frame["c"].replace("blue", "red")), tmp_path / "data", 1)
    manifest = predict(model, str(tmp_path / "data"), str(tmp_path / "out"), options=THREADS)
    verdicts = {name: change["verdict"] for name, change in manifest["drift"].items()}
    assert verdicts == {
        "c": "drifted",
        "spend": "unknown",
        "x": "unknown",
        **dict.fromkeys(["t.hour", "t.weekday", "t.month"], "stable"),
    }
    config = write_config(
        make_config(tmp_path / "data", features={"exclude": ["amount"]}, **QUICK), tmp_path / "c.toml"
    )
    assert "y" not in evaluate(model, config, options=THREADS, all_rows=True)["drift"]
    write_parquet(frame.assign(x=frame["x"] + 1e6), tmp_path / "far", 1)
    with pytest.raises(DataError, match="column 'x': 100% of the rows"):
        predict(model, str(tmp_path / "far"), str(tmp_path / "no"), options=THREADS)


def test_a_training_that_stops_early_ends_where_it_stopped(tmp_path, capsys):
    data = write_parquet(make_rows(3_000), tmp_path / "data", 3)
    train = {"epochs": 30, "early_stopping": "validation", "tol": 0.05}
    config = make_config(data, data={"batch_rows": 1_000}, features={"exclude": ["amount"]}, train=train, **QUICK)
    events = []
    config = write_config(config, tmp_path / "c.toml")
    report = run(config, cluster=THREADS, out=tmp_path / "run", on_event=events.append)
    epochs = report["training"]["epochs"]
    assert epochs < 30
    ends = {event["stage"]: event for event in events if event["event"] == "stage_finished"}
    assert ends["train"]["end"] == f"stopped after {epochs} of 30 epochs"
    assert ends["train"]["done"] == 3 * epochs
    assert (ends["statistics"]["end"], ends["evaluate"]["end"]) == ("finished", "finished")
    terminal = capsys.readouterr().err
    assert f"{3 * epochs}/90" in terminal
    assert f"stopped after {epochs} of 30 epochs" in terminal


def test_a_training_that_is_interrupted_ends_where_it_was(tmp_path, capsys):
    data = write_parquet(make_rows(3_000), tmp_path / "data", 6)
    keys = {"data": {"batch_rows": "file"}, "train": {"round_batches": 2}, "features": {"exclude": ["amount"]}}
    config = write_config(make_config(data, **keys, **QUICK), tmp_path / "c.toml")
    events = []

    def interrupt(event):
        events.append(event)
        if event["event"] == "round_finished":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        run(config, cluster=THREADS, out=tmp_path / "run", on_event=interrupt)
    (end,) = (event for event in events if event["event"] == "stage_finished" and event["stage"] == "train")
    assert (end["done"], end["end"]) == (2, "interrupted")
    line = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("train"))
    assert "2/6" in line
    assert line.rstrip().endswith("interrupted")


def test_batches_that_are_set_aside_count_as_done(tmp_path):
    data = write_parquet(make_rows(3_000), tmp_path / "data", 6)
    path = data / "part-002.parquet"
    content = bytearray(path.read_bytes())
    content[4:2_000] = bytes(1_996)
    path.write_bytes(content)
    keys = {"batch_rows": "file", "on_bad_batch": "quarantine"}
    config = write_config(make_config(data, data=keys, features={"exclude": ["amount"]}, **QUICK), tmp_path / "c.toml")
    events = []
    report = run(config, cluster=THREADS, out=tmp_path / "run", on_event=events.append)
    assert report["batches"]["rejected"] == 1
    ends = {event["stage"]: event for event in events if event["event"] == "stage_finished"}
    begun = {event["stage"]: event["batches"] for event in events if event["event"] == "stage_started"}
    assert {name: event["done"] for name, event in ends.items()} == begun
    assert {event["end"] for event in ends.values()} == {"finished"}
