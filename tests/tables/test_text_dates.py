"""Dates written as text: a model of the texts equals one of the dates, and reads texts by itself afterwards."""

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import ConfigError
from pipeline.models import persistence
from pipeline.planning.planner import make_plan
from tests.builders import execute, make_config, write_parquet
from tests.tables.test_findings import QUICK, base


def with_times(rows, seed=0):
    rng = np.random.default_rng(seed)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700 * 24, rows), unit="h")
    frame = base(rows, seed).assign(when=when)
    frame["y"] = ((frame["when"].dt.hour > 11).astype(int) + (rng.random(rows) < 0.2)).clip(upper=1)
    return frame


@pytest.mark.cluster
@pytest.mark.parametrize(
    "form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d-%b-%Y %H:%M:%S"]
)
def test_texts_give_the_model_of_the_dates(session, tmp_path, form):
    frame = with_times(2_000)
    texts = frame.assign(when=frame["when"].dt.strftime(form))
    models = {}
    for name, table in (("dates", frame), ("texts", texts)):
        write_parquet(table, tmp_path / name, 2)
        sections = QUICK | {"split": {"path": str(tmp_path / name)}, "features": {"datetime": ["when"]}}
        models[name] = execute(session, make_config(tmp_path / name, **sections))
    assert models["texts"].metrics == models["dates"].metrics
    model = persistence.loads(persistence.dumps(models["texts"].model), "model")
    columns = texts.drop(columns="y")
    expected = models["dates"].model.predict_proba(frame)
    np.testing.assert_array_equal(model.predict_proba(columns), expected)
    np.testing.assert_array_equal(model.predict_proba(columns.head(3)), expected[:3])  # the path for a few rows
    rows = columns.head(2).to_dict("records")
    np.testing.assert_array_equal(model.predict_proba(rows), expected[:2])
    np.testing.assert_array_equal(model.predict_proba(columns.astype({"when": "category"})), expected)
    np.testing.assert_array_equal(model.predict_proba(frame.drop(columns="y")), expected)  # dates are dates


@pytest.mark.cluster
def test_texts_that_are_no_dates_are_missing_and_counted(session, tmp_path):
    frame = with_times(2_000)
    frame["when"] = frame["when"].dt.strftime("%Y-%m-%d").astype(object)
    bad = np.arange(2_000) % 40 == 39
    frame.loc[bad, "when"] = "unknown"
    frame.loc[np.arange(2_000) % 40 == 1, "when"] = None
    write_parquet(frame, tmp_path / "data", 4)
    outcome = execute(session, make_config(tmp_path / "data", features={"datetime": ["when"]}, **QUICK))
    (notice,) = outcome.notices
    assert notice.message.startswith(f'{bad.sum()} of 2,000 rows have a text that is no date by "ISO8601"')
    encoder = outcome.model.named_steps["preprocess"]
    assert encoder.has_missing_["when.month"]
    assert encoder.columns.treatment("when").format == "ISO8601"


def test_the_format_comes_from_the_first_rows_or_from_the_config(tmp_path):
    frame = with_times(400)
    frame["when"] = pd.Series(np.resize(["03/04/2026", "05/06/2026", "07/08/2026"], 400))
    frame["other"] = "no date at all"
    write_parquet(frame, tmp_path / "data", 2)
    with pytest.raises(ConfigError, match=r'03 April 2026 by "%d/%m/%Y" and 04 March 2026'):
        make_plan(make_config(tmp_path / "data", features={"datetime": ["when"]}))
    with pytest.raises(ConfigError, match="no known format"):
        make_plan(make_config(tmp_path / "data", features={"datetime": ["other"]}))
    for features in ({"columns": {"when": {"format": "%m/%d/%Y"}}}, {"datetime": ["when"], "format": "%m/%d/%Y"}):
        plan = make_plan(make_config(tmp_path / "data", features=features))
        assert plan.features.columns.datetime == ("when",)
        assert plan.features.columns.categorical == ("c", "other")  # chosen by type, as without the key
        assert plan.features.columns.treatment("when").format == "%m/%d/%Y"
