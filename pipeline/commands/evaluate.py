"""`pipeline evaluate`: the figures of an existing model on other data, and how far that drifted from its own."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.commands.settings import load_settings
from pipeline.engine.cluster.session import open_session
from pipeline.engine.shuffle_join import shuffle_large_joins
from pipeline.io.urls import absolute_path, is_url
from pipeline.models import persistence
from pipeline.monitoring.progress import Monitor
from pipeline.notices import unique_notices
from pipeline.planning.planner import TrainedModel, make_plan, with_all_rows_tested
from pipeline.planning.split_boundary import without_time_split
from pipeline.reporting.terminal import drift_facts, show_facts, show_figures, show_notices
from pipeline.training.saved_model_evaluation import evaluate_saved_model


def evaluate(
    model: str | Path,
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
    settings = without_time_split(settings) if all_rows else settings
    place = str(model)
    trained = persistence.load(place, storage=settings.data.storage_for(place))
    known = TrainedModel.of(trained)
    with (
        open_session(settings, monitor) as session,
        shuffle_large_joins(
            session.client, make_plan(settings, known), config if is_url(place) else Path(place), known
        ) as plan,
    ):
        plan = with_all_rows_tested(plan) if all_rows else plan
        evaluation = evaluate_saved_model(plan, session, monitor, trained)
    ledger, drift = evaluation.ledger, evaluation.drift
    seconds = {"total": time.perf_counter() - monitor.started, **monitor.seconds}
    result = {
        "task": known.task,
        "rows": {"read": ledger.read, "test": ledger.test, "rejected": ledger.rejected, "by_reason": ledger.reasons},
        **asdict(evaluation.results),
        "notices": [n.to_dict() for n in unique_notices((*plan.sources.notices, *evaluation.results.notices))],
        "drift": drift,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "model": {"path": absolute_path(place), "fingerprint": persistence.fingerprint(trained)},
    }
    rows = f"{ledger.test:,} evaluated of {ledger.read:,} read, {ledger.rejected:,} rejected"
    show_figures(monitor.console, result)
    show_facts(monitor.console, {"rows": rows, **drift_facts(drift, max_columns=10)})
    show_notices(monitor.console, result["notices"])
    return result
