"""A finished run, read from its folder."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.io.run_folder import REPORT_FILE, RunFolder
from pipeline.io.urls import absolute_path

REQUIRED_FIELDS = (
    *("task", "data", "rows", "metrics", "intervals", "baselines", "slices", "progressive", "seconds", "model"),
)


@dataclass(frozen=True)
class FinishedRun:
    """The content of report.json, and the text of config.toml."""

    folder: str
    """A local path or a URL."""
    report: dict[str, Any]
    config: str

    @property
    def name(self) -> str:
        """The last part of the folder's path."""
        return absolute_path(self.folder).rstrip("/").rpartition("/")[2]


def read_run(folder: str | Path) -> FinishedRun:
    """Read the report and the resolved config of a run folder.

    Raises
    ------
    DataError
        There is none, or it is none that this version can show.
    """
    run_folder = RunFolder(str(folder))
    try:
        report = json.loads(run_folder.read(REPORT_FILE))
        config = run_folder.read("config.toml").decode()
        tomllib.loads(config)
    except ValueError as error:
        raise DataError(f"{folder}: its report or config cannot be read ({error}); run it again.") from None
    missing = [key for key in REQUIRED_FIELDS if not isinstance(report, dict) or key not in report]
    if missing:
        raise DataError(
            f"{folder}/{REPORT_FILE}: has no {missing[0]!r}, it is of another version; run it again to show it."
        )
    return FinishedRun(str(folder), report, config)
