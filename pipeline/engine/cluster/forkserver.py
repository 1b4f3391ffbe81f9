"""The process that local workers are forked from: it has imported and compiled everything once.

Started first thing, it works on one core while the command imports on another; a worker that is forked from
it is ready at once, where a fresh interpreter would import for seconds inside its first task.
"""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config import section
from pipeline.engine.cluster.scheduler_spec import LOCAL
from pipeline.errors import PipelineError

# Dask has workers give memory back to the system at once, so that every array of every batch is made of
# new pages; letting glibc reuse up to 256 MiB of them made encoding and training 1.5 times as fast.
ALLOCATOR = {
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
# One thread a worker: what Dask sets for the workers it spawns.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def start_early(
    config: str | Path | None, resume: str | Path | None, overrides: tuple[str, ...], options: Mapping[str, Any]
) -> None:
    """Start it, unless what a run is configured by asks for another cluster, or for none.

    Parameters
    ----------
    config
        A config file, or the folder or the model of a run that was configured so. What is wrong with it is for others
        to say.
    resume
        The folder of an unfinished run.
    overrides, options
        As `pipeline.commands.run.run` takes them.
    """
    cluster = section("cluster", _written(config, resume), overrides)
    cluster |= {key: value for key, value in options.items() if value is not None}
    if cluster.get("scheduler") in (None, LOCAL) and cluster.get("workers") != 0:
        start()


def _written(config: str | Path | None, resume: str | Path | None) -> str:
    """The text of the config; empty where there is none."""
    try:
        if resume and not config:
            from pipeline.io.run_folder import BEGIN_FILE, RunFolder  # not before it is needed: it imports pyarrow

            return str(json.loads(RunFolder(str(resume)).read(BEGIN_FILE))["config"])
        path = Path(config or "")
        path = path.parent if path.suffix == ".skops" else path
        return (path / "config.toml" if path.is_dir() else path).read_text()
    except (OSError, ValueError, PipelineError):
        return ""


def start() -> None:
    """Start it, unless it runs; where the system has none, workers are spawned."""
    if METHOD != "forkserver":
        return
    from multiprocessing import forkserver

    multiprocessing.get_context(METHOD).set_forkserver_preload(["pipeline.training.worker_warmup"])
    wanted = {name: value for name, value in (ALLOCATOR | THREADS).items() if name not in os.environ}
    os.environ.update(wanted)  # both are read when a process starts, and the server's start is that of its workers
    # A ctrl-C in a terminal reaches every process: workers inherit that they ignore it, the command decides.
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        forkserver.ensure_running()
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)
        for name in wanted:
            del os.environ[name]
