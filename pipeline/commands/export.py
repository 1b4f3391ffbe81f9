"""`pipeline export`: a finished run to other programs."""

from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.io.redact import redact
from pipeline.monitoring.progress import Monitor
from pipeline.reporting.terminal import show_facts


def export(
    folder: Path, uri: str | None = None, experiment: str = "pipeline", onnx: str | None = None
) -> dict[str, str]:
    """Write the model of the run in ``folder`` as the file ``onnx``, and the run to the MLflow server at ``uri``.

    Returns
    -------
    dict
        The file's name, and the run's ids and address on the server.

    Raises
    ------
    PipelineError
        Neither was asked for, or as `inference.onnx.exporter.write_onnx` and `reporting.mlflow_tracking.track_run`.
    """
    if not (uri or onnx):
        raise ConfigError("export: says not where to; give --mlflow URI or --onnx FILE.")
    exported: dict[str, str] = {}
    facts: dict[str, str] = {}
    if onnx:
        from pipeline.inference.onnx.exporter import write_onnx

        size = write_onnx(str(folder), onnx)
        exported["onnx"] = onnx
        facts["onnx"] = f"{onnx}: {size:,} bytes, predicts as the model does"
    if uri:
        from pipeline.reporting.mlflow_tracking import track_run

        tracked = track_run(folder, uri, experiment)
        exported |= tracked
        facts |= {"run": tracked["page"], "model": f'mlflow.pyfunc.load_model("{tracked["model_uri"]}")'}
    show_facts(Monitor().console, redact(facts))
    return exported
