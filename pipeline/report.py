"""The report: report.json, the table for a person, and the run folder that appears whole or not at all."""

import contextlib
import datetime
import json
import os
import shutil
import statistics
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

from pipeline import artefact
from pipeline import config as cfg
from pipeline.errors import ConfigError
from pipeline.findings import Findings
from pipeline.ledger import Ledger
from pipeline.plan import Plan
from pipeline.rounds import Training

PAGE = "report.html"


@dataclass(frozen=True)
class Outcome:
    """What a finished job knows."""

    ledger: Ledger
    batches: int
    findings: Findings
    training: Training
    model: Pipeline
    kept: bool
    pruned: int = 0
    """Rows that data.filters ruled out before they were read."""
    unmatched: dict[str, int] = field(default_factory=dict)
    """Rows without a match, by joined table."""
    folds: list[dict[str, float]] = field(default_factory=list)
    """The figures on each fold of cross-validation."""

    @property
    def metrics(self) -> dict[str, float]:
        """The figures on the test rows."""
        return self.findings.metrics


def make_report(
    outcome: Outcome,
    plan: Plan,
    seconds: dict[str, float],
    cluster: dict[str, Any],
    cost: dict[str, Any],
    model_path: Path,
) -> dict[str, Any]:
    """The content of report.json."""
    ledger = outcome.ledger
    return {
        "task": plan.features.task,
        "data": {"path": plan.config.data.path, "label": plan.config.data.label},
        "rows": {
            "read": ledger.read,
            "train": ledger.train,
            "validation": ledger.validation,
            "test": ledger.test,
            "rejected": ledger.rejected,
            "rejected_by_reason": ledger.reasons,
            "pruned": outcome.pruned,
            "unmatched": outcome.unmatched,
        },
        "batches": {"read": outcome.batches, "rejected": 0, "kept_in_memory": outcome.kept},
        **asdict(outcome.findings),
        "cross_validation": _over_folds(outcome.folds),
        "training": {"epochs": outcome.training.epochs, "validation": outcome.training.validation},
        "progressive": outcome.training.progressive,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "cluster": cluster,
        "cost": cost,
        "model": {"path": str(model_path), "fingerprint": artefact.fingerprint(outcome.model)},
    }


def _over_folds(folds: list[dict[str, float]]) -> dict[str, Any]:
    """Each figure's mean and sample standard deviation over the folds, and the figures themselves."""
    if not folds:
        return {}
    metrics = {}
    for name in folds[0]:
        values = [fold[name] for fold in folds if name in fold]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        metrics[name] = {"mean": statistics.mean(values), "std": spread, "values": values}
    return {"folds": len(folds), "metrics": metrics}


def default_folder(name: str) -> Path:
    """``runs/NAME-DATE-TIME`` in the working folder."""
    return Path("runs") / f"{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def check_folder(folder: Path) -> None:
    """That a run folder may be made there.

    Raises
    ------
    ConfigError
        Something is there already, or the place cannot be written to.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"--out {folder}: exists and is not empty; name a new folder, nothing was changed.")
    above = next(parent for parent in folder.resolve().parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise ConfigError(f"--out {folder}: {above} cannot be written to; name another place.")


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill that takes the place of ``folder`` at the end, or vanishes on an error."""
    draft = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}"
    draft.mkdir(parents=True)
    try:
        yield draft
        draft.replace(folder)  # takes the place of an empty folder, never of a full one
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write(folder: Path, config: cfg.Config, report: dict[str, Any], model: Pipeline) -> None:
    """The run folder: config.toml, report.json, report.html and the model, all or nothing."""
    from pipeline.page import report_page  # imports that belong to the end of a run, not to its start

    with whole_folder(folder) as draft:
        (draft / "config.toml").write_text(cfg.dump(config))
        artefact.save(model, draft / artefact.FILE)
        (draft / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        (draft / PAGE).write_text(report_page(report, cfg.dump(config), folder.name), encoding="utf-8")
