"""A trained Pipeline as one ONNX graph, from the columns as they are to labels and probabilities.

The encoder and a linear model together are sums: of a number times its weight, and of the weight of a category's
slot. So the graph looks weights up, where scikit-learn multiplies a wide matrix.

Every column of the DataFrame is an input of shape (n,): numbers are double, NaN for missing; texts string, the empty
one for missing; whole numbers that are categories int64, and datetimes microseconds of their wall clock since 1970,
int64, with the least int64 for missing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline

from pipeline.encoding.encoder import Encoder
from pipeline.errors import ConfigError, DataError
from pipeline.io.run_folder import RunFolder
from pipeline.models import persistence
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.calibration import CalibratedModel

MISSING = np.iinfo(np.int64).min
HOUR, DAY = 3_600_000_000, 86_400_000_000
TOLERANCE = 1e-5
ROWS = 500


def write(run: str, file: str) -> int:
    """Write the model of a run folder as a graph to ``file``, whole; its bytes.

    Raises
    ------
    PipelineError
        As `to_onnx`; or there is no such run, or no room for the file.
    """
    content = to_onnx(persistence.load(run))
    place, _, name = file.rpartition("/")
    RunFolder(place or ("/" if file.startswith("/") else ".")).write(name, content)
    return len(content)


class _Graph:
    """Nodes and constants as they are added; every method gives the name of what it adds."""

    def __init__(self) -> None:
        import onnx  # of an extra

        self.onnx, self.nodes, self.constants = onnx, [], []  # type: ignore[var-annotated]

    def constant(self, value: Any, dtype: Any = None) -> str:
        array = np.asarray(value, dtype=dtype)
        name = f"constant_{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def named(self, source: str, name: str) -> None:
        self.nodes.append(self.onnx.helper.make_node("Identity", [source], [name]))


def to_onnx(model: Pipeline) -> bytes:
    """The graph of a Pipeline of ours, checked in onnxruntime on rows like those that it was trained on.

    Its outputs are ``label`` and ``probabilities`` (n, classes) of a classifier, where it has any, or ``prediction``.

    Raises
    ------
    ConfigError
        The extra is not installed.
    DataError
        A part of the model has no counterpart in the graph, which is named; or predictions differ.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"--onnx: needs the package {error.name}; install dask-etl-train[onnx].") from None
    encoder, estimator = model.named_steps["preprocess"], model.named_steps["model"]
    _refuse(encoder, estimator)
    graph = _Graph()
    inputs, margins = _margins(graph, encoder, _linear(estimator))
    outputs = _answers(graph, estimator, margins)
    types = onnx.TensorProto
    built = onnx.helper.make_graph(
        graph.nodes,
        "pipeline",
        [onnx.helper.make_tensor_value_info(name, kind, ["n"]) for name, kind in inputs.items()],
        [onnx.helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs(types).items()],
        graph.constants,
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 2)]
    proto = onnx.helper.make_model(built, opset_imports=opsets, ir_version=8, producer_name="dask-etl-train")
    onnx.checker.check_model(proto)
    content = bytes(proto.SerializeToString())
    check(content, model)
    return content


def _linear(estimator: Any) -> Any:
    return estimator.estimator if isinstance(estimator, CalibratedModel) else estimator


def _refuse(encoder: Encoder, estimator: Any) -> None:
    """What the graph cannot say, by name."""
    columns, advice = encoder.columns, "; the model cannot be exported to ONNX with it."
    for name in columns.text:
        raise DataError(f"column {name!r}: is text, whose words are hashed as scikit-learn does it{advice}")
    for name in encoder.hashed_:
        raise DataError(f"column {name!r}: is hashed as scikit-learn does it{advice}")
    for names in columns.cross:
        raise DataError(f"features.cross: {list(names)} joins texts{advice}")
    for name in columns.categorical:
        kind = _kind(encoder.categories_[name])
        if kind is None:
            raise DataError(f"column {name!r}: its categories are neither texts nor whole numbers{advice}")
        if kind == "text" and "" in encoder.categories_[name]:
            raise DataError(f"column {name!r}: has the empty text as a value, which stands for missing there{advice}")
    inner = _linear(estimator)
    if not hasattr(inner, "coef_"):
        raise DataError(f"model.estimator: {type(inner).__name__} is not linear{advice}")
    if isinstance(inner, SGDClassifier) and inner.loss == "modified_huber":
        raise DataError(f"model.params.loss: SGDClassifier's modified_huber{advice}")
    known = isinstance(inner, AdaptiveClassifier | SGDClassifier)
    if not known and not isinstance(estimator, CalibratedModel) and hasattr(inner, "predict_proba"):
        raise DataError(f"model.estimator: the probabilities of {type(inner).__name__} are not known here{advice}")
    if isinstance(estimator, CalibratedModel) and len(estimator.classes_) > 2:
        raise DataError(f"model.calibrate: of more than two classes{advice}")


def _kind(known: np.ndarray) -> str | None:
    if all(isinstance(value, str) for value in known):
        return "text"
    return "whole" if all(isinstance(value, int | np.integer | np.bool_) for value in known) else None


def _margins(graph: _Graph, encoder: Encoder, linear: Any) -> tuple[dict[str, int], str]:
    """The inputs by name and type, and the sums (n, outputs)."""
    columns, types = encoder.columns, graph.onnx.TensorProto
    weights = np.atleast_2d(linear.coef_).astype(np.float64).T  # (width, outputs)
    inputs: dict[str, int] = dict.fromkeys(columns.numeric, types.DOUBLE)
    for name in columns.categorical:
        inputs[name] = types.STRING if _kind(encoder.categories_[name]) == "text" else types.INT64
    inputs |= dict.fromkeys(columns.datetime, types.INT64)
    terms = [graph.constant(np.atleast_2d(np.asarray(linear.intercept_, dtype=np.float64)))]
    numbers = {name: _number(graph, name, encoder) for name in columns.numbers}
    for j, name in enumerate(encoder.scaled_):
        terms.append(
            _weighted(graph, _scaled(graph, numbers[name], j, columns.treatment(name).log1p, encoder), weights[j])
        )
    for j, name in enumerate(encoder.indicated_, len(encoder.scaled_)):
        terms.append(_weighted(graph, graph("Cast", graph("IsNaN", numbers[name]), to=types.DOUBLE), weights[j]))
    for name, edges in encoder.edges_.items():
        first, count = encoder.starts_[name], len(edges) + 1
        rows = [
            *weights[first : first + count],
            weights[first + count] if encoder.bin_missing_[name] else 0 * weights[0],
        ]
        terms.append(graph("Gather", graph.constant(rows), _bin(graph, numbers[name], edges)))
    dense = len(encoder.scaled_) + len(encoder.indicated_)
    for name in encoder.columns.coded:
        table, dense = _table(name, encoder, weights, dense)
        terms.append(graph("Gather", graph.constant(table), _slot(graph, name, encoder)))
    return inputs, graph("Sum", *terms)


def _weighted(graph: _Graph, values: str, weight: np.ndarray) -> str:
    column = graph("Unsqueeze", values, graph.constant([1], np.int64))
    return graph("Mul", column, graph.constant(weight[None]))


def _number(graph: _Graph, name: str, encoder: Encoder) -> str:
    """A number (n,), NaN where it is missing or not finite."""
    nan = graph.constant(np.nan, np.float64)
    if name in encoder.columns.numeric:
        return graph("Where", graph("IsInf", name), nan, name)
    when = name.removesuffix(".age")
    days = graph("Div", graph("Cast", when, to=graph.onnx.TensorProto.DOUBLE), graph.constant(float(DAY)))
    return graph("Where", graph("Equal", when, graph.constant(MISSING, np.int64)), nan, days)


def _scaled(graph: _Graph, values: str, j: int, log: bool, encoder: Encoder) -> str:
    """As `pipeline.encoding.kernel` has it."""
    for kind, end in (("Less", encoder.low_[j]), ("Greater", encoder.high_[j])):
        if np.isfinite(end):
            bound = graph.constant(end, np.float64)
            values = graph("Where", graph(kind, values, bound), bound, values)
    if log:
        one = graph.constant(1.0, np.float64)
        above = graph("Greater", values, graph.constant(-1.0, np.float64))
        values = graph("Where", above, graph("Log", graph("Add", values, one)), graph.constant(np.nan, np.float64))
    centred = graph("Sub", values, graph.constant(encoder.mean_[j], np.float64))
    scaled = graph("Div", centred, graph.constant(encoder.scale_[j], np.float64))
    return graph("Where", graph("IsNaN", scaled), graph.constant(encoder.fill_[j], np.float64), scaled)


def _bin(graph: _Graph, values: str, edges: np.ndarray) -> str:
    """Which bin each number falls in, int64 (n,); after the last for missing."""
    place = _count(graph, values, edges)
    return graph("Where", graph("IsNaN", values), graph.constant(len(edges) + 1, np.int64), place)


def _count(graph: _Graph, values: str, edges: np.ndarray) -> str:
    """How many of ``edges`` are not above each value, int64 (n,)."""
    column = graph("Unsqueeze", values, graph.constant([1], np.int64))
    passed = graph("GreaterOrEqual", column, graph.constant(edges[None], np.float64))
    ones = graph("Cast", passed, to=graph.onnx.TensorProto.INT64)
    return graph("ReduceSum", ones, graph.constant([1], np.int64), keepdims=0)


def _table(name: str, encoder: Encoder, weights: np.ndarray, dense: int) -> tuple[np.ndarray, int]:
    """What each slot adds, (slots, outputs): the known values, missing, all others; and the next dense column."""
    known = len(encoder.categories_[name])
    if name in encoder.tables_:
        figures = encoder.tables_[name][-1].astype(np.float32).astype(np.float64)  # (figures, slots)
        return figures.T @ weights[dense : dense + len(figures)], dense + len(figures)
    start, nothing = encoder.starts_[name], np.zeros((1, weights.shape[1]))
    missing = weights[start + known][None] if encoder.has_missing_[name] else nothing
    other = weights[start + known + encoder.has_missing_[name]][None] if encoder.has_other_[name] else nothing
    return np.concatenate([weights[start : start + known], missing, other]), dense


def _slot(graph: _Graph, name: str, encoder: Encoder) -> str:
    """The slot of each value of a coded column, int64 (n,)."""
    known, columns = encoder.categories_[name], encoder.columns
    slots = list(range(len(known)))
    if name in columns.categorical and _kind(known) == "text":
        keys: dict[str, Any] = {"keys_strings": [*known, ""]}
    elif name in columns.categorical:
        keys = {"keys_int64s": [*(int(value) for value in known), MISSING]}
    else:
        keys = {"keys_int64s": [*(int(value) for value in known), MISSING]}
        name = _part(graph, *name.rpartition(".")[::2])
    return graph(
        "LabelEncoder",
        name,
        domain="ai.onnx.ml",
        values_int64s=[*slots, len(known)],
        default_int64=len(known) + 1,
        **keys,
    )


def _part(graph: _Graph, column: str, part: str) -> str:
    """Hour, weekday or month of microseconds, int64 (n,)."""

    def whole(kind: str, left: str, right: str | int) -> str:
        return graph(kind, left, right if isinstance(right, str) else graph.constant(right, np.int64))

    within = whole("Mod", column, DAY)
    days = whole("Div", whole("Sub", column, within), DAY)
    if part == "hour":
        found = whole("Div", within, HOUR)
    elif part == "weekday":  # days count from Thursday
        found = whole("Mod", whole("Add", days, 3), 7)
    else:  # H. Hinnant, *chrono-Compatible Low-Level Date Algorithms*, civil_from_days
        era = whole("Mod", whole("Add", days, 719_468), 146_097)
        leap = whole("Sub", whole("Add", whole("Sub", era, whole("Div", era, 1460)), whole("Div", era, 36_524)),
                     whole("Div", era, 146_096))  # fmt: skip
        year = whole("Div", leap, 365)
        passed = whole("Sub", whole("Add", whole("Mul", year, 365), whole("Div", year, 4)), whole("Div", year, 100))
        day = whole("Sub", era, passed)
        month = whole("Div", whole("Add", whole("Mul", day, 5), 2), 153)
        early = graph("Less", month, graph.constant(10, np.int64))
        found = graph("Where", early, whole("Add", month, 3), whole("Sub", month, 9))
    missing = graph.constant(MISSING, np.int64)
    return graph("Where", graph("Equal", column, missing), missing, found)


Outputs = Callable[[Any], dict[str, tuple[int, Sequence[Any]]]]


def _answers(graph: _Graph, estimator: Any, margins: str) -> Outputs:
    """What the model says of the sums, as outputs."""
    axis, linear = graph.constant([1], np.int64), _linear(estimator)
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        graph.named(graph("Squeeze", margins, axis), "prediction")
        return lambda types: {"prediction": (types.DOUBLE, ["n"])}
    proba = None
    if len(classes) == 2:
        margin = graph("Squeeze", margins, axis)
        right = graph("Greater", margin, graph.constant(0.0, np.float64))
        if hasattr(estimator, "predict_proba"):
            second = _calibrated(graph, estimator, margin) if linear is not estimator else graph("Sigmoid", margin)
            first = graph("Sub", graph.constant(1.0, np.float64), second)
            right = graph("Greater", second, first) if linear is not estimator else right
            proba = graph("Concat", *(graph("Unsqueeze", p, axis) for p in (first, second)), axis=1)
        place = graph("Cast", right, to=graph.onnx.TensorProto.INT64)
    else:
        place = graph("ArgMax", margins, axis=1, keepdims=0)
        if hasattr(estimator, "predict_proba"):
            each = graph("Softmax" if isinstance(linear, AdaptiveClassifier) else "Sigmoid", margins)
            proba = graph("Div", each, graph("ReduceSum", each, axis, keepdims=1))
    text = not np.issubdtype(classes.dtype, np.number) and not np.issubdtype(classes.dtype, np.bool_)
    values = classes.astype(object) if text else classes.astype(np.int64)
    graph.named(graph("Gather", graph.constant(values), place), "label")
    if proba is not None:
        graph.named(proba, "probabilities")

    def outputs(types: Any) -> dict[str, tuple[int, Sequence[Any]]]:
        found: dict[str, tuple[int, Sequence[Any]]] = {"label": (types.STRING if text else types.INT64, ["n"])}
        return found | ({"probabilities": (types.DOUBLE, ["n", len(classes)])} if proba else {})

    return outputs


def _calibrated(graph: _Graph, estimator: CalibratedModel, margin: str) -> str:
    points = estimator.points_[0]
    if estimator.method == "sigmoid":
        scaled = graph("Mul", margin, graph.constant(-points[0, 0], np.float64))
        return graph("Sigmoid", graph("Sub", scaled, graph.constant(points[1, 0], np.float64)))
    scores, values = points
    if len(scores) == 1:
        return graph("Add", graph("Mul", margin, graph.constant(0.0)), graph.constant(values[0], np.float64))
    held = graph("Max", graph("Min", margin, graph.constant(scores[-1])), graph.constant(scores[0]))
    place = _count(graph, held, scores[1:-1])
    x, y, slope = (graph("Gather", graph.constant(v, np.float64), place) for v in (
        scores[:-1], values[:-1], np.diff(values) / np.diff(scores)))  # fmt: skip
    return graph("Add", y, graph("Mul", graph("Sub", held, x), slope))


def as_inputs(model: Pipeline, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """A DataFrame as the graph takes it."""
    encoder = model.named_steps["preprocess"]
    columns = encoder.columns
    given: dict[str, np.ndarray] = {}
    for name in columns.numeric:
        given[name] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    for name in columns.categorical:
        values = frame[name]
        if _kind(encoder.categories_[name]) == "text":
            given[name] = values.astype(object).where(values.notna(), "").astype(str).to_numpy(dtype=object)
        else:
            given[name] = np.array([MISSING if pd.isna(v) else int(v) for v in values], dtype=np.int64)
    for name in columns.datetime:
        moments = frame[name] if frame[name].dt.tz is None else frame[name].dt.tz_localize(None)
        given[name] = moments.to_numpy().astype("datetime64[us]").view(np.int64)  # NaT is the least
    return given


def check(content: bytes, model: Pipeline) -> None:
    """That the graph and the model say the same, of rows made up from what the model remembers.

    Raises
    ------
    DataError
        They do not.
    """
    import onnxruntime

    frame = _made_up(model.named_steps["preprocess"])
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, as_inputs(model, frame)), strict=True))
    if "prediction" in found:
        wanted = model.predict(frame)
        worst = np.abs(found["prediction"] - wanted).max() / max(1.0, np.abs(wanted).max())
    elif "probabilities" in found:
        worst = np.abs(found["probabilities"] - model.predict_proba(frame)).max()
    else:
        wanted = model.predict(frame)
        worst = np.mean(found["label"].astype(str) != np.asarray(wanted).astype(str))
    if not worst <= TOLERANCE:
        raise DataError(
            f"--onnx: onnxruntime's predictions differ from the model's by {worst:.2g}; nothing was written."
        )


def _made_up(encoder: Encoder) -> pd.DataFrame:
    """Rows of every value that is known, of some that are not, and of none."""
    rng, profile = np.random.default_rng(0), encoder.profile_
    frame: dict[str, Any] = {}
    for name in encoder.columns.numeric:
        low, high = (float(profile["numbers"][name][end]) for end in ("low", "high"))
        values = rng.uniform(low, high, ROWS) if np.isfinite([low, high]).all() else np.zeros(ROWS)
        frame[name] = np.where(rng.random(ROWS) < 0.1, np.nan, values)
    for name in encoder.columns.categorical:
        known = list(encoder.categories_[name])
        text = _kind(encoder.categories_[name]) == "text"
        choice = [*(known if text else map(int, known)), None, "never seen" if text else 2**40]
        chosen = [choice[i] for i in rng.integers(0, len(choice), ROWS)]
        frame[name] = pd.Series(chosen, dtype="str" if text else "Int64")
    for name in encoder.columns.datetime:
        moments = pd.Series(rng.integers(-30 * 365 * DAY, 80 * 365 * DAY, ROWS).astype("datetime64[us]"))
        frame[name] = moments.mask(rng.random(ROWS) < 0.1)
    return pd.DataFrame(frame)
