"""What a worker must have before it can run a task of ours: the packages, in versions that go with ours."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from distributed import Client, WorkerPlugin

from pipeline.engine.cluster.version_check import (
    ALL_PARTS,
    NUMERIC_PACKAGES,
    WORKER_PARTS,
    check_protocol,
    find_mismatches,
    local_versions,
    reject_mismatches,
)
from pipeline.errors import ClusterError

# What a worker imports for a task of ours.
REQUIRED_PACKAGES = (
    *("dask_ml", "datasketches", "fsspec", "msgspec", "numba", "numpy", "pandas", "pyarrow", "scipy", "sklearn"),
    "tomli_w",
)
# The name of the plugin, and the topic of its events.
REJECT_BARE_WORKERS = "pipeline-reject-bare-workers"


def check_workers(client: Client) -> list[str]:
    """Check packages and versions of all workers; return notices about versions that may compute other bits.

    Raises
    ------
    ClusterError
        A worker lacks a package, or has a version that does not go with ours.
    """
    check_protocol(client)
    required, compared = REQUIRED_PACKAGES, tuple(local_versions())

    def packages_and_versions() -> tuple[list[str], dict[str, str]]:  # nested: it travels by value, without our code
        import importlib.metadata
        import importlib.util
        import platform

        missing = [name for name in required if importlib.util.find_spec(name) is None]
        versions = {"python": platform.python_version()}
        if not missing:
            versions |= {name: importlib.metadata.version(name) for name in compared if name != "python"}
        return missing, versions

    answers = client.run(packages_and_versions)
    for worker, (missing, _) in answers.items():
        if missing:
            raise ClusterError(f"worker {worker}: lacks the package {missing[0]}; install it there.")
    versions = {f"worker {worker}": versions for worker, (_, versions) in answers.items()}
    reject_mismatches(find_mismatches(WORKER_PARTS, versions))
    notices = (
        f"versions    {package} {remote} on {worker}, {local} here: the last digits may differ"
        for package, local, remote, worker in find_mismatches(dict.fromkeys(NUMERIC_PACKAGES, ALL_PARTS), versions)
    )
    return list(dict.fromkeys(notices))


@contextlib.contextmanager
def reject_bare_workers(client: Client, on_notice: Callable[[str], None]) -> Iterator[None]:
    """Within the block, have a worker leave that joins and lacks a package; pass a notice of it to ``on_notice``.

    Its first task would kill it, and lose the tasks that wait there. The plugin travels by value, as such a worker
    cannot import ours.
    """
    required = REQUIRED_PACKAGES

    class RejectBareWorkers(WorkerPlugin):
        name = REJECT_BARE_WORKERS

        def setup(self, worker: Any) -> None:
            import importlib.util

            missing = [name for name in required if importlib.util.find_spec(name) is None]
            if missing:
                worker.log_event(REJECT_BARE_WORKERS, {"worker": worker.address, "package": missing[0]})
                worker.loop.call_later(0, lambda: worker.close(nanny=True, reason=f"lacks the package {missing[0]}"))

    def pass_on(event: tuple[float, dict[str, str]]) -> None:
        rejected = event[1]
        worker, package = rejected["worker"], rejected["package"]
        on_notice(f"warning     worker {worker} joined, lacks the package {package} and was rejected")

    client.subscribe_topic(REJECT_BARE_WORKERS, pass_on)
    client.register_plugin(RejectBareWorkers())
    try:
        yield
    finally:
        # The scheduler may be gone, which `detect_lost_scheduler` reports. A call to a client that is being closed may
        # wait forever: its event loop stops.
        if client.status == "running":
            with contextlib.suppress(Exception):
                client.unregister_worker_plugin(REJECT_BARE_WORKERS)
                client.unsubscribe_topic(REJECT_BARE_WORKERS)
