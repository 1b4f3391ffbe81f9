"""`pipeline predict`: Parquet in, Parquet with a model's predictions out; all or nothing, every row accounted for."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import config as cfg
from pipeline.commands.settings import allow_local_imports, cluster_overrides, storage_of
from pipeline.engine.cluster.session import open_session
from pipeline.errors import DataError, Interrupted
from pipeline.evaluation.drift_verdict import severe_change
from pipeline.inference import staging
from pipeline.inference.batch_scorer import BatchScorer
from pipeline.inference.manifest import make_ledger, make_manifest
from pipeline.inference.output_file import ScoringState
from pipeline.inference.scoring_plan import config_for, plan_scoring
from pipeline.io.redact import redact
from pipeline.io.run_folder import RunFolder
from pipeline.models import persistence
from pipeline.monitoring.progress import Monitor
from pipeline.reporting.terminal import show_predictions


def predict(
    model: str | Path,
    source: str,
    output: str,
    overrides: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
    keep: Sequence[str] = (),
    resume: bool = False,
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Write the predictions of ``model`` for all rows of ``source`` to the folder ``output``; return its manifest.

    Parameters
    ----------
    model
        A run folder (its config says how rows are prepared) or a ``.skops`` file.
    source, output
        Parquet file, folder, glob or URL; the folder to make, a URL too.
    overrides, options
        As `pipeline.commands.run.run` takes them.
    keep
        Columns to carry over; ``*`` for all of the files.
    resume
        Go on with what an earlier attempt has left in ``output``, if there is anything.

    Raises
    ------
    PipelineError
        In one sentence; ``resume`` continues with what was written so far.
    """
    monitor = monitor or Monitor()
    allow_local_imports()
    storage = storage_of(str(model), None, overrides, source)
    trained = persistence.load(model, storage=storage)
    config = config_for(str(model), source, (*overrides, *cluster_overrides(options)), storage)
    folder = RunFolder(output, config.data.storage_for(output))
    if resume:
        config = cfg.pin_versions(config, staging.begun_versions(folder))
    plan = plan_scoring(config, trained, keep, output)
    fingerprint, pinned = persistence.fingerprint(trained), cfg.pin_versions(config, plan.sources.versions)
    provenance = staging.Provenance(fingerprint, plan.recipe.kept.names, cfg.dump(pinned), plan.sources.file_versions)
    try:
        with monitor.interruptible(), staging.claim(folder, provenance, resume):
            earlier = ScoringState.of(staging.finished_files(folder, plan.batches)) if resume else ScoringState()
            with open_session(plan.config, monitor) as session:
                state = BatchScorer(plan, session, monitor).score(earlier)
            ledger = make_ledger(plan, state)
            monitor.events.emit("rows_counted", read=ledger.read, written=ledger.test, rejected=ledger.reasons)
            about_model = {"path": str(model), "fingerprint": fingerprint}
            manifest = make_manifest(plan, state, ledger, about_model, len(earlier.files))
            seconds = {"total": time.perf_counter() - monitor.started, **monitor.seconds}
            manifest["seconds"] = {name: round(value, 3) for name, value in seconds.items()}
            _refuse_drift(manifest["drift"], plan.recipe.encoder.columns.of_times, config, output)
            manifest = redact(manifest)
            staging.publish(folder, state.files, manifest)
    except KeyboardInterrupt:
        kept = len(staging.staged_accounts(folder))
        advice = f"{kept} files were kept, continue with --resume" if kept else "nothing was kept"
        raise Interrupted(f"Interrupted: the cluster is closed, {advice}.") from None
    show_predictions(monitor.console, manifest, output)
    return manifest


def _refuse_drift(changes: dict[str, Any], times: Sequence[str], config: cfg.Config, output: str) -> None:
    """Refuse rows that are nothing like those that the model was trained on."""
    problem = severe_change(changes, times)
    if problem and config.evaluate.on_drift == "fail":
        raise DataError(
            f"{problem}; is it the right table? No prediction is in its place at {output}: to take them as they are, "
            'continue with --resume --set evaluate.on_drift="report".'
        )
