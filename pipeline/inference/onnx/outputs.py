"""The outputs of the graph: labels and probabilities, or predictions, from the margins of a linear model."""

from typing import Any

import numpy as np

from pipeline.inference.onnx.graph_builder import GraphBuilder
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.calibration import CalibratedModel

# What outputs may be called.
OUTPUTS = ("label", "probabilities", "prediction")
# The type and shape of each output by its name.
Outputs = dict[str, tuple[int, list[Any]]]


def linear_part(estimator: Any) -> Any:
    """The linear model, without its calibration."""
    return estimator.estimator if isinstance(estimator, CalibratedModel) else estimator


def add_outputs(graph: GraphBuilder, estimator: Any, margins: str) -> Outputs:
    """Add what the model predicts from its margins; return the type and shape of each output."""
    axis, linear, types = graph.constant([1], np.int64), linear_part(estimator), graph.onnx.TensorProto
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        graph.name_output(graph.add("Squeeze", margins, axis), "prediction")
        return {"prediction": (types.DOUBLE, ["n"])}
    proba = None
    if len(classes) == 2:
        margin = graph.add("Squeeze", margins, axis)
        is_second = graph.add("Greater", margin, graph.constant(0.0, np.float64))
        if hasattr(estimator, "predict_proba"):
            calibrated = linear is not estimator
            second = _add_calibration(graph, estimator, margin) if calibrated else graph.add("Sigmoid", margin)
            first = graph.add("Sub", graph.constant(1.0, np.float64), second)
            is_second = graph.add("Greater", second, first) if calibrated else is_second
            proba = graph.add("Concat", *(graph.add("Unsqueeze", p, axis) for p in (first, second)), axis=1)
        class_index = graph.add("Cast", is_second, to=types.INT64)
    else:
        class_index = graph.add("ArgMax", margins, axis=1, keepdims=0)
        if hasattr(estimator, "predict_proba"):
            each = graph.add("Softmax" if isinstance(linear, AdaptiveClassifier) else "Sigmoid", margins)
            proba = graph.add("Div", each, graph.add("ReduceSum", each, axis, keepdims=1))
    is_text = not np.issubdtype(classes.dtype, np.number) and not np.issubdtype(classes.dtype, np.bool_)
    values = classes.astype(object) if is_text else classes.astype(np.int64)
    graph.name_output(graph.add("Gather", graph.constant(values), class_index), "label")
    outputs: Outputs = {"label": (types.STRING if is_text else types.INT64, ["n"])}
    if proba is not None:
        graph.name_output(proba, "probabilities")
        outputs["probabilities"] = types.DOUBLE, ["n", len(classes)]
    return outputs


def _add_calibration(graph: GraphBuilder, estimator: CalibratedModel, margin: str) -> str:
    """Add the probability (n,) of the second class: a sigmoid, or an isotonic function between its points."""
    points = estimator.points_[0]
    if estimator.method == "sigmoid":
        scaled = graph.add("Mul", margin, graph.constant(-points[0, 0], np.float64))
        return graph.add("Sigmoid", graph.add("Sub", scaled, graph.constant(points[1, 0], np.float64)))
    scores, values = points
    if len(scores) == 1:
        return graph.add("Add", graph.add("Mul", margin, graph.constant(0.0)), graph.constant(values[0], np.float64))
    clipped = graph.add("Max", graph.add("Min", margin, graph.constant(scores[-1])), graph.constant(scores[0]))
    segment = graph.count_passed(clipped, scores[1:-1])
    x, y, slope = (graph.add("Gather", graph.constant(v, np.float64), segment) for v in (
        scores[:-1], values[:-1], np.diff(values) / np.diff(scores)))  # fmt: skip
    return graph.add("Add", y, graph.add("Mul", graph.add("Sub", clipped, x), slope))
