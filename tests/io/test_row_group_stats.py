import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.io.dataset import open_dataset
from pipeline.io.row_group_stats import estimate_quantile


def test_a_quantile_of_evenly_spread_numbers_is_found_within_a_row_group(tmp_path):
    pd.DataFrame({"i": range(1_001)}).to_parquet(tmp_path / "a.parquet", row_group_size=100)
    assert estimate_quantile(open_dataset(str(tmp_path)), "i", 0.8) == pytest.approx(800, abs=2)


def test_a_quantile_of_times_is_a_timestamp_in_utc(tmp_path):
    times = pd.date_range("2026-01-01", periods=11, freq="D")
    pd.DataFrame({"t": times}).to_parquet(tmp_path / "a.parquet")
    assert estimate_quantile(open_dataset(str(tmp_path)), "t", 0.5) == pd.Timestamp("2026-01-06", tz="UTC")


def test_a_hive_column_counts_the_rows_of_its_folders(tmp_path):
    for year, rows in ((2020, 10), (2021, 70), (2022, 20)):
        (tmp_path / f"year={year}").mkdir()
        pd.DataFrame({"x": range(rows)}).to_parquet(tmp_path / f"year={year}" / "a.parquet")
    dataset = open_dataset(str(tmp_path))
    assert 2020 < estimate_quantile(dataset, "year", 0.05) < 2021
    assert 2021 < estimate_quantile(dataset, "year", 0.5) < 2022
    assert estimate_quantile(dataset, "year", 0.9) == 2022


def test_a_column_without_statistics_is_named(tmp_path):
    pd.DataFrame({"t": [1, 2]}).to_parquet(tmp_path / "a.parquet", write_statistics=False)
    with pytest.raises(DataError, match=r"the footers hold no range of column 't'; set split\.after"):
        estimate_quantile(open_dataset(str(tmp_path)), "t", 0.5)
