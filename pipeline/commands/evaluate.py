"""`pipeline evaluate`: the figures of an existing model on other data, and how far that drifted from its own."""

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
from pipeline.reporting.terminal import drift_facts, show_facts, show_figures
from pipeline.training.job import Job


def evaluate(
    model: Path,
    config: Path,
    overrides: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
    all_rows: bool = False,
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Compute metrics and drift of ``model`` on the test rows of ``config``.

    Parameters
    ----------
    overrides, options
        As `pipeline.commands.run.run` takes them.
    all_rows
        Evaluate on all rows instead.

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

    def plan_evaluation(config: cfg.Config) -> Plan:
        plan = make_plan(config, encoder.columns, encoder.profile_)
        features = replace(plan.features, task=task)
        plan = replace(plan, features=features, reference=PackingScale(encoder.center_, encoder.unit_))
        if all_rows:
            plan = replace(plan, after=None, batches=tuple(replace(batch, test=True) for batch in plan.batches))
        return plan

    plan = plan_evaluation(settings)
    with open_session(settings, monitor) as session, shuffle_join.joined(session.client, plan, model) as (going_on, _):
        plan = plan if going_on is plan.config else plan_evaluation(going_on)
        ledger, findings, drift = Job(plan, session, monitor).assess(trained)
    seconds = {"total": time.perf_counter() - monitor.started, **monitor.seconds}
    result = {
        "task": task,
        "rows": {"read": ledger.read, "test": ledger.test, "rejected": ledger.rejected, "by_reason": ledger.reasons},
        **asdict(findings),
        "drift": drift,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "model": {"path": str(Path(model).resolve()), "fingerprint": persistence.fingerprint(trained)},
    }
    rows = f"{ledger.test:,} evaluated of {ledger.read:,} read, {ledger.rejected:,} rejected"
    show_figures(monitor.console, result)
    show_facts(monitor.console, {"rows": rows, **drift_facts(drift, max_columns=10)})
    return result
