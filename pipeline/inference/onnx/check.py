"""A graph against the model that it was made of, in onnxruntime."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.inference.onnx.columns import DAY, MISSING, category_type

TOLERANCE = 1e-5
N_ROWS = 500


def as_inputs(model: Pipeline, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Convert a DataFrame to the inputs of the graph of ``model``."""
    encoder = model.named_steps["preprocess"]
    columns = encoder.columns
    inputs: dict[str, np.ndarray] = {}
    for name in columns.numeric:
        inputs[name] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    for name in columns.categorical:
        values = frame[name]
        if category_type(encoder.categories_[name]) == "text":
            inputs[name] = values.astype(object).where(values.notna(), "").astype(str).to_numpy(dtype=object)
        else:
            inputs[name] = np.array([MISSING if pd.isna(v) else int(v) for v in values], dtype=np.int64)
    for name in columns.datetime:
        wall_clock = frame[name] if frame[name].dt.tz is None else frame[name].dt.tz_localize(None)
        inputs[name] = wall_clock.to_numpy().astype("datetime64[us]").view(np.int64)  # NaT is the least int64
    return inputs


def check_graph(content: bytes, model: Pipeline) -> None:
    """Check that the graph and the model predict the same, on made-up rows like those of the training data.

    Raises
    ------
    DataError
        Their predictions differ.
    """
    import onnxruntime

    frame = _make_up_rows(model.named_steps["preprocess"])
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(None, as_inputs(model, frame)), strict=True))
    if "prediction" in outputs:
        expected = model.predict(frame)
        worst = np.abs(outputs["prediction"] - expected).max() / max(1.0, np.abs(expected).max())
    elif "probabilities" in outputs:
        worst = np.abs(outputs["probabilities"] - model.predict_proba(frame)).max()
    else:
        worst = np.mean(outputs["label"].astype(str) != np.asarray(model.predict(frame)).astype(str))
    if not worst <= TOLERANCE:
        raise DataError(
            f"--onnx: onnxruntime's predictions differ from the model's by {worst:.2g}; nothing was written."
        )


def _make_up_rows(encoder: Encoder) -> pd.DataFrame:
    """Make up rows with all known values, an unknown one and missing ones."""
    rng, profile = np.random.default_rng(0), encoder.profile_
    frame: dict[str, Any] = {}
    for name in encoder.columns.numeric:
        low, high = (float(profile["numbers"][name][end]) for end in ("low", "high"))
        values = rng.uniform(low, high, N_ROWS) if np.isfinite([low, high]).all() else np.zeros(N_ROWS)
        frame[name] = np.where(rng.random(N_ROWS) < 0.1, np.nan, values)
    for name in encoder.columns.categorical:
        categories = list(encoder.categories_[name])
        is_text = category_type(encoder.categories_[name]) == "text"
        choices = [*(categories if is_text else map(int, categories)), None, "never seen" if is_text else 2**40]
        chosen = [choices[i] for i in rng.integers(0, len(choices), N_ROWS)]
        frame[name] = pd.Series(chosen, dtype="str" if is_text else "Int64")
    for name in encoder.columns.datetime:
        times = pd.Series(rng.integers(-30 * 365 * DAY, 80 * 365 * DAY, N_ROWS).astype("datetime64[us]"))
        frame[name] = times.mask(rng.random(N_ROWS) < 0.1)
    return pd.DataFrame(frame)
