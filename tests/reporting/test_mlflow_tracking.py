"""A run folder on an MLflow tracking server, through the library and through `pipeline export`."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import pipeline
from pipeline.cli import main
from pipeline.errors import TrackingError
from pipeline.inference.mlflow_pyfunc import _load_pyfunc
from pipeline.models import persistence
from pipeline.reporting import mlflow_tracking
from pipeline.reporting.finished_run import read_run
from tests.builders import make_config, make_table, write_config, write_parquet
from tests.cli.test_main import MINIMAL
from tests.cli.test_main import pipeline as command

ROOT = Path(__file__).parent.parent
REPORT = {
    "task": "classification",
    "data": {"path": "data", "label": "y"},
    "rows": {"read": 100, "train": 80, "test": 15, "rejected": 5},
    "metrics": {"log_loss": 0.5, "f1_class=1": 0.25},
    "progressive": [{"rows": 20.0, "log_loss": 0.9}, {"rows": 160.0, "log_loss": 0.6}],
    "training": {"validation": [{"log_loss": 0.8}, {"log_loss": 0.7}]},
    "cross_validation": {"metrics": {"log_loss": {"mean": 0.55, "std": 0.05}}},
    "seconds": {"total": 3.5},
    "intervals": {},
    "baselines": {},
    "slices": {},
}


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch):
    """Other tests' texts are not redacted by the secrets of these."""
    monkeypatch.setattr("pipeline.io.redact._secrets", set())


@pytest.fixture
def finished(tmp_path) -> Path:
    """A run folder with a model of scikit-learn's own."""
    folder = tmp_path / "first"
    folder.mkdir()
    x = pd.DataFrame({"a": np.arange(10.0), "b": np.arange(10.0) % 3})
    model = Pipeline([("preprocess", StandardScaler()), ("model", LogisticRegression())]).fit(x, x["a"] > 4)
    content = persistence.dumps(model)
    (folder / persistence.FILE).write_bytes(content)
    write_config(make_config("data", train={"lanes": 4}, evaluate={"slices": ["c"]}), folder / "config.toml")
    written = {"model": {"sha256": persistence.digest(content), "fingerprint": "f" * 64}}
    (folder / "report.json").write_text(json.dumps(REPORT | written))
    (folder / ".draft").write_text("")
    return folder


class FakeMlflow:
    """Records what a server would receive; ``broken`` names a call that fails."""

    def __init__(self, broken: str = ""):
        self.calls: list[tuple] = []
        self.broken = broken
        self.entities = SimpleNamespace(Param=lambda *of: of, Metric=lambda *of: of)
        self.types = SimpleNamespace(
            ParamSpec=lambda *of: of, ParamSchema=lambda of: of, DataType=SimpleNamespace(string="string")
        )
        self.models = SimpleNamespace(ModelSignature=lambda params: params)
        self.pyfunc = SimpleNamespace(log_model=self._log_model)

    def _note(self, name: str, *of):
        self.calls.append((name, *of))
        if name == self.broken:
            raise OSError(f"no room for {of}")

    def set_tracking_uri(self, uri):
        self._note("uri", uri, os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD"))

    def set_experiment(self, name):
        self._note("experiment", name)
        return SimpleNamespace(experiment_id="7")

    def MlflowClient(self):
        return self

    def start_run(self, run_name, tags):
        self._note("run", run_name, tags)
        return self

    def __enter__(self):
        return SimpleNamespace(info=SimpleNamespace(run_id="ab12", start_time=1_000))

    def __exit__(self, *error):
        self._note("end", error[0])

    def log_batch(self, run, metrics=(), params=()):
        self._note("batch", run, list(metrics), list(params))

    def log_artifact(self, path):
        self._note("file", Path(path).name)

    def delete_run(self, run):
        self._note("delete", run)

    def _log_model(self, name, loader_module, data_path, code_paths, pip_requirements, signature):
        code = Path(code_paths[0])
        assert (code / "inference" / "mlflow_pyfunc.py").exists()
        assert not list(code.rglob("*.pyc"))
        assert persistence.digest(Path(data_path).read_bytes())
        self._note("model", name, loader_module, Path(data_path).name, code.name, pip_requirements, signature)
        return SimpleNamespace(model_uri="models:/m-1")


def test_a_run_is_described_in_mlflows_terms(finished):
    found = mlflow_tracking.describe_run(read_run(finished))
    assert found.params.items() >= {"train.lanes": "4", "evaluate.slices": "['c']", "data.label": "y"}.items()
    assert found.figures == [
        ("progressive_log_loss", 0.9, 20),
        ("progressive_log_loss", 0.6, 160),
        ("validation_log_loss", 0.8, 1),
        ("validation_log_loss", 0.7, 2),
        ("log_loss", 0.5, 160),
        ("f1_class_1", 0.25, 160),
        ("log_loss_mean_over_folds", 0.55, 160),
        ("log_loss_std_over_folds", 0.05, 160),
        *((f"rows_{side}", float(REPORT["rows"][side]), 160) for side in ("read", "train", "test", "rejected")),
        ("seconds_total", 3.5, 160),
    ]
    assert (found.name, found.tags["fingerprint"]) == ("first", "f" * 64)
    assert [file.name for file in found.files] == ["config.toml", "report.json"]


def test_the_server_gets_everything_once_and_the_login_outside_the_address(finished, monkeypatch):
    fake = FakeMlflow()
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    done = mlflow_tracking.track_run(finished, "https://me:sesame%2F99@host:5000/sub", "trials")
    assert fake.calls[0] == ("uri", "https://host:5000/sub", "me", "sesame/99")
    assert "MLFLOW_TRACKING_PASSWORD" not in os.environ
    names = [call[0] for call in fake.calls]
    assert names == ["uri", "experiment", "run", "batch", "batch", "file", "file", "model", "end"]
    (params,) = (call[3] for call in fake.calls if call[0] == "batch" and call[3])
    (metrics,) = (call[2] for call in fake.calls if call[0] == "batch" and call[2])
    run = mlflow_tracking.describe_run(read_run(finished))
    assert dict(params) == run.params
    assert [(name, value, step) for name, value, _, step in metrics] == run.figures
    _, name, loader, data, code, needs, _ = fake.calls[-2]
    assert (name, loader, data, code) == ("model", "pipeline.inference.mlflow_pyfunc", "model.skops", "pipeline")
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", need) for need in needs)
    assert done["page"] == "https://host:5000/sub/#/experiments/7/runs/ab12"


def test_many_parameters_and_points_are_sent_in_parts(finished, monkeypatch):
    fake = FakeMlflow()
    report = json.loads((finished / "report.json").read_text())
    report["progressive"] = [{"rows": float(i), "log_loss": 1.0} for i in range(2_500)]
    (finished / "report.json").write_text(json.dumps(report))
    text = (finished / "config.toml").read_text()
    more = "[model.params]\n" + "".join(f"p{i} = {i}\n" for i in range(250))
    (finished / "config.toml").write_text(text.replace("[model.params]\n", more))
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    mlflow_tracking.track_run(finished, "http://host", "trials")
    batches = [call for call in fake.calls if call[0] == "batch"]
    assert max(len(call[3]) for call in batches) <= 100
    assert max(len(call[2]) for call in batches) <= 1_000
    run = mlflow_tracking.describe_run(read_run(finished))
    assert sum(len(call[3]) for call in batches) == len(run.params)
    assert sum(len(call[2]) for call in batches) == len(run.figures)


@pytest.mark.parametrize("broken", ["experiment", "batch", "file", "model"])
def test_refusing_server_gives_one_sentence_without_login_and_keeps_no_run(finished, monkeypatch, broken):
    fake = FakeMlflow(broken)
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    with pytest.raises(TrackingError, match=r"^--mlflow http://\*\*\*@host: does not take the run \(OSError") as error:
        mlflow_tracking.track_run(finished, "http://me:sesame-99@host", "sesame-99")
    assert "sesame" not in str(error.value)
    assert (("delete", "ab12") in fake.calls) == (broken != "experiment")


def refused(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["export", *arguments])
    assert done.stderr.count("\n") == 1, done.stderr
    return done.exit_code, done.stderr


def test_what_cannot_be_exported_is_refused_in_one_sentence(finished, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    code, text = refused(str(finished), "--mlflow", "http://host")
    assert (code, "pip install 'dask-etl-train[mlflow]'" in text) == (2, True)
    monkeypatch.setitem(sys.modules, "mlflow", FakeMlflow())
    (tmp_path / "going/checkpoint").mkdir(parents=True)
    code, text = refused(str(tmp_path / "going"), "--mlflow", "http://host")
    assert (code, "is not finished; continue with `pipeline run --resume" in text) == (1, True)
    code, text = refused(str(tmp_path), "--mlflow", "http://host")
    assert (code, "give another run folder" in text) == (1, True)
    (finished / persistence.FILE).write_bytes(persistence.dumps(StandardScaler()))
    code, text = refused(str(finished), "--mlflow", "http://host")
    assert (code, "is not the file that the run wrote" in text) == (1, True)


def test_the_pyfunc_model_predicts_what_the_pipeline_predicts(finished):
    served, model = _load_pyfunc(str(finished / persistence.FILE)), pipeline.load(finished)
    x = pd.DataFrame({"a": [1.0, 8.0], "b": [0.0, 2.0]})
    np.testing.assert_array_equal(served.predict(x), model.predict(x))
    for method in ("predict_proba", "decision_function"):
        np.testing.assert_array_equal(served.predict(x, {"method": method}), getattr(model, method)(x))
    with pytest.raises(ValueError, match="'fit' is none of this model's; it has predict, predict_proba"):
        served.predict(x, {"method": "fit"})


WANTED = os.environ.get("PIPELINE_TEST_MLFLOW", "")
LOADS = """
import sys, mlflow, numpy as np, pandas as pd
uri, address, frame, out = sys.argv[1:]
mlflow.set_tracking_uri(address)
model = mlflow.pyfunc.load_model(uri)
import pipeline
assert "/code/" in pipeline.__file__, pipeline.__file__
x = pd.read_parquet(frame)
np.savez(out, labels=model.predict(x), proba=model.predict(x, params={"method": "predict_proba"}))
"""


@pytest.fixture
def environment(tmp_path) -> Path:
    """The programs of an environment with MLflow: made here, or that of an earlier time, by its folder."""
    if WANTED != "1":
        return Path(WANTED) / "bin"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    subprocess.run([tmp_path / "venv/bin/pip", "install", "-q", "-e", f"{ROOT}[mlflow]"], check=True)
    return tmp_path / "venv/bin"


@pytest.fixture
def server(environment, tmp_path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = ["--backend-store-uri", f"sqlite:///{tmp_path}/m.db", "--artifacts-destination", str(tmp_path / "kept")]
    process = subprocess.Popen(
        [environment / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *places],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def ask(address: str, call: str) -> dict:
    with urllib.request.urlopen(f"{address}/api/2.0/mlflow/{call}", timeout=30) as answer:
        return json.load(answer)


@pytest.mark.mlflow
@pytest.mark.cluster
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not WANTED,
    reason="makes an environment with MLflow's 68 packages, for minutes: PIPELINE_TEST_MLFLOW=1, or the folder of one",
)
def test_a_real_server_has_the_run_and_its_model_predicts_the_same(environment, server, tmp_path):
    write_parquet(make_table(2_000), tmp_path / "data", 4)
    (tmp_path / "c.toml").write_text(MINIMAL + '[train]\nepochs = 2\nearly_stopping = "validation"\n')
    done = command("run", "c.toml", "--out", "one", "--workers", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    login = server.replace("://", "://me:sesame-99@")
    done = subprocess.run(
        [environment / "pipeline", "export", "one", "--mlflow", login, "--experiment", "e", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "sesame" not in done.stdout + done.stderr
    answer = json.loads(done.stdout)
    run = ask(server, f"runs/get?run_id={answer['run_id']}")["run"]
    assert (run["info"]["status"], run["info"]["run_name"]) == ("FINISHED", "one")
    report = json.loads((tmp_path / "one/report.json").read_text())
    figures = {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}
    assert figures.items() >= report["metrics"].items()
    assert {"key": "train.epochs", "value": "2"} in run["data"]["params"]
    history = ask(server, f"metrics/get-history?run_id={answer['run_id']}&metric_key=progressive_log_loss")["metrics"]
    assert [(int(p["step"]), p["value"]) for p in history] == [
        (point["rows"], point["log_loss"]) for point in report["progressive"]
    ]
    files = {file["path"] for file in ask(server, f"artifacts/list?run_id={answer['run_id']}")["files"]}
    assert {"config.toml", "ledger.csv", "metrics.json", "params.yaml", "report.html", "report.json"} <= files
    frame = tmp_path / "data/part-001.parquet"
    options = ["-P", "-c", LOADS, answer["model_uri"], server, str(frame), str(tmp_path / "said.npz")]
    subprocess.run([environment / "python", *options], cwd=tmp_path, check=True)
    said, model, x = np.load(tmp_path / "said.npz"), pipeline.load(tmp_path / "one"), pd.read_parquet(frame)
    np.testing.assert_array_equal(said["labels"], model.predict(x))
    np.testing.assert_array_equal(said["proba"], model.predict_proba(x))
