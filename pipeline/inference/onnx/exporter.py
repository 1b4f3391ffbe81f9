"""The whole export: a run's model to a checked file."""

from sklearn.pipeline import Pipeline

from pipeline.errors import ConfigError
from pipeline.inference.onnx.check import check_graph
from pipeline.inference.onnx.columns import add_margins
from pipeline.inference.onnx.graph_builder import GraphBuilder
from pipeline.inference.onnx.limits import refuse_unknown
from pipeline.inference.onnx.outputs import add_outputs, linear_part
from pipeline.io.run_folder import RunFolder
from pipeline.models import persistence

OPSETS = {"": 17, "ai.onnx.ml": 2}


def write_onnx(run: str, file: str) -> int:
    """Write the model of a run folder as a graph to ``file``; return the bytes.

    Raises
    ------
    PipelineError
        As `to_onnx`; or there is no such run, or no room for the file.
    """
    content = to_onnx(persistence.load(run))
    folder, _, name = file.rpartition("/")
    RunFolder(folder or ("/" if file.startswith("/") else ".")).write(name, content)
    return len(content)


def to_onnx(model: Pipeline) -> bytes:
    """Convert a Pipeline of ours to a graph, and check it on rows like those that it was trained on.

    The outputs are ``label`` and, if the model has any, ``probabilities`` (n, classes) of a classifier, or
    ``prediction``.

    Raises
    ------
    ConfigError
        The extra is not installed.
    DataError
        The graph cannot express a part of the model, which is named; or predictions differ.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"--onnx: needs the package {error.name}; install dask-etl-train[onnx].") from None
    encoder, estimator = model.named_steps["preprocess"], model.named_steps["model"]
    refuse_unknown(encoder, estimator)
    builder, helper = GraphBuilder(encoder.columns.names), onnx.helper
    inputs, margins = add_margins(builder, encoder, linear_part(estimator))
    outputs = add_outputs(builder, estimator, margins)
    graph = helper.make_graph(
        builder.nodes,
        "pipeline",
        [helper.make_tensor_value_info(name, kind, ["n"]) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        builder.constants,
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="dask-etl-train")
    onnx.checker.check_model(proto)
    content = bytes(proto.SerializeToString())
    check_graph(content, model)
    return content
