"""`pipeline scale`: how the cost of a run grows with the data, and what more workers would bring."""

import contextlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import structs
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline import config as cfg
from pipeline.commands.run import make_demo
from pipeline.commands.settings import load_settings
from pipeline.datasets import flights
from pipeline.engine.cluster.probe import Probe, probe
from pipeline.engine.cluster.scheduler_spec import LOCAL
from pipeline.engine.cluster.session import Session, connect, open_session
from pipeline.errors import ConfigError
from pipeline.io.redact import redact
from pipeline.io.run_folder import RunFolder
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.planning.planner import make_plan
from pipeline.reporting import report
from pipeline.reporting.terminal import show_facts
from pipeline.scaling_study.costs import Observation, calibrate
from pipeline.scaling_study.forecast import Forecast
from pipeline.scaling_study.measurement import Setting, interleaved, observe, prefix, with_lanes
from pipeline.scaling_study.summary import advice, findings

RESULT, PAGE = "scale.json", "scale.html"


@dataclass(frozen=True)
class StudyRequest:
    """What to measure; empty: what the data and the machine suggest.

    Parameters
    ----------
    batches
        Sizes of the prefixes.
    workers
        Of a local cluster; a scheduler's workers are those that it has.
    lanes, batch_rows
        The first of each is that of the plan, the others are measured beside it.
    """

    batches: tuple[int, ...] = ()
    workers: tuple[int, ...] = ()
    lanes: tuple[int, ...] = ()
    batch_rows: tuple[int, ...] = ()
    repeats: int = 3


def scale(
    config: Path | None,
    asked: StudyRequest | None = None,
    overrides: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
    out: str | Path | None = None,
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Measure and forecast; the content of scale.json, which is written with scale.html to the folder ``out``.

    Raises
    ------
    PipelineError
        In one sentence; nothing is written.
    """
    asked, monitor = asked or StudyRequest(), monitor or Monitor()
    folder = RunFolder(str(out or report.default_folder(f"scale-{config.stem if config else 'flights'}")))
    settings = load_settings(config or flights.CONFIG, overrides, options)
    if config is None:
        make_demo(settings, monitor)
    begin = time.perf_counter()
    plans = _plans(settings, asked)
    planned = time.perf_counter() - begin
    for join in plans[0].config.data.join:
        if join.large is True:
            raise ConfigError(
                f"data.join: {join.path} is so large that it is shuffled before a run, which a study does not measure; "
                "join the tables beforehand, or set large = false."
            )
    with folder.lock(False):
        wanted = _settings(plans, asked, settings)
        runs, probes, startup = _measure(settings, plans, wanted, asked.repeats, monitor)
        most_rows = round(settings.evaluate.exact_rows / settings.split.test)
        costs = {}
        for workers, probed in probes.items():
            measured = calibrate([run for run in runs if run.workers == workers], probed, most_rows)
            if measured is not None:
                costs[workers] = measured
        found = findings(runs, Forecast(costs) if costs else None)
        found = {
            "data": settings.data.path,
            "fixed": {"startup": round(startup, 3), "plan": round(planned, 3), "run": found.pop("fixed_seconds")},
            **found,
        }
        found["advice"] = advice(found, settings.prepare.function)
        found = redact(json.loads(json.dumps(found)))
        from pipeline.reporting.html.render import scale_page  # imports that belong to the end

        text = cfg.dump(settings)
        page = scale_page(found, text, str(folder).rstrip("/").rpartition("/")[2])
        folder.finish(
            {
                "config.toml": text.encode(),
                PAGE: page.encode(),
                RESULT: (json.dumps(found, indent=2) + "\n").encode(),
            }
        )
    fixed = found["fixed"]
    monitor.print("")
    facts = {"fixed": f"{fixed['startup']:.1f} s to start, {fixed['plan']:.2f} s for the footers and the plan"}
    show_facts(monitor.console, facts | found["advice"] | {"folder": str(folder)})
    return found


def _plans(settings: cfg.Config, asked: StudyRequest) -> list[Plan]:
    """One for each size of a batch: that of the config, or the first that is asked for, first."""
    plan = make_plan(settings)
    if not asked.batch_rows:
        usual = max(batch.rows for batch in plan.batches)
        # Half of the size tells what a task costs besides its rows.
        return [plan, make_plan(_with_rows(settings, max(usual // 2, 1)))]
    return [make_plan(_with_rows(settings, rows)) for rows in asked.batch_rows]


def _with_rows(settings: cfg.Config, rows: int) -> cfg.Config:
    return structs.replace(settings, data=structs.replace(settings.data, batch_rows=rows))


def _settings(plans: Sequence[Plan], asked: StudyRequest, settings: cfg.Config) -> list[Setting]:
    """All that is to be measured, small runs first."""
    total = len(plans[0].batches)
    usual = settings.cluster.workers
    workers = sorted(set(asked.workers)) or sorted(
        {1, usual if isinstance(usual, int) and usual else os.cpu_count() or 1}
    )
    if settings.cluster.scheduler not in (None, LOCAL):
        if asked.workers:
            raise ConfigError(
                "--workers: a scheduler has the workers that it has; leave it out, the study forecasts other numbers."
            )
        workers = [0]
    batches = sorted(set(asked.batches)) or sorted({max(total // 16, 2), max(total // 4, 2), total} - {1})
    for count in batches:
        prefix(plans[0], count)  # that it can be had is known before the first run
    lanes = list(dict.fromkeys(asked.lanes)) or [settings.train.lanes]
    found = [Setting(n, w, k) for n in batches for w in workers for k in lanes]
    middle = batches[-2] if len(batches) > 1 else batches[-1]
    rows = sum(batch.rows for batch in prefix(plans[0], middle).batches)
    for cut in range(1, len(plans)):
        size = sum(batch.rows for batch in plans[cut].batches) / len(plans[cut].batches)
        count = min(max(round(rows / size), 2), len(plans[cut].batches))
        found.append(Setting(count, workers[-1], lanes[0], cut))
    return found


def _measure(
    settings: cfg.Config, plans: Sequence[Plan], wanted: Sequence[Setting], repeats: int, monitor: Monitor
) -> tuple[list[Observation], dict[int, Probe], float]:
    """Every setting on its cluster; all clusters are there at once, the idle ones cost next to nothing."""
    modules = [settings.prepare.function.partition(":")[0]] if settings.prepare.function else []
    with contextlib.ExitStack() as stack:
        begin = time.perf_counter()
        counts = sorted({setting.workers for setting in wanted}, reverse=True)
        first = structs.replace(settings, cluster=_with_workers(settings.cluster, counts[0]))
        sessions = {counts[0]: stack.enter_context(open_session(first, monitor))}
        startup = time.perf_counter() - begin
        for workers in counts[1:]:
            other = structs.replace(_with_workers(settings.cluster, workers), dashboard="127.0.0.1:0")
            sessions[workers] = stack.enter_context(connect(other, modules))
        probes = {session.workers: probe(session.client) for session in sessions.values()}
        columns = (
            TextColumn("scale      "),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("runs  {task.description}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=monitor.console) as bar:
            steps = bar.add_task("", total=repeats * len(wanted))

            def run(setting: Setting) -> Observation:
                plan = with_lanes(prefix(plans[setting.cut], setting.batches), setting.lanes)
                session = sessions[setting.workers]
                bar.update(
                    steps, description=f"{setting.batches} batches, {session.workers} workers, {setting.lanes} lanes"
                )
                return observe(plan, _recorded(session), monitor, modules, setting.cut)

            runs = []
            for setting, observed in interleaved(wanted, repeats, run):
                runs.append(observed)
                bar.advance(steps)
                monitor.events.emit(
                    "run_measured",
                    batches=setting.batches,
                    workers=observed.workers,
                    lanes=setting.lanes,
                    rows_per_batch=observed.shape.rows,
                    seconds=round(observed.seconds, 4),
                )
    return runs, probes, startup


def _with_workers(settings: cfg.ClusterConfig, workers: int) -> cfg.ClusterConfig:
    """A local cluster of so many; 0: what there is."""
    return structs.replace(settings, workers=workers, scheduler=LOCAL) if workers else settings


def _recorded(session: Session) -> Session:
    """The session, with the scheduler's record of tasks begun."""
    session.client.get_task_stream(start=time.time())
    return session
