"""Tables of many columns: the work grows with them, and neither the page nor a message lists them all."""

import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from pipeline import config as cfg
from pipeline.data_quality.finding import MAX_NAMES
from pipeline.encoding.encoder import Encoder
from pipeline.engine.cluster.session import connect
from pipeline.evaluation import permutation_importance
from pipeline.models import persistence
from pipeline.preparation.columns import Columns
from pipeline.reporting.html.render import report_page
from pipeline.reporting.model_card import model_card
from tests.builders import execute, make_config, report_of, write_parquet

COLUMNS = 1_500


def wide(columns: int, rows: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, columns)).astype(np.float32)
    y = (X[:, :20].sum(axis=1) + rng.normal(0, 1, rows) > 0).astype(int)
    names = [f"f{j:05d}" for j in range(columns)]
    frame = pd.DataFrame(X, columns=names)
    return pd.concat([frame, pd.DataFrame({"y": y})], axis=1)


def test_a_run_on_many_columns_warns_of_nothing_and_its_page_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr(permutation_importance, "MAX_WORK", 10**6)
    frame = wide(COLUMNS)
    frame.iloc[::7, 100:140] = np.inf
    config = make_config(write_parquet(frame, tmp_path / "d", 2))
    with warnings.catch_warnings(), connect(cfg.ClusterConfig(workers=0)) as session:
        warnings.simplefilter("error", pd.errors.PerformanceWarning)
        outcome = execute(session, config)
    report = report_of(outcome, config)
    importance = report["importance"]
    assert (len(importance["columns"]), importance["of"]) == (permutation_importance.MIN_FEATURES, COLUMNS)
    # Those with the largest weights are among them.
    assert {weight["feature"] for weight in report["weights"][:20]} <= importance["columns"].keys()
    page, card = report_page(report, config, "wide"), model_card(report, config, "wide")
    assert len(page) < 5e6
    assert f"{COLUMNS:,} columns" in page
    assert f"{COLUMNS:,} columns" in card
    (told,) = (notice for notice in outcome.notices if "infinite" in notice.message)
    assert told.subject.endswith(f"and {40 - MAX_NAMES} more")


def calls_of(columns: int) -> int:
    """How often a Python function is called to fit, save and load an encoder of so many columns, and to encode."""
    frame = wide(columns, rows=20)
    names = [name for name in frame if name != "y"]
    calls = 0

    def count(_frame, event, _arg):
        nonlocal calls
        calls += event in ("call", "c_call")

    profile = {"numbers": {name: {"low": 0.0, "histogram": np.arange(64)} for name in names}}
    encoder = Encoder(names)
    sys.setprofile(count)
    try:
        encoder.fit(frame, frame["y"]).with_profile(profile).transform(frame)
        persistence.loads(persistence.dumps(encoder), "here")
        assert not any(Columns(tuple(names)).in_full)
    finally:
        sys.setprofile(None)
    return calls


def test_the_work_of_an_encoder_grows_with_its_columns():
    calls_of(10)  # what is compiled and imported once
    few, many = calls_of(100), calls_of(400)
    assert many < 5 * few


@pytest.mark.parametrize("kept", [0, 1])
def test_a_profile_is_restored_as_it_was(kept):
    profile = {
        "numbers": {"f00000": {"low": -np.inf, "histogram": np.arange(64) * kept}},
        "label": {"classes": [0, "a"]},
    }
    frame = wide(2)
    encoder = Encoder(["f00000"]).fit(frame, frame["y"]).with_profile(profile)
    loaded = persistence.loads(persistence.dumps(encoder), "here")
    assert loaded.profile_["label"] == profile["label"]
    assert loaded.profile_["numbers"]["f00000"].pop("histogram").tolist() == (np.arange(64) * kept).tolist()
    assert loaded.profile_["numbers"]["f00000"] == {"low": -np.inf}
    assert persistence.fingerprint(persistence.loads(persistence.dumps(encoder), "here")) == persistence.fingerprint(
        encoder
    )
