"""`pipeline predict` from its arguments to a folder that is there whole or not at all."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from sklearn import metrics as sk

import pipeline
from pipeline.cli import main
from pipeline.commands.predict import predict
from pipeline.commands.run import run
from pipeline.errors import ConfigError, DataError
from pipeline.inference.output_file import STAGED
from tests.builders import make_table, make_table_config, write_config, write_parquet

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True, scope="module")
def options(session):
    """Every command is on two workers that are there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.engine.cluster.session.connect", lambda *_: contextlib.nullcontext(session))
        yield {}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, options):
    """A run that was tested on files of their own; its folder, its report and those files."""
    folder = tmp_path_factory.mktemp("trained")
    write_parquet(make_table(2_000), folder / "train", 3)
    held = write_parquet(make_table(900, seed=8), folder / "held", 3)
    config = write_config(make_table_config(folder / "train", split={"path": str(held)}), folder / "c.toml")
    report = run(config, cluster=options, out=folder / "run")
    return folder / "run", report, held


def read(out: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted(out.glob("*.parquet"))], ignore_index=True)


def test_metrics_of_the_predictions_equal_those_of_the_report(trained, options, tmp_path):
    model, report, held = trained
    manifest = predict(model, str(held), str(tmp_path / "out"), options=options, keep=["y", "n"])
    found = read(tmp_path / "out")
    truth = make_table(900, seed=8)
    assert found["n"].tolist() == truth["n"].tolist()
    y, p, said = found["y"], found["probability_1"], found["prediction"]
    exact = {
        "roc_auc": sk.roc_auc_score(y, p),
        "average_precision": sk.average_precision_score(y, p),
        "accuracy": sk.accuracy_score(y, said),
        "precision": sk.precision_score(y, said),
        "recall": sk.recall_score(y, said),
        "f1": sk.f1_score(y, said),
        "balanced_accuracy": sk.balanced_accuracy_score(y, said),
        "log_loss": sk.log_loss(y, found[["probability_0", "probability_1"]].to_numpy()),
        "brier_score_loss": sk.brier_score_loss(y, p),
    }
    assert {name: report["metrics"][name] for name in exact} == pytest.approx(exact, rel=1e-15, abs=0)
    assert manifest["rows"] | {"rejected_by_reason": 0} == {
        "read": 900, "written": 900, "rejected": 0, "rejected_by_reason": 0, "pruned": 0,
    }  # fmt: skip
    assert manifest["model"]["fingerprint"] == report["model"]["fingerprint"]
    assert json.loads((tmp_path / "out/_SUCCESS").read_text()) == manifest
    assert [f["file"] for f in manifest["files"]] == sorted(p.name for p in (tmp_path / "out").glob("part-*"))
    assert sorted(p.name for p in (tmp_path / "out").iterdir())[0] == "_SUCCESS"
    assert all((tmp_path / "out" / f["file"]).stat().st_size == f["bytes"] for f in manifest["files"])


def test_severe_drift_publishes_nothing_until_it_is_only_reported(trained, options, tmp_path, monkeypatch):
    model, *_ = trained
    write_parquet(make_table(300).assign(c="mauve"), tmp_path / "odd", 2)
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"column 'c': 100% of the rows have values that training never saw.*--resume"):
        predict(model, str(tmp_path / "odd"), str(out), options=options)
    assert [p.name for p in out.iterdir()] == [STAGED]
    before = {p.name: p.stat().st_mtime_ns for p in (out / STAGED).glob("*.parquet")}
    taken = ('evaluate.on_drift="report"',)
    manifest = predict(model, str(tmp_path / "odd"), str(out), taken, options, resume=True)
    assert manifest["resumed_after"] == len(before) == 2
    assert {p.name: p.stat().st_mtime_ns for p in out.glob("*.parquet")} == before
    assert manifest["drift"]["c"]["unseen"] == 1
    assert len(read(out)) == 300


def interrupted(trained, tmp_path, options, monkeypatch):
    """A folder in which predicting ended after two of three files."""
    model, _, held = trained
    out = tmp_path / "interrupted"

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.inference.staging.publish", stop)
        with pytest.raises(pipeline.errors.Interrupted, match="3 files were kept, continue with --resume"):
            predict(model, str(held), str(out), options=options)
    for path in (out / STAGED).glob("part-000001*"):
        path.unlink()
    return out


def test_resuming_refuses_another_command_model_or_input(trained, options, tmp_path, monkeypatch):
    model, _, held = trained
    out = interrupted(trained, tmp_path, options, monkeypatch)
    there = {p.name: p.read_bytes() for p in (out / STAGED).iterdir()}
    with pytest.raises(ConfigError, match="holds unfinished predictions; continue with --resume"):
        predict(model, str(held), str(out), options=options)
    with pytest.raises(ConfigError, match=r"--keep: .* began with \[\], now it is \['n'\]"):
        predict(model, str(held), str(out), options=options, keep=["n"], resume=True)
    with pytest.raises(ConfigError, match=r"evaluate\.threshold: .* began with none, now it is 0.2"):
        predict(model, str(held), str(out), ("evaluate.threshold=0.2",), options, resume=True)
    other = pipeline.load(model)
    other.named_steps["model"].coef_[0, 0] += 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other/model.skops").write_bytes(pipeline.models.persistence.dumps(other))
    (tmp_path / "other/config.toml").write_text((model / "config.toml").read_text())
    with pytest.raises(ConfigError, match="began with the model"):
        predict(tmp_path / "other", str(held), str(out), options=options, resume=True)
    changed = held / "part-002.parquet"
    kept = changed.read_bytes()
    make_table(10).to_parquet(changed, index=False)
    with pytest.raises(DataError, match=r"part-002\.parquet: when .* began it was .* name a new folder"):
        predict(model, str(held), str(out), options=options, resume=True)
    changed.write_bytes(kept)
    assert {p.name: p.read_bytes() for p in (out / STAGED).iterdir()} == there


def test_a_resumed_folder_equals_that_of_one_attempt(trained, options, tmp_path, monkeypatch):
    model, _, held = trained
    for path in held.iterdir():  # as it was before another test put a file back
        path.touch()
    out = interrupted(trained, tmp_path, options, monkeypatch)
    manifest = predict(model, str(held), str(out), options=options, resume=True)
    whole = predict(model, str(held), str(tmp_path / "whole"), options=options)
    assert manifest["resumed_after"] == 2
    for name in ("rows", "files", "drift", "drift_rows", "schema"):
        assert manifest[name] == whole[name]
    for file in manifest["files"]:
        assert (out / file["file"]).read_bytes() == (tmp_path / "whole" / file["file"]).read_bytes()
    assert not (out / STAGED).exists()
    with pytest.raises(ConfigError, match="holds finished predictions"):
        predict(model, str(held), str(out), options=options, resume=True)


def test_a_folder_with_other_files_is_refused_and_unchanged(trained, options, tmp_path):
    model, _, held = trained
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("!")
    for resume in (False, True):
        with pytest.raises(ConfigError, match="exists and is not empty"):
            predict(model, str(held), str(tmp_path / "mine"), options=options, resume=resume)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def damage(path):
    """Where the first page begins."""
    content = bytearray(path.read_bytes())
    content[4:300] = bytes(296)
    path.write_bytes(content)


def test_a_failure_leaves_no_folder(trained, options, tmp_path):
    model, *_ = trained
    write_parquet(make_table(200), tmp_path / "in", 1)
    path = tmp_path / "in/part-000.parquet"
    damage(path)
    with pytest.raises(DataError, match=r"batch 0 .*part-000\.parquet.*cannot be decoded"):
        predict(model, str(tmp_path / "in"), str(tmp_path / "a/b"), options=options)
    assert not (tmp_path / "a").exists()


def test_bad_files_and_batches_are_quarantined_and_counted(trained, options, tmp_path):
    model, *_ = trained
    frame = make_table(400)
    write_parquet(frame, tmp_path / "in", 4)
    path = tmp_path / "in/part-001.parquet"
    damage(path)
    (tmp_path / "in/part-002.parquet").write_bytes(b"PAR1")
    quarantine = ('data.on_bad_batch="quarantine"',)
    manifest = predict(model, str(tmp_path / "in"), str(tmp_path / "out"), quarantine, options, ["n"])
    assert manifest["rows"]["written"] == 200
    assert manifest["rows"]["rejected_by_reason"] == {"batch quarantined": 100}
    assert [Path(batch["where"].partition(" ")[0]).name for batch in manifest["batches"]["set_aside"]] == [
        "part-002.parquet",
        "part-001.parquet",
    ]
    assert [f["file"] for f in manifest["files"]] == ["part-000000.parquet", "part-000002.parquet"]
    assert read(tmp_path / "out")["n"].tolist() == [*frame["n"][:100], *frame["n"][300:]]


def test_the_command_prints_its_manifest_and_refuses_a_finished_folder(trained, options, tmp_path, monkeypatch):
    model, *_ = trained
    monkeypatch.chdir(tmp_path)
    write_parquet(make_table(50).drop(columns="y"), tmp_path / "in", 1)
    arguments = ["predict", str(model), "in", "out"]
    done = CliRunner().invoke(main, [*arguments, "--keep", "n,c", "--keep", "x", "--json", "--quiet"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "out/_SUCCESS").read_text())
    schema = pq.read_schema(tmp_path / "out/part-000000.parquet")
    assert schema.names == ["n", "c", "x", "prediction", "probability_0", "probability_1"]
    again = CliRunner().invoke(main, arguments)
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr == "Error: out: holds finished predictions; name a new folder, nothing was changed.\n"
    nothing = CliRunner().invoke(main, ["predict", "nowhere", "in", "out2"])
    assert nothing.exit_code == 1
    assert "nowhere/model.skops: no model there" in nothing.stderr
    assert not (tmp_path / "out2").exists()
    np.testing.assert_allclose(
        read(tmp_path / "out")["probability_1"],
        pipeline.load(model).predict_proba(make_table(50))[:, 1],
        rtol=1e-12,
    )
