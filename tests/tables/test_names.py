"""Tables whose columns are called as something that is derived from others, or as no word of an expression is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from pipeline import config as cfg
from pipeline.encoding.encoder import Encoder
from pipeline.engine.cluster.session import Session
from pipeline.errors import ConfigError, DataError
from pipeline.inference.onnx.exporter import to_onnx
from pipeline.models import persistence
from pipeline.planning.description import describe_plan
from pipeline.planning.planner import make_plan
from pipeline.preparation.columns import AGE, DATETIME_PARTS, Columns
from pipeline.training.run_stages import RunOutcome
from tests.builders import execute, make_config, merge_sections, report_of, write_parquet

ROWS = 3_000


def table(seed: int = 0, rows: int = ROWS) -> pd.DataFrame:
    """Columns that are called as what is made of ``ts``, of a cross of a and b, and of values; four of them matter."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)

    def like_y(accuracy: float) -> np.ndarray:
        return y == (rng.random(rows) < accuracy)

    return pd.DataFrame(
        {
            "y": y,
            "ts": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 86_400 * 60, rows), unit="s"),
            "ts.hour": np.where(like_y(0.7), "open", "shut"),
            "ts.month": rng.integers(0, 5, rows),
            "ts.age": like_y(0.7) + rng.normal(size=rows),
            "a": rng.choice(["p", "q"], rows),
            "b": rng.choice(["r", "s"], rows),
            "a:b": np.where(like_y(0.7), "z", "w"),
            "a=p": like_y(0.7) + rng.normal(size=rows),
            "c": rng.choice(["missing", "other", None], rows),
        }
    )


def auc_of_all(frame: pd.DataFrame) -> float:
    """What scikit-learn reaches with the four columns that matter."""
    matter = frame[["ts.age", "a=p"]].assign(hour=frame["ts.hour"] == "open", ab=frame["a:b"] == "z")
    return roc_auc_score(frame["y"], LogisticRegression().fit(matter, frame["y"]).decision_function(matter))


def settings_of(**sections: object) -> dict:
    base = {"features": {"cross": [["a", "b"]], "columns": {"ts": {"parts": ["hour", "age"]}}}}
    return merge_sections(merge_sections({"evaluate": {"bootstrap": 0}}, base), sections)


def run(threads: Session, folder: Path, **sections: object) -> tuple[RunOutcome, cfg.Config]:
    config = make_config(folder, **settings_of(**sections))
    return execute(threads, config), config


@pytest.mark.parametrize("cyclical", [False, True])
def test_a_column_called_as_a_derived_one_is_a_feature_beside_it(tmp_path, threads, cyclical):
    frame = table()
    folder = write_parquet(frame, tmp_path / "data", 3)
    outcome, config = run(threads, folder, features={"cyclical": cyclical})
    assert outcome.metrics["roc_auc"] == pytest.approx(auc_of_all(frame), abs=0.03)
    encoder = outcome.model.named_steps["preprocess"]
    assert encoder.columns.coded == ("ts.hour", "a", "b", "a:b", "c", "hour(ts)", "cross(a, b)")
    assert encoder.columns.numbers == ("ts.month", "ts.age", "a=p", "age(ts)")
    names = encoder.get_feature_names_out().tolist()
    assert len(set(names)) == len(names) == encoder.transform(frame).shape[1]
    assert {"ts.hour=open", "a=p", "a=p (2)", "c=missing", "c=other", "c=(missing)"} <= set(names)
    importance = outcome.results.importance["columns"]
    assert set(importance) == {*frame.columns} - {"y"} | {"cross(a, b)"}
    least = min(importance[name]["mean"] for name in ("ts.hour", "ts.age", "a:b", "a=p"))
    assert least > max(importance[name]["mean"] for name in ("ts", "ts.month", "a", "b", "cross(a, b)"))
    plan = make_plan(config)
    assert any("its hour is named 'hour(ts)'" in line for line in describe_plan(plan))
    assert {str(notice) for notice in plan.notices} <= {str(notice) for notice in outcome.notices}
    assert report_of(outcome, config)


def test_few_rows_are_encoded_as_many_are(tmp_path, threads):
    frame = table()
    outcome, _ = run(threads, write_parquet(frame, tmp_path / "data", 1), features={"columns": {}})
    encoder, few = outcome.model.named_steps["preprocess"], frame.head(5)
    np.testing.assert_allclose(encoder.transform(few).toarray(), encoder.transform(frame)[:5].toarray(), rtol=1e-5)
    np.testing.assert_allclose(
        encoder.transform(few.to_dict("records")).toarray(), encoder.transform(few).toarray(), rtol=1e-5
    )


def test_each_derived_column_has_the_values_that_pandas_gives_it():
    frame = table()
    columns = Columns(("ts.age",), ("ts.hour", "a:b"), ("ts",), (), (("a", "b"), ("a", "hour(ts)")))
    encoder = Encoder.for_columns(columns).fit(frame)
    encoded = pd.DataFrame(encoder.transform(frame).toarray(), columns=encoder.names_)
    for hour in range(24):
        assert (encoded[f"hour(ts)={hour}"] == (frame["ts"].dt.hour == hour)).all()
    assert (encoded["ts.hour=open"] == (frame["ts.hour"] == "open")).all()
    assert (encoded["a:b=z"] == (frame["a:b"] == "z")).all()
    assert (encoded["cross(a, b)=p:r"] == (frame["a"] + frame["b"] == "pr")).all()
    assert (encoded["a:hour(ts)=p:5"] == ((frame["a"] == "p") & (frame["ts"].dt.hour == 5))).all()


def test_a_slice_by_a_column_is_not_one_by_what_is_made_of_another(tmp_path, threads):
    frame = table()
    folder = write_parquet(frame, tmp_path / "data", 2)
    exclude = {"exclude": ["ts.hour", "a:b"], "columns": {}}
    outcome, _ = run(
        threads, folder, features=exclude, evaluate={"slices": ["ts.hour", "a:b", ["a", "b"]], "slice_rows": 1}
    )
    slices = outcome.results.slices
    assert {"open", "shut"} <= set(slices["ts.hour"])
    assert {"z", "w"} <= set(slices["a:b"])
    assert {"p:r", "q:s"} <= set(slices["a:b (pair)"])


def test_a_cross_of_a_name_with_two_meanings_is_refused(tmp_path):
    folder = write_parquet(table(), tmp_path / "data", 1)
    features = {"exclude": ["ts.hour"], "cross": [["a", "ts.hour"]], "columns": {}}
    with pytest.raises(ConfigError, match=r"features\.cross: 'ts\.hour' is a column, and the hour of 'ts'"):
        make_plan(make_config(folder, features=features))
    features = {"cross": [["a", "ts.foo"]]}
    with pytest.raises(ConfigError, match=r"features\.cross: no file has a column 'ts\.foo'"):
        make_plan(make_config(folder, features=features))


def test_a_baseline_is_not_taken_for_what_is_only_called_alike(tmp_path, threads):
    folder = write_parquet(table(), tmp_path / "data", 1)
    base = {"numeric": ["ts.age"], "cross": [], "columns": {}}
    raw, _ = run(threads, folder, features=base | {"categorical": ["ts.hour"]})
    saved = tmp_path / "raw.skops"
    saved.write_bytes(persistence.dumps(raw.model))
    with pytest.raises(DataError, match=r"evaluate\.baseline: .* learned from 'ts\.hour', which this run lacks"):
        run(threads, folder, features=base | {"datetime": ["ts"]}, evaluate={"baseline": str(saved)})
    both = base | {"categorical": ["ts.hour"], "datetime": ["ts"]}
    outcome, _ = run(threads, folder, features=both, evaluate={"baseline": str(saved)})
    assert outcome.results.baselines[str(saved)]["metrics"]["roc_auc"] > 0.7


def test_an_export_to_onnx_has_all_columns_or_names_the_one_that_it_cannot_have(tmp_path, threads):
    pytest.importorskip("onnx")
    frame = table().drop(columns=["c"]).rename(columns={"a": "constant_0", "b": "cast_1"})
    folder = write_parquet(frame, tmp_path / "data", 1)
    outcome, _ = run(threads, folder, features={"cross": [], "columns": {"ts": {"parts": ["hour", "age"]}}})
    assert to_onnx(outcome.model)  # which checks its predictions
    folder = write_parquet(frame.rename(columns={"ts.month": "label"}), tmp_path / "label", 1)
    outcome, _ = run(threads, folder, features={"cross": []})
    with pytest.raises(DataError, match="column 'label': an input of the graph cannot have this name"):
        to_onnx(outcome.model)


NAMES = st.text("ab.:=#( )'", max_size=4) | st.sampled_from(
    ["t", "t.hour", "t.age", "hour(t)", "age(t)", "t.hour.sin", "a:b", "cross(a, b)", "a=x", "a=missing", "a#0", "t=x"]
)


@settings(max_examples=60)
@given(
    names=st.lists(NAMES, min_size=4, max_size=9, unique=True),
    kinds=st.lists(st.sampled_from("nncctx"), min_size=9, max_size=9),
    cyclical=st.booleans(),
)
def test_whatever_columns_are_called_every_output_has_its_own_name(names, kinds, cyclical):
    rng = np.random.default_rng(0)
    of_kind = {kind: tuple(name for name, k in zip(names, kinds, strict=False) if k == kind) for kind in "nctx"}
    values = {
        "n": rng.choice([0.0, 1.0, np.nan], 40),
        "c": rng.choice(["x", "missing", "other"], 40),
        "t": pd.Series(pd.date_range("2026-01-01", periods=40, freq="7h")),
        "x": rng.choice(["x missing", "other"], 40),
    }
    frame = pd.DataFrame({name: values[kind] for kind, own in of_kind.items() for name in own})
    crosses = tuple(zip(of_kind["c"], of_kind["c"][1:], strict=False))
    options = {name: {"indicator": True} for name in of_kind["n"]} | {
        name: {"parts": [*DATETIME_PARTS, AGE], "cyclical": cyclical} for name in of_kind["t"]
    }
    options |= {name: {"buckets": 4} for name in of_kind["x"]}
    columns = Columns(of_kind["n"], of_kind["c"], of_kind["t"], of_kind["x"], crosses, options)
    packed = [*columns.numbers, *columns.coded, *columns.text]
    assert len(set(packed)) == len(packed)
    assert len(packed) == len(names) + 3 * len(of_kind["t"]) + len(crosses)
    encoder = Encoder.for_columns(columns).fit(frame)
    output = encoder.get_feature_names_out().tolist()
    assert len(set(output)) == len(output) == encoder.transform(frame).shape[1]
    per_time = (3 * 2 if cyclical else sum(pd.Series(values["t"]).dt.hour.nunique() for _ in "h") + 7 + 1) + 1
    per_cross = 3
    assert len(output) == (
        2 * len(of_kind["n"])
        + 3 * len(of_kind["c"])
        + per_time * len(of_kind["t"])
        + 4 * len(of_kind["x"])
        + per_cross * len(crosses)
    )


EXPRESSIONS = {
    "order__amount": "order__amount > 0",
    "__x": "__x > 0",
    "two words": "`two words` > 0",
    "user.id": "`user.id` > 0",
    "2nd": "`2nd` > 0",
    "class": "`class` > 0",
    "zählwert [€/m²]": "`zählwert [€/m²]` > 0",
    'it\'s "quoted"': '`it\'s "quoted"` > 0',
    "a`b": "`a``b` > 0",
    "log": "log > 0",
    "größe": "größe > 0",
    "x & y | z": "`x & y | z` > 0",
    "user@id": "`user@id` > 0",
    "self": "self > 0",
}


def test_every_name_can_be_written_in_conditions_and_derived_columns(tmp_path, threads):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({name: rng.normal(1, 1, ROWS) for name in EXPRESSIONS})
    frame["y"] = rng.integers(0, 2, ROWS)
    prepare = {
        "derive": {f"big {name}": expression for name, expression in EXPRESSIONS.items()} | {"self": "self * 2"},
        "filter": {str(i): expression for i, expression in enumerate(EXPRESSIONS.values())},
    }
    folder = write_parquet(frame, tmp_path / "data", 2)
    outcome = execute(threads, make_config(folder, prepare=prepare, evaluate={"bootstrap": 0}))
    kept = (frame[list(EXPRESSIONS)] > 0).all(axis=1).sum()
    assert outcome.ledger.train + outcome.ledger.test == kept
    assert outcome.ledger.reasons["0"] == (frame["order__amount"] <= 0).sum()
