"""The process that local workers are forked from: it has imported and compiled everything once.

Started first thing, it works on one core while the command imports on another; a worker that is forked from
it is ready at once, where a fresh interpreter would import for seconds inside its first task.
"""

import multiprocessing
import os
import signal
import threading

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


def start() -> None:
    """Start it, unless it runs; where the system has none, workers are spawned."""
    if METHOD != "forkserver":
        return
    from multiprocessing import forkserver

    multiprocessing.get_context(METHOD).set_forkserver_preload(["pipeline.warm"])
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
