"""An evaluated run that several tests look at."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.training.run_stages import RunOutcome
from tests.builders import execute, make_table, make_table_config, write_parquet

SLICED = {"slices": ["c", "n", ["c", "n"]], "importance_rows": 2_000}


@pytest.fixture(scope="session")
def evaluated(session, tmp_path_factory) -> tuple[Path, pd.DataFrame, RunOutcome]:
    """The folder of the data, the data, and the outcome of a run that evaluates with `SLICED`."""
    frame = make_table(2_000)
    folder = write_parquet(frame, tmp_path_factory.mktemp("evaluated") / "data", 4)
    return folder, frame, execute(session, make_table_config(folder, evaluate=SLICED))
