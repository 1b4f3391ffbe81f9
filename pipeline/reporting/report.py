"""report.json, and the other files of a run folder."""

import datetime
import json
import statistics
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import config as cfg
from pipeline.io.run_folder import REPORT_FILE
from pipeline.models import persistence
from pipeline.planning.plan import Plan
from pipeline.reporting import model_card
from pipeline.training.run_stages import RunOutcome

PAGE = "report.html"


def make_report(
    outcome: RunOutcome,
    plan: Plan,
    seconds: dict[str, float],
    cluster: dict[str, Any],
    cost: dict[str, Any],
    model: dict[str, str],
) -> dict[str, Any]:
    """The content of report.json."""
    ledger = outcome.ledger
    quarantined = ledger.list_quarantined(plan.batches)
    return {
        "task": plan.features.task,
        "data": {
            "path": plan.config.data.path_text,
            "label": plan.config.data.label,
            "versions": plan.sources.version_texts,
        },
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
        "batches": {
            "read": len(plan.batches) + len(ledger.files),
            "rejected": len(quarantined),
            "set_aside": quarantined,
            "kept_in_memory": outcome.kept_in_memory,
        },
        **asdict(outcome.results),
        "notices": [notice.to_dict() for notice in outcome.notices],
        "cross_validation": _over_folds(outcome.folds),
        "training": {"epochs": outcome.training.epochs, "validation": outcome.training.validation},
        "progressive": outcome.training.progressive,
        **({"continued": outcome.continued} if outcome.continued else {}),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "cluster": cluster,
        "cost": cost,
        "model": {**model, "fingerprint": persistence.fingerprint(outcome.model)},
    }


def _over_folds(folds: list[dict[str, float]]) -> dict[str, Any]:
    """The mean and sample standard deviation of each figure over the folds, and the figures themselves."""
    if not folds:
        return {}
    metrics = {}
    for name in dict.fromkeys(name for fold in folds for name in fold):
        values = [fold[name] for fold in folds if name in fold]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        metrics[name] = {"mean": statistics.mean(values), "std": spread, "values": values}
    return {"folds": len(folds), "metrics": metrics}


def flatten_figures(report: dict[str, Any]) -> dict[str, float]:
    """The figures of a report by name: on the test rows, over folds, rows and seconds."""
    folds = report["cross_validation"].get("metrics", {})
    return {
        **report["metrics"],
        **{f"{name}_{kind}_over_folds": fold[kind] for name, fold in folds.items() for kind in ("mean", "std")},
        **{f"rows_{side}": report["rows"][side] for side in ("read", "train", "test", "rejected")},
        **{f"seconds_{name}": value for name, value in report["seconds"].items()},
    }


def default_folder(name: str) -> Path:
    """``runs/NAME-DATE-TIME`` in the working folder."""
    return Path("runs") / f"{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def render_files(config: cfg.Config, report: dict[str, Any], model: bytes, ledger: pd.DataFrame) -> dict[str, bytes]:
    """The content of each file of a run folder, by name.

    config.toml, report.json, report.html, model-card.md, ledger.csv, the model; params.yaml and metrics.json are the
    config and the figures as DVC expects them.
    """
    import yaml

    from pipeline.reporting.html.render import report_page  # imports that belong to the end of a run, not to its start

    name = Path(report["model"]["path"]).parent.name
    text = cfg.dump(config)
    return {
        "config.toml": text.encode(),
        "params.yaml": yaml.safe_dump(tomllib.loads(text), sort_keys=False, allow_unicode=True).encode(),
        "metrics.json": (json.dumps(flatten_figures(report), indent=2) + "\n").encode(),
        "ledger.csv": ledger.to_csv(index=False).encode(),
        persistence.FILE: model,
        model_card.FILE: model_card.model_card(report, config, name).encode(),
        PAGE: report_page(report, text, name).encode(),
        REPORT_FILE: (json.dumps(report, indent=2) + "\n").encode(),
    }
