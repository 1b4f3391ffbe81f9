"""`pipeline scale`: how the cost of a run grows with the data, and what more workers would bring."""

import json
import time
from pathlib import Path
from typing import Any

from pipeline import config as cfg
from pipeline.commands.run import make_demo
from pipeline.commands.settings import load_settings
from pipeline.datasets import flights
from pipeline.io.redact import redact
from pipeline.io.run_folder import RunFolder
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.reporting import report
from pipeline.reporting.terminal import show_facts
from pipeline.scaling_study.advice import give_advice
from pipeline.scaling_study.costs import calibrate
from pipeline.scaling_study.forecast import Forecast
from pipeline.scaling_study.measurement import Measurements, measure
from pipeline.scaling_study.study_plan import StudyRequest, choose_settings, make_plans
from pipeline.scaling_study.summary import summarise_study

RESULT, PAGE = "scale.json", "scale.html"


def scale(
    config: Path | None,
    request: StudyRequest | None = None,
    overrides: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
    out: str | Path | None = None,
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Measure and forecast; return the content of scale.json, which is written with scale.html to the folder ``out``.

    Parameters
    ----------
    config
        None: the flights demo.
    overrides, options
        As `pipeline.commands.run.run` takes them.

    Raises
    ------
    PipelineError
        In one sentence; nothing is written.
    """
    request, monitor = request or StudyRequest(), monitor or Monitor()
    settings = load_settings(config or flights.CONFIG, overrides, options)
    place = str(out or report.default_folder(f"scale-{config.stem if config else 'flights'}"))
    folder = RunFolder(place, settings.data.storage_for(place))
    if config is None:
        make_demo(settings, monitor)
    begin = time.perf_counter()
    plans = make_plans(settings, request)
    planning = time.perf_counter() - begin
    with folder.lock(False):
        measured = measure(settings, plans, choose_settings(plans, request, settings), request.repeats, monitor)
        summary = summarise_study(measured.runs, _forecast(measured, plans[0]))
        fixed = {"startup": measured.startup, "plan": planning}
        study = {
            "data": settings.data.path_text,
            "fixed": {name: round(seconds, 3) for name, seconds in fixed.items()}
            | {"run": summary.pop("fixed_seconds")},
            **summary,
            "advice": give_advice(summary, settings.prepare.function),
        }
        study = redact(json.loads(json.dumps(study)))
        _write(folder, study, cfg.dump(settings))
    fixed = study["fixed"]
    monitor.print("")
    facts = {"fixed": f"{fixed['startup']:.1f} s to start, {fixed['plan']:.2f} s for the footers and the plan"}
    show_facts(monitor.console, facts | study["advice"] | {"folder": str(folder)})
    return study


def _forecast(measured: Measurements, plan: Plan) -> Forecast | None:
    """A forecast from the costs of each cluster's tasks; None if no run was as its shape says."""
    # Of so many rows, those that test are as many as are ranked exactly.
    max_rows = round(plan.config.evaluate.exact_rows * plan.rows / max(plan.expected_test_rows, 1))
    costs = {}
    for workers, probe in measured.probes.items():
        calibrated = calibrate([run for run in measured.runs if run.workers == workers], probe, max_rows)
        if calibrated is not None:
            costs[workers] = calibrated
    return Forecast(costs) if costs else None


def _write(folder: RunFolder, study: dict[str, Any], config: str) -> None:
    from pipeline.reporting.html.render import scale_page  # imports that belong to the end

    page = scale_page(study, config, str(folder).rstrip("/").rpartition("/")[2])
    folder.finish(
        {
            "config.toml": config.encode(),
            PAGE: page.encode(),
            RESULT: (json.dumps(study, indent=2) + "\n").encode(),
        }
    )
