"""The cluster: a local one or a scheduler somewhere, with our code on its workers.

Every contact with `distributed` that is not a task goes through here.
"""

import contextlib
import hashlib
import importlib.util
import logging
import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster

from pipeline import config as cfg
from pipeline import forkserver
from pipeline.errors import ClusterError

# What a worker needs to import before it can run a task of ours.
REQUIRED = (
    *("dask_ml", "datasketches", "fsspec", "msgspec", "numba", "numpy", "pandas", "pyarrow", "scipy", "sklearn"),
    "tomli_w",
)


def _local_settings() -> dict[str, Any]:
    """Dask's configuration for workers of our own; what the user's configuration sets stays."""
    environ = dict(dask.config.get("distributed.nanny.pre-spawn-environ"))
    if environ.get("MALLOC_TRIM_THRESHOLD_") == 65536:  # Dask's default
        del environ["MALLOC_TRIM_THRESHOLD_"]
    return {
        "distributed.nanny.pre-spawn-environ": forkserver.ALLOCATOR | environ,
        "distributed.worker.multiprocessing-method": forkserver.METHOD,
    }


@dataclass(frozen=True)
class Session:
    """A connected client and what the report says about its cluster."""

    client: Client
    workers: int
    threads: int
    memory: int
    """Bytes, all workers together; 0 where they have no limit."""

    @property
    def scheduler(self) -> str:
        return str(self.client.scheduler_info(n_workers=0)["address"])

    @property
    def dashboard(self) -> str:
        return str(self.client.dashboard_link or "")


@contextlib.contextmanager
def connect(config: cfg.Cluster, modules: Sequence[str] = ()) -> Iterator[Session]:
    """A session on ``config.scheduler``, or on a `LocalCluster` that is closed on every way out.

    Raises
    ------
    ClusterError
        The scheduler does not answer in time, has no workers, or a worker lacks a package.
    """
    with contextlib.ExitStack() as stack:
        if config.scheduler is None:
            forkserver.start()
            stack.enter_context(dask.config.set(_local_settings()))
            # Dask's own default would bind the dashboard to every interface.
            cluster = LocalCluster(
                n_workers=config.workers or os.cpu_count() or 1,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=config.dashboard,
                silence_logs=logging.CRITICAL,  # an error reaches the client, which says it in one sentence
            )
            stack.enter_context(cluster)
            client = stack.enter_context(Client(cluster, timeout=config.timeout))
        else:
            client = stack.enter_context(_join(config))
            _send_code(client, modules)
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        threads = sum(w["nthreads"] for w in workers)
        yield Session(client, len(workers), threads, sum(w["memory_limit"] or 0 for w in workers))


def _join(config: cfg.Cluster) -> Client:
    assert config.scheduler is not None
    try:
        client = Client(config.scheduler, timeout=config.timeout)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"{config.scheduler}: no scheduler answered within {config.timeout:g} s ({type(error).__name__}); "
            "start one with `dask scheduler` or correct the address."
        ) from None
    try:
        client.wait_for_workers(config.workers or 1, timeout=config.timeout)
    except TimeoutError:
        client.close()
        raise ClusterError(
            f"{config.scheduler}: fewer than {config.workers or 1} workers joined within {config.timeout:g} s; "
            "start them with `dask worker`."
        ) from None
    return client


def _send_code(client: Client, modules: Sequence[str]) -> None:
    """Put this package, and the user's modules, on workers that have only the dependencies.

    The probe and the clearing are nested functions, so they travel by value: nothing of ours is there yet.
    """
    required = REQUIRED

    def missing() -> list[str]:
        import importlib.util

        return [name for name in required if importlib.util.find_spec(name) is None]

    for worker, names in client.run(missing).items():
        if names:
            raise ClusterError(f"worker {worker}: lacks the package {names[0]}; install it there.")
    packages = list(dict.fromkeys(["pipeline", *(module.partition(".")[0] for module in modules)]))

    def forget() -> None:
        import sys

        for name in [n for n in sys.modules if n.partition(".")[0] in packages]:
            del sys.modules[name]

    client.run(forget)  # an earlier run may have left an older version of the code
    with tempfile.TemporaryDirectory() as folder:
        for package in packages:
            client.upload_file(str(_zip_module(package, Path(folder))))

    def warm() -> None:
        import pipeline.warm  # noqa: F401

    client.run(warm)  # imports and compiles on all workers at once, and not inside their first tasks


def _zip_module(name: str, folder: Path) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ClusterError(f"module {name}: cannot be found to send it to the workers; put it into this folder.")
    origin = Path(spec.origin)
    if not spec.submodule_search_locations:
        files = [(origin, origin.name)]
    else:
        root = origin.parent
        files = [(p, str(p.relative_to(root.parent))) for p in sorted(root.rglob("*.py"))]
    # Named by content: a worker that has this very zip already is served, one with another is not fooled.
    digest = hashlib.sha256(b"".join(p.read_bytes() for p, _ in files)).hexdigest()[:12]
    target = folder / f"{name}-{digest}.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for path, arcname in files:
            archive.write(path, arcname)
    return target
