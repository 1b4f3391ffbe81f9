"""Evaluating a model that exists: its figures on other data, and how far that is from the data it knows."""

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sklearn.base import is_classifier

from pipeline import config as cfg
from pipeline.commands.settings import load_settings
from pipeline.engine import shuffle_join
from pipeline.engine.cluster.session import open_session
from pipeline.errors import DataError
from pipeline.models import persistence
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan, make_plan
from pipeline.preparation.feature_inference import LearningTask
from pipeline.preparation.packing import PackingScale
from pipeline.reporting.terminal import short, show_facts, show_findings
from pipeline.training.job import Job

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
    encoder, estimator = trained.named_steps["preprocess"], trained.named_steps["model"]
    if "label" not in getattr(encoder, "profile_", {}):
        raise DataError(f"{model}: does not remember its training data; train it again with `pipeline run`.")
    task: LearningTask = "classification" if is_classifier(estimator) else "regression"

    def planned(config: cfg.Config) -> Plan:
        plan = make_plan(config, encoder.columns, encoder.profile_)
        features = replace(plan.features, task=task)
        plan = replace(plan, features=features, reference=PackingScale(encoder.center_, encoder.unit_))
        if every:
            plan = replace(plan, after=None, batches=tuple(replace(batch, test=True) for batch in plan.batches))
        return plan

    plan = planned(settings)
    with (
        open_session(settings, monitor) as session,
        shuffle_join.shuffle_large_joins(session.client, plan, model) as (going_on, _),
    ):
        plan = plan if going_on is plan.config else planned(going_on)
        ledger, findings, drift = Job(plan, session, monitor).assess(trained)
    seconds = {"total": time.perf_counter() - monitor.started, **monitor.seconds}
    facts = {"rows": f"{ledger.test:,} evaluated of {ledger.read:,} read, {ledger.rejected:,} rejected"}
    for name, change in sorted(drift.items(), key=lambda item: -item[1]["score"])[:SHOWN]:
        then, now = change["missing"]
        unseen = f", {change['unseen']:.1%} unseen" if change["unseen"] else ""
        missing = f", missing {then:.1%} then, {now:.1%} now" if abs(now - then) > 0.001 else ""
        facts[f"drift {short(name)}"] = f"{change['score']:.4f}{unseen}{missing}"
    result = {
        "task": task,
        "rows": {"read": ledger.read, "test": ledger.test, "rejected": ledger.rejected} | {"by_reason": ledger.reasons},
        **asdict(findings),
        "drift": drift,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "model": {"path": str(Path(model).resolve()), "fingerprint": persistence.fingerprint(trained)},
    }
    show_findings(monitor.console, result)
    show_facts(monitor.console, facts)
    return result
