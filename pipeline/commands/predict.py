"""Predicting: Parquet in, Parquet with a model's predictions out; whole or not at all, every row accounted for."""

import contextlib
import json
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

from pipeline import config as cfg
from pipeline.commands.settings import allow_local_imports, cluster_overrides
from pipeline.engine.cluster.session import Session, open_session
from pipeline.engine.failure_diagnosis import TaskRecord, diagnose_failures
from pipeline.engine.stage import run_stage
from pipeline.engine.task_handle import TaskHandle
from pipeline.engine.task_runner import Begun, TaskRunner
from pipeline.errors import ConfigError, DataError, Interrupted
from pipeline.evaluation import drift
from pipeline.inference.scoring import PREDICTION, STAGED, OutputFile, ScoringState, done, score_span
from pipeline.inference.scoring_plan import ScorePlan, config_for, plan_scores
from pipeline.io.batching import Batch, group_by_row_group
from pipeline.io.redact import redact
from pipeline.io.run_folder import RunFolder
from pipeline.models import persistence
from pipeline.monitoring.progress import Monitor
from pipeline.monitoring.signals import Interrupt
from pipeline.preparation.split import QUARANTINED
from pipeline.reporting.terminal import short, show_facts
from pipeline.statistics.ledger import Ledger
from pipeline.training.checkpoint import check_sources

# The manifest, written last: where it is, all is.
SUCCESS = "_SUCCESS"
BEGAN = f"{STAGED}/began.json"
LOCK = f"{STAGED}/lock"
# What of the config may be another when predicting goes on.
MAY_CHANGE = ("cluster.", "evaluate.on_drift", "data.max_bad_batches")
# Columns whose drift is shown.
SHOWN = 5


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
    """Predictions of ``model`` for all rows of ``source``, written to the folder ``output``; its manifest.

    Parameters
    ----------
    model
        A run folder (its config says how rows are prepared) or a ``.skops`` file.
    source, output
        Parquet file, folder, glob or URL; the folder to make, a URL too.
    keep
        Columns to carry over; ``*`` for all of the files.
    resume
        Go on with what an earlier attempt has left in ``output``, if there is anything.

    Raises
    ------
    PipelineError
        In one sentence; what was written so far can be gone on from.
    """
    monitor = monitor or Monitor()
    allow_local_imports()
    trained = persistence.load(model)
    config = config_for(str(model), source, (*overrides, *cluster_overrides(options)))
    plan = plan_scores(config, trained, keep, output)
    fingerprint = persistence.fingerprint(trained)
    began = {
        "model": fingerprint,
        "keep": plan.scoring.kept.names,
        "config": cfg.dump(config),
        "sources": plan.sources,
    }
    folder = RunFolder(output, plan.scoring.storage)
    interrupt = Interrupt(monitor.say, lambda: False)
    monitor.on_task_done = interrupt.reraise_if_lost
    try:
        with interrupt.handled(), _claimed(folder, began, resume):
            earlier = ScoringState.of(done(folder, plan.batches)) if resume else ScoringState()
            with open_session(plan.config, monitor) as session:
                scored = Scorer(plan, session, monitor).score(earlier)
            manifest = _manifest(plan, scored, trained, monitor)
            manifest["model"] = {"path": str(model), "fingerprint": fingerprint}
            manifest["resumed_after"] = len(earlier.parts)
            _check_drift(manifest["drift"], config, output)
            manifest = redact(manifest)
            _publish(folder, scored, manifest)
    except KeyboardInterrupt:
        kept = len(_staged(folder))
        how = f"{kept} files were kept, go on with --resume" if kept else "nothing was kept"
        raise Interrupted(f"Interrupted: the cluster is closed, {how}.") from None
    _show(monitor, manifest, output)
    return manifest


class Scorer:
    """Has the batches scored on a session; one task for each span."""

    def __init__(self, plan: ScorePlan, session: Session, monitor: Monitor):
        config = plan.config
        rows = [batch.rows for batch in plan.batches]
        run = monitor.events.run
        self._tasks = TaskRunner(session.client, config.aggregate.fan_in, config.cluster.retries, run, rows)
        self._plan, self._session, self._monitor = plan, session, monitor
        self._record = TaskRecord()

    def suspect(self) -> list[int]:
        """The batches of the task that workers most likely died of."""
        return self._record.suspect(self._session.client)

    def score(self, earlier: ScoringState) -> ScoringState:
        """What became of all batches, those of ``earlier`` included.

        Raises
        ------
        PipelineError
            A batch cannot be scored, or a file not be written.
        """
        plan, finished = self._plan, {part.batch for part in earlier.parts}
        todo = [
            span for span in group_by_row_group(plan.batches) if any(batch.number not in finished for batch in span)
        ]
        numbers = [[batch.number for batch in span if batch.number not in finished] for span in todo]
        spanned = {some[0]: span for some, span in zip(numbers, todo, strict=True)}
        with diagnose_failures(self, plan.batches, self._session, self._monitor):
            scoring = self._tasks.broadcast(plan.scoring)

            def begin(window: list[Sequence[int]]) -> Begun:
                futures = [self._submit(spanned[some[0]], some, scoring) for some in window]
                return futures, futures

            with run_stage(self._monitor, "predict", len(plan.batches)) as stage:
                stage.skip(len(finished))
                fresh = (
                    self._tasks.map_reduce(stage, numbers, begin, ScoringState.merge, "predict")
                    if todo
                    else ScoringState()
                )
        both = ScoringState.merge([earlier, fresh])
        return ScoringState(tuple(sorted(both.parts, key=lambda part: part.batch)), both.observed)

    def _submit(self, span: list[Batch], numbers: Sequence[int], scoring: TaskHandle) -> TaskHandle:
        name = f"predict-{numbers[0]}"
        handle = self._tasks.submit(name, score_span, span, numbers, scoring, batch_numbers=numbers)
        self._record.add({handle.key: numbers})
        return handle


@contextlib.contextmanager
def _claimed(folder: RunFolder, began: dict[str, Any], resume: bool) -> Iterator[None]:
    """Hold the folder, if nothing is there, or with ``resume`` what the same command has left.

    On an error what is finished of it stays; a folder of which nothing is vanishes.

    Raises
    ------
    ConfigError
        Something else is there, another command is at work, or the model or a key is another.
    DataError
        A file of the input changed.
    """
    with folder.temporary(), folder.locked(LOCK):
        _check_place(folder, began, resume)
        try:
            yield
        except BaseException:
            if not _staged(folder):
                folder.remove_folder(STAGED)
            raise


def _staged(folder: RunFolder) -> list[str]:
    """The accounts of the files that are finished and not yet in their place."""
    return [name for name in folder.names(f"{STAGED}/part-") if name.endswith(".json")]


def _check_place(folder: RunFolder, began: dict[str, Any], resume: bool) -> None:
    """That nothing is there that this command would meet, and a mark of its own."""
    there = [name for name in folder.names() if name != LOCK]
    if SUCCESS in there:
        raise ConfigError(f"{folder}: holds finished predictions; name a new folder, nothing was changed.")
    if any(not name.startswith(f"{STAGED}/") for name in there) and BEGAN not in there:
        raise ConfigError(f"{folder}: exists and is not empty; name a new folder, nothing was changed.")
    if BEGAN not in there:
        folder.write(BEGAN, json.dumps(began).encode())
    elif not resume:
        raise ConfigError(f"{folder}: holds unfinished predictions; go on with --resume, or name a new folder.")
    else:
        _check_same(folder, json.loads(folder.read(BEGAN)), began)


def _check_same(folder: RunFolder, then: dict[str, Any], now: dict[str, Any]) -> None:
    """That an unfinished folder is of this very command."""
    if then["model"] != now["model"]:
        raise ConfigError(
            f"{folder}: began with the model {then['model'][:16]}, now it is {now['model'][:16]}; give that one, or "
            "name a new folder."
        )
    if then["keep"] != now["keep"]:
        raise ConfigError(f"--keep: {folder} began with {then['keep']}, now it is {now['keep']}; keep the same.")
    check_sources(folder, then["sources"], now["sources"], "name a new folder")
    before, after = (cfg.flat(tomllib.loads(side["config"])) for side in (then, now))
    for key in sorted(before.keys() | after.keys()):
        was, found = (side.get(key, "none") for side in (before, after))
        if was != found and not key.startswith(MAY_CHANGE):
            raise ConfigError(f"{key}: {folder} began with {was}, now it is {found}; predict as then, or elsewhere.")


def _manifest(plan: ScorePlan, scored: ScoringState, trained: Pipeline, monitor: Monitor) -> dict[str, Any]:
    """What is said of the predictions, if every row is accounted for."""
    encoder, data = trained.named_steps["preprocess"], plan.config.data
    reasons: dict[str, int] = {}
    for part in scored.parts:
        for reason, count in part.rejected.items():
            reasons[reason] = reasons.get(reason, 0) + count
    written, lost = sum(part.rows for part in scored.parts), sum(file.rows for file in plan.dataset.bad)
    if lost:
        reasons[QUARANTINED] = reasons.get(QUARANTINED, 0) + lost
    ledger = Ledger(
        sum(part.read for part in scored.parts) + lost,
        0,
        written,
        reasons,
        batches={part.batch: {"test": part.rows, **part.rejected} for part in scored.parts},
        errors={part.batch: part.error for part in scored.parts if part.error},
        files=plan.dataset.bad,
    ).balanced(plan.batches, data.max_bad_batches)
    rejected = ledger.read - written
    monitor.events.emit("rows_counted", read=ledger.read, written=written, rejected=reasons)
    return {
        "input": data.path,
        "rows": {
            "read": ledger.read,
            "written": written,
            "rejected": rejected,
            "rejected_by_reason": reasons,
            "pruned": plan.dataset.pruned,
        },
        "batches": {"read": len(plan.batches) + len(ledger.files), "set_aside": ledger.quarantined(plan.batches)},
        "schema": [{"name": f.name, "type": str(f.type)} for f in plan.scoring.schema],
        "threshold": plan.scoring.threshold,
        "files": [
            {"file": part.file, "rows": part.rows, "bytes": part.size}
            | {"batch": part.batch, "where": part.where, "read": part.read, "rejected": dict(part.rejected)}
            for part in scored.parts
            if not part.error
        ],
        "drift": scored.observed.compared(encoder.profile_),
        "drift_rows": scored.observed.rows,
        "seconds": {"total": round(time.perf_counter() - monitor.started, 3)}
        | {name: round(value, 3) for name, value in monitor.seconds.items()},
    }


def _check_drift(found: dict[str, Any], config: cfg.Config, output: str) -> None:
    """That the rows are not of another table than the model's."""
    problem = drift.severe(found)
    if problem and config.evaluate.on_drift == "fail":
        raise DataError(
            f"{problem}; is it the right table? No prediction is in its place at {output}: to take them as they are, "
            'go on with --resume --set evaluate.on_drift="report".'
        )


def _publish(folder: RunFolder, scored: ScoringState, manifest: dict[str, Any]) -> None:
    """Move all files to their place, and then say so."""

    def place(part: OutputFile) -> None:
        if not part.error and folder.exists(f"{STAGED}/{part.file}"):
            folder.rename(f"{STAGED}/{part.file}", part.file)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(place, scored.parts))
    folder.write(SUCCESS, (json.dumps(manifest, indent=2) + "\n").encode())
    folder.remove_folder(STAGED)


def _show(monitor: Monitor, manifest: dict[str, Any], output: str) -> None:
    rows, aside = manifest["rows"], manifest["batches"]["set_aside"]
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in rows["rejected_by_reason"].items())
    facts = {
        "rows": f"{rows['read']:,} read = {rows['written']:,} written + {rows['rejected']:,} rejected"
        + (f": {reasons}" if reasons else "")
    }
    if aside:
        facts["set aside"] = f"{aside[0]['where']}: {aside[0]['reason']}"
    for name, change in sorted(manifest["drift"].items(), key=lambda item: -item[1]["score"])[:SHOWN]:
        unseen = f", {change['unseen']:.1%} unseen" if change["unseen"] else ""
        facts[f"drift {short(name)}"] = f"{change['score']:.4f}{unseen}"
    if rows["rejected"] and manifest["schema"][0]["name"] == PREDICTION:
        facts["note"] = "rows were rejected, and nothing that was kept tells which: --keep an id"
    facts["columns"] = ", ".join(short(column["name"]) for column in manifest["schema"])
    facts["files"] = f"{len(manifest['files'])} in {output}"
    show_facts(monitor.console, facts)
