"""The process that local workers are forked from: it has imported and compiled everything once.

A command starts it first, so that it imports on one core while the command imports on another. A worker that is forked
from it is ready at once; a fresh interpreter would import for seconds within its first task.
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

# By Dask's default a worker returns freed memory to the system at once, and each array of each batch needs new pages.
# With up to 256 MiB that glibc reuses, encoding and training were 1.5 times as fast.
ALLOCATOR = {
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
# One thread for each worker, as Dask sets it for workers that it spawns.
SINGLE_THREADED = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Without it the server, a `python -c`, would import a module of the working folder that is named as one of ours.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def start_early(
    config: str | Path | None, resume: str | Path | None, overrides: tuple[str, ...], options: Mapping[str, Any]
) -> None:
    """Start the server process if the run will use a local cluster.

    Parameters
    ----------
    config
        A config file, or the folder or the model of a run, which has one. Mistakes in it are ignored; the command
        reports them.
    resume
        The folder of an unfinished run.
    overrides, options
        As `pipeline.commands.run.run` takes them.
    """
    cluster = section("cluster", _config_text(config, resume), overrides)
    cluster |= {key: value for key, value in options.items() if value is not None}
    if cluster.get("scheduler") in (None, LOCAL) and cluster.get("workers") != 0:
        start()


def _config_text(config: str | Path | None, resume: str | Path | None) -> str:
    """Return the text of the config; empty if there is none."""
    try:
        if resume and not config:
            from pipeline.io.run_folder import BEGIN_FILE, RunFolder  # imported late, as it imports pyarrow

            return str(json.loads(RunFolder(str(resume)).read(BEGIN_FILE))["config"])
        path = Path(config or "")
        path = path.parent if path.suffix == ".skops" else path
        return (path / "config.toml" if path.is_dir() else path).read_text()
    except (OSError, ValueError, PipelineError):
        return ""


def start() -> None:
    """Start the server process, unless it runs already; workers are spawned on systems without fork servers."""
    if METHOD != "forkserver":
        return
    from multiprocessing import forkserver

    multiprocessing.get_context(METHOD).set_forkserver_preload(["pipeline.training.worker_warmup"])
    wanted = ALLOCATOR | SINGLE_THREADED | SAFE_PATH
    variables = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(variables)  # libraries read them when a process starts; forked workers start with the server
    # A ctrl-C in a terminal reaches every process. Workers inherit that they ignore it: the command decides.
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    try:
        forkserver.ensure_running()
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, handler)
        for name in variables:
            del os.environ[name]
