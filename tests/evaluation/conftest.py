"""An evaluated run that several tests look at."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.training.run_stages import RunOutcome
from tests.conftest import table, write
from tests.training.builders import config, execute

SLICED = {"slices": ["c", "n", ["c", "n"]], "importance_rows": 2_000}


@pytest.fixture(scope="session")
def evaluated(session, tmp_path_factory) -> tuple[Path, pd.DataFrame, RunOutcome]:
    """The folder of the data, the data, and the outcome of a run that evaluates with `SLICED`."""
    frame = table(2_000)
    folder = write(frame, tmp_path_factory.mktemp("evaluated") / "data", 4)
    return folder, frame, execute(session, config(folder, evaluate=SLICED))
