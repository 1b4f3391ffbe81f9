"""Options that several subcommands share, as one value."""

import contextlib
import functools
import gc
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.start_time import STARTED
from pipeline.io.redact import redact

if TYPE_CHECKING:
    from pipeline.monitoring.progress import Monitor

PATH = click.Path(path_type=Path)


@dataclass(frozen=True)
class ClusterOptions:
    """The options of every subcommand that works on a cluster."""

    overrides: tuple[str, ...]
    as_json: bool
    quiet: bool
    verbose: bool
    log: Path | None
    scheduler: str | None
    dashboard: str | None
    workers: int | None = None

    @property
    def cluster(self) -> dict[str, Any]:
        """Keys of ``[cluster]`` that win over the config, None for those that were not given."""
        return {"scheduler": self.scheduler, "workers": self.workers, "dashboard": self.dashboard}

    def start_workers_early(self, config: str | Path | None, resume: str | None = None) -> None:
        """Start the process that local workers fork from, which imports while this one does; call this first.

        Parameters
        ----------
        config
            A config, a run folder or a model, which may name another cluster; then nothing is started.
        resume
            The folder of an unfinished run.
        """
        from pipeline.engine.cluster.forkserver import start_early

        start_early(config, resume, self.overrides, self.cluster)

    @contextlib.contextmanager
    def monitor(self) -> Iterator["Monitor"]:
        """Show progress on stderr and write events to the log, as far as the options ask for it."""
        from pipeline.monitoring.event_log import log_events
        from pipeline.monitoring.progress import Monitor

        gc.freeze()  # what was imported stays: looking through it for garbage holds up workers for 0.2 s each time
        monitor = Monitor(STARTED, self.quiet)
        with log_events(monitor.events, self.verbose, self.log):
            yield monitor

    def print(self, result: Any) -> None:
        """Print the result on stdout if ``--json`` was given."""
        print_json(result, self.as_json)


def cluster_options(workers: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of `ClusterOptions` to a subcommand, which gets them as the argument ``options``.

    Parameters
    ----------
    workers
        Whether ``--workers`` is one of them.
    """
    added = [
        click.option("--log", type=PATH, metavar="FILE", help="Append events to FILE, as JSON lines."),
        click.option("-v", "--verbose", is_flag=True, help="Show every event as a line on stderr."),
        click.option("-q", "--quiet", is_flag=True, help="Show only errors on stderr, and events if --verbose."),
        click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout, nothing else there."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override section.key; TOML."),
        click.option("--dashboard", metavar="ADDRESS", help="Where a local cluster's dashboard listens."),
        click.option("--workers", type=click.IntRange(min=0), help="Workers to start or to wait for; 0: threads only."),
        click.option("--scheduler", metavar="ADDRESS", help="A scheduler's address or file, module:Class, or local."),
    ]
    names = [field.name for field in fields(ClusterOptions)]
    if not workers:
        del added[-2]
        names.remove("workers")

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapped(*args: Any, **kwargs: Any) -> None:
            command(*args, options=ClusterOptions(**{name: kwargs.pop(name) for name in names}), **kwargs)

        for option in added:
            wrapped = option(wrapped)
        return wrapped

    return decorate


def print_json(result: Any, as_json: bool = True) -> None:
    """Print ``result`` on stdout for programs, without secrets, if ``as_json``."""
    if as_json:
        click.echo(json.dumps(redact(result), indent=2))
