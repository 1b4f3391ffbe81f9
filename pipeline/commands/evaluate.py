"""Evaluating a model that exists: its figures on other data, and how far that is from the data it knows."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.commands.settings import load_settings
from pipeline.engine import shuffle_join
from pipeline.engine.cluster.session import open_session
from pipeline.models import persistence
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import TrainedModel, make_plan, with_all_rows_tested, with_joined_data
from pipeline.reporting.terminal import short, show_facts, show_findings
from pipeline.training.saved_model_evaluation import evaluate_saved_model

SHOWN = 10


def evaluate(
    model: Path,
    config: Path,
    overrides: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
    every: bool = False,
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Metrics and drift of ``model`` on the rows of ``config`` that test; with ``every``, on all of them.

    Raises
    ------
    PipelineError
        No model, data that it cannot read, or data that is nothing like what it was trained on.
    """
    monitor = monitor or Monitor()
    settings = load_settings(config, overrides, options)
    trained = persistence.load(model)
    known = TrainedModel.of(trained)
    plan = make_plan(settings, known)
    with (
        open_session(settings, monitor) as session,
        shuffle_join.shuffle_large_joins(session.client, plan, model) as (going_on, _),
    ):
        plan = plan if going_on is plan.config else with_joined_data(plan, going_on, known)
        plan = with_all_rows_tested(plan) if every else plan
        evaluation = evaluate_saved_model(plan, session, monitor, trained)
    seconds = {"total": time.perf_counter() - monitor.started, **monitor.seconds}
    ledger, drift = evaluation.ledger, evaluation.drift
    facts = {"rows": f"{ledger.test:,} evaluated of {ledger.read:,} read, {ledger.rejected:,} rejected"}
    for name, change in sorted(drift.items(), key=lambda item: -item[1]["score"])[:SHOWN]:
        then, now = change["missing"]
        unseen = f", {change['unseen']:.1%} unseen" if change["unseen"] else ""
        missing = f", missing {then:.1%} then, {now:.1%} now" if abs(now - then) > 0.001 else ""
        facts[f"drift {short(name)}"] = f"{change['score']:.4f}{unseen}{missing}"
    result = {
        "task": known.task,
        "rows": {"read": ledger.read, "test": ledger.test, "rejected": ledger.rejected} | {"by_reason": ledger.reasons},
        **asdict(evaluation.findings),
        "drift": drift,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "model": {"path": str(Path(model).resolve()), "fingerprint": persistence.fingerprint(trained)},
    }
    show_findings(monitor.console, result)
    show_facts(monitor.console, facts)
    return result
