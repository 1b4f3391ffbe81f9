"""A finished run to an MLflow tracking server: its config, figures by round, files and model."""

import contextlib
import logging
import os
import re
import shutil
import tempfile
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from pipeline.config import flat
from pipeline.errors import ConfigError, DataError, PipelineError, TrackingError
from pipeline.inference.mlflow_pyfunc import METHOD
from pipeline.io.redact import redact, register_secrets
from pipeline.io.run_folder import CHECKPOINT_FOLDER, REPORT_FILE
from pipeline.io.urls import mask_credentials, secrets_of, without_credentials
from pipeline.models import persistence
from pipeline.reporting.comparison import Run, read_run
from pipeline.reporting.report import figures
from pipeline.reporting.terminal import short

# What the model needs to predict, and no more.
NEEDS = (
    *("datasketches", "fsspec", "msgspec", "numba", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy"),
    *("skops", "tomli-w"),
)
# MLflow's limits: of a name, of a value and of one request.
NAME, VALUE, MANY = 250, 6_000, 100
# Requests that fail are tried so often, unless the environment says otherwise; MLflow would for minutes.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
QUIET = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}


@dataclass(frozen=True)
class Tracked:
    """What a tracking server is told of a run: texts, and figures as (name, value, step)."""

    name: str
    params: dict[str, str]
    figures: list[tuple[str, float, int]]
    tags: dict[str, str]
    files: list[Path]


def tracked(run: Run) -> Tracked:
    """A run folder in MLflow's terms.

    Parameters are the resolved config, ``section.key``. The learning curve is the metric ``progressive_…`` whose steps
    are rows trained on, validation is ``validation_…`` whose steps are epochs, and the figures at the end have the rows
    trained on as their only step.
    """
    report = run.report
    rows = report["progressive"][-1]["rows"] if report["progressive"] else report["rows"]["train"]
    found = [
        (f"progressive_{name}", value, round(point["rows"]))
        for point in report["progressive"]
        for name, value in point.items()
        if name != "rows"
    ]
    for epoch, point in enumerate(report["training"]["validation"], 1):
        found += [(f"validation_{name}", value, epoch) for name, value in point.items() if name != "rows"]
    found += [(name, value, round(rows)) for name, value in figures(report).items()]
    return Tracked(
        run.folder.resolve().name,
        {key[:NAME]: short(str(value), VALUE) for key, value in flat(tomllib.loads(run.config)).items()},
        [(_allowed(name), float(value), step) for name, value, step in found],
        {
            "task": report["task"],
            "data": short(report["data"]["path"], VALUE),
            "label": short(report["data"]["label"], VALUE),
            "fingerprint": report["model"]["fingerprint"],
        },
        sorted(p for p in run.folder.iterdir() if p.is_file() and p.name[0] != "." and p.name != persistence.FILE),
    )


def _allowed(name: str) -> str:
    """A metric's name in the letters that MLflow takes; a class's name may have others."""
    return re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)[:NAME]


def export(folder: Path, uri: str, experiment: str) -> dict[str, str]:
    """Write the finished run in ``folder`` to the tracking server at ``uri``; its ids and address there.

    Parameters
    ----------
    uri
        As MLflow takes it: ``http://host:5000``, ``sqlite:///file.db``, a folder. A login in it is used and not shown.
    experiment
        The experiment's name, made if it is not there.

    Raises
    ------
    ConfigError
        MLflow is not installed.
    DataError
        No finished run there, or its model cannot be loaded.
    TrackingError
        The server does not answer, or refuses; nothing of the run stays there.
    """
    register_secrets(secrets_of(uri))
    if not (folder / REPORT_FILE).exists() and (folder / CHECKPOINT_FOLDER).exists():
        raise DataError(f"{folder}: its run is not finished; go on with `pipeline run --resume {folder}` first.")
    run = read_run(folder)
    persistence.load(folder)
    try:
        import mlflow
    except ImportError:
        raise ConfigError(
            "--mlflow: MLflow is not installed; pip install 'dask-etl-train[mlflow]', in an environment of its own."
        ) from None
    with _login(uri) as address, _silence():
        try:
            return send(tracked(run), folder / persistence.FILE, mlflow, address, experiment)
        except (PipelineError, KeyboardInterrupt):
            raise
        except Exception as error:  # of MLflow's, of its HTTP library's, of the storage's
            reason = redact(str(error)).partition("\n")[0].rstrip(".")
            raise TrackingError(
                f"--mlflow {mask_credentials(uri)}: does not take the run ({type(error).__name__}: "
                f"{short(reason, 160)}); see that a tracking server answers there."
            ) from None


@contextlib.contextmanager
def _login(uri: str) -> Iterator[str]:
    """The address without its login, which MLflow finds in the environment instead: it prints addresses."""
    parts = urlsplit(uri)
    known = dict(QUIET)
    if parts.scheme in ("http", "https") and parts.username is not None:
        known["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username)
        known["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
        uri = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    known |= {name: value for name, value in PATIENCE.items() if name not in os.environ}
    before = {name: os.environ.get(name) for name in known}
    os.environ.update(known)
    try:
        yield uri
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Without MLflow's remarks, which may have the address."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)


def send(run: Tracked, model: Path, mlflow: Any, address: str, experiment: str) -> dict[str, str]:
    """Write a run through the module ``mlflow``; one that fails on the way is taken away again."""
    mlflow.set_tracking_uri(address)
    place = mlflow.set_experiment(experiment)
    client = mlflow.MlflowClient()
    with mlflow.start_run(run_name=run.name, tags=run.tags) as begun:
        name = begun.info.run_id
        try:
            now = begun.info.start_time
            params = [mlflow.entities.Param(key, value) for key, value in run.params.items()]
            metrics = [mlflow.entities.Metric(key, value, now, step) for key, value, step in run.figures]
            for i in range(0, len(params), MANY):
                client.log_batch(name, params=params[i : i + MANY])
            for i in range(0, len(metrics), 10 * MANY):
                client.log_batch(name, metrics=metrics[i : i + 10 * MANY])
            for file in run.files:
                mlflow.log_artifact(str(file))
            uri = _log_model(mlflow, model)
        except BaseException:
            with contextlib.suppress(Exception):
                client.delete_run(name)
            raise
    shown = without_credentials(address).rstrip("/")
    return {
        "experiment_id": place.experiment_id,
        "run_id": name,
        "model_uri": uri,
        "page": f"{shown}/#/experiments/{place.experiment_id}/runs/{name}" if shown.startswith("http") else shown,
    }


def _log_model(mlflow: Any, model: Path) -> str:
    """The model's file as it is, our code beside it, and what to install; its address.

    A signature of the columns would have MLflow change their types before the model sees them: it has none of them,
    so that the model predicts the same there.
    """
    types = mlflow.types
    method = types.ParamSpec("method", types.DataType.string, METHOD)
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "pipeline"
        shutil.copytree(Path(__file__).parent.parent, code, ignore=shutil.ignore_patterns("__pycache__"))
        logged = mlflow.pyfunc.log_model(
            name="model",
            loader_module="pipeline.inference.mlflow_pyfunc",
            data_path=str(model),
            code_paths=[str(code)],
            pip_requirements=[f"{name}=={version(name)}" for name in NEEDS],
            signature=mlflow.models.ModelSignature(params=types.ParamSchema([method])),
        )
    return str(logged.model_uri)


def described(done: Mapping[str, str]) -> dict[str, str]:
    """What a person is told."""
    return {"run": done["page"], "model": f'mlflow.pyfunc.load_model("{done["model_uri"]}")'}
