"""A finished run, read from its folder."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError

REQUIRED_FIELDS = (
    *("task", "data", "rows", "metrics", "intervals", "baselines", "slices", "progressive", "seconds", "model"),
)


@dataclass(frozen=True)
class FinishedRun:
    """The content of report.json, and the text of config.toml."""

    folder: Path
    report: dict[str, Any]
    config: str


def read_run(folder: Path) -> FinishedRun:
    """Read the report and the resolved config of a run folder.

    Raises
    ------
    DataError
        There is none, or it is none that this version can show.
    """
    file = folder / "report.json"
    try:
        report = json.loads(file.read_text())
        config = (folder / "config.toml").read_text()
        tomllib.loads(config)
    except OSError as error:
        raise DataError(
            f"{error.filename}: {error.strerror}; give a run folder, as `pipeline run` leaves it."
        ) from None
    except ValueError as error:
        raise DataError(f"{folder}: its report or config cannot be read ({error}); run it again.") from None
    missing = [key for key in REQUIRED_FIELDS if not isinstance(report, dict) or key not in report]
    if missing:
        raise DataError(f"{file}: has no {missing[0]!r}, it is of another version; run it again to show it.")
    return FinishedRun(folder, report, config)
