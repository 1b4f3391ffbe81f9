"""A finished run on an MLflow tracking server: its config, figures by round, files and model."""

import contextlib
import logging
import os
import re
import shutil
import tempfile
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from pipeline.config import flat
from pipeline.errors import ConfigError, DataError, PipelineError, TrackingError
from pipeline.inference.mlflow_pyfunc import DEFAULT_METHOD
from pipeline.io.redact import redact, register_secrets
from pipeline.io.run_folder import CHECKPOINT_FOLDER, REPORT_FILE
from pipeline.io.urls import mask_credentials, secrets_of, without_credentials
from pipeline.models import persistence
from pipeline.reporting.finished_run import FinishedRun, read_run
from pipeline.reporting.formatting import shorten
from pipeline.reporting.report import flatten_figures

# The packages that the model needs to predict.
REQUIREMENTS = (
    *("datasketches", "fsspec", "msgspec", "numba", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy"),
    *("skops", "tomli-w"),
)
# MLflow's limits.
MAX_NAME_CHARS, MAX_VALUE_CHARS, MAX_PARAMS, MAX_METRICS = 250, 6_000, 100, 1_000
# How often requests are tried again, unless the environment says otherwise; MLflow would try for minutes.
RETRY_VARIABLES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
QUIET_VARIABLES = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}


@dataclass(frozen=True)
class TrackedRun:
    """A run in MLflow's terms: texts, and figures as (name, value, step)."""

    name: str
    params: dict[str, str]
    figures: list[tuple[str, float, int]]
    tags: dict[str, str]
    files: list[Path]


def describe_run(run: FinishedRun) -> TrackedRun:
    """Describe a run folder in MLflow's terms.

    Parameters are the resolved config, ``section.key``. The learning curve is the metric ``progressive_…`` whose steps
    are rows trained on. Validation is ``validation_…`` whose steps are epochs. The final figures have the rows trained
    on as their only step.
    """
    report = run.report
    rows = report["progressive"][-1]["rows"] if report["progressive"] else report["rows"]["train"]
    points = [
        (f"progressive_{name}", value, round(point["rows"]))
        for point in report["progressive"]
        for name, value in point.items()
        if name != "rows"
    ]
    for epoch, point in enumerate(report["training"]["validation"], 1):
        points += [(f"validation_{name}", value, epoch) for name, value in point.items() if name != "rows"]
    points += [(name, value, round(rows)) for name, value in flatten_figures(report).items()]
    config = flat(tomllib.loads(run.config))
    return TrackedRun(
        run.name,
        {key[:MAX_NAME_CHARS]: shorten(str(value), MAX_VALUE_CHARS) for key, value in config.items()},
        [(_metric_name(name), float(value), step) for name, value, step in points],
        {
            "task": report["task"],
            "data": shorten(report["data"]["path"], MAX_VALUE_CHARS),
            "label": shorten(report["data"]["label"], MAX_VALUE_CHARS),
            "fingerprint": report["model"]["fingerprint"],
        },
        sorted(
            p for p in Path(run.folder).iterdir() if p.is_file() and p.name[0] != "." and p.name != persistence.FILE
        ),
    )


def _metric_name(name: str) -> str:
    """Replace the characters that MLflow does not take in a metric's name; the name of a class may have some."""
    return re.sub(r"[^\w\-. /]", "_", name, flags=re.ASCII)[:MAX_NAME_CHARS]


def track_run(folder: Path, uri: str, experiment: str) -> dict[str, str]:
    """Write the finished run in ``folder`` to the tracking server at ``uri``.

    Parameters
    ----------
    uri
        As MLflow takes it: ``http://host:5000``, ``sqlite:///file.db``, a folder. A login in it is used and not shown.
    experiment
        The experiment's name, made if it is not there.

    Returns
    -------
    dict
        The run's ids and address on the server.

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
        raise DataError(f"{folder}: its run is not finished; continue with `pipeline run --resume {folder}` first.")
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
            return _send(describe_run(run), folder / persistence.FILE, mlflow, address, experiment)
        except (PipelineError, KeyboardInterrupt):
            raise
        except Exception as error:  # of MLflow, its HTTP library or the storage
            reason = redact(str(error)).partition("\n")[0].rstrip(".")
            raise TrackingError(
                f"--mlflow {mask_credentials(uri)}: does not take the run ({type(error).__name__}: "
                f"{shorten(reason, 160)}); see that a tracking server answers there."
            ) from None


@contextlib.contextmanager
def _login(uri: str) -> Iterator[str]:
    """Yield the address without its login, which MLflow finds in the environment: it prints addresses."""
    parts = urlsplit(uri)
    variables = dict(QUIET_VARIABLES)
    if parts.scheme in ("http", "https") and parts.username is not None:
        variables["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username)
        variables["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
        uri = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    variables |= {name: value for name, value in RETRY_VARIABLES.items() if name not in os.environ}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
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
    """Silence MLflow's log lines and warnings, which may quote the address."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)


def _send(run: TrackedRun, model: Path, mlflow: Any, address: str, experiment: str) -> dict[str, str]:
    """Write a run through the module ``mlflow``; delete what was written of it if that fails."""
    mlflow.set_tracking_uri(address)
    experiment_id = mlflow.set_experiment(experiment).experiment_id
    client = mlflow.MlflowClient()
    with mlflow.start_run(run_name=run.name, tags=run.tags) as started:
        run_id = started.info.run_id
        try:
            now = started.info.start_time
            params = [mlflow.entities.Param(key, value) for key, value in run.params.items()]
            metrics = [mlflow.entities.Metric(key, value, now, step) for key, value, step in run.figures]
            for i in range(0, len(params), MAX_PARAMS):
                client.log_batch(run_id, params=params[i : i + MAX_PARAMS])
            for i in range(0, len(metrics), MAX_METRICS):
                client.log_batch(run_id, metrics=metrics[i : i + MAX_METRICS])
            for file in run.files:
                mlflow.log_artifact(str(file))
            uri = _log_model(mlflow, model)
        except BaseException:
            with contextlib.suppress(Exception):
                client.delete_run(run_id)
            raise
    server = without_credentials(address).rstrip("/")
    return {
        "experiment_id": experiment_id,
        "run_id": run_id,
        "model_uri": uri,
        "page": f"{server}/#/experiments/{experiment_id}/runs/{run_id}" if server.startswith("http") else server,
    }


def _log_model(mlflow: Any, model: Path) -> str:
    """Log the model's file as it is, with our code and the packages to install; return its address.

    The signature has no columns: with them, MLflow would change types before the model sees them, and the model could
    predict differently there.
    """
    types = mlflow.types
    method = types.ParamSpec("method", types.DataType.string, DEFAULT_METHOD)
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "pipeline"
        shutil.copytree(Path(__file__).parent.parent, code, ignore=shutil.ignore_patterns("__pycache__"))
        logged = mlflow.pyfunc.log_model(
            name="model",
            loader_module="pipeline.inference.mlflow_pyfunc",
            data_path=str(model),
            code_paths=[str(code)],
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
            signature=mlflow.models.ModelSignature(params=types.ParamSchema([method])),
        )
    return str(logged.model_uri)
