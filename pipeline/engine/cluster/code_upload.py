"""Sending: our code, and the user's, to workers that have only the dependencies."""

import contextlib
import hashlib
import importlib.util
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from distributed import Client, WorkerPlugin
from distributed.diagnostics.plugin import SchedulerUploadFile, UploadFile

from pipeline.engine.cluster.version_check import (
    AGREE_ON_WORKERS,
    EXACT,
    WHOLE,
    check_protocol,
    differences,
    here,
    refuse,
)
from pipeline.errors import ClusterError

# What a worker needs to import before it can run a task of ours.
REQUIRED = (
    *("dask_ml", "datasketches", "fsspec", "msgspec", "numba", "numpy", "pandas", "pyarrow", "scipy", "sklearn"),
    "tomli_w",
)

# Files of a package that are sent: its code, and the templates of the page that the scheduler shows.
SENT = (".py", ".html", ".css")
# The plugin, and the topic of its events.
REJECT_BARE_WORKERS = "pipeline-doorkeeper"
# Tells this process from any other, on whatever host.
HERE = uuid.uuid4().hex


def send_code(client: Client, modules: Sequence[str]) -> list[str]:
    """Put this package, and the user's modules, on workers that have only the dependencies; notes on versions.

    Workers that join later get them from the scheduler. The probe and the clearing are nested functions, so they travel
    by value: nothing of ours is there yet.

    Raises
    ------
    ClusterError
        A worker lacks a package, or one side has versions that the other does not understand.
    """
    check_protocol(client)
    required, compared = REQUIRED, tuple(here())

    def found() -> tuple[list[str], dict[str, str]]:
        import importlib.metadata
        import importlib.util
        import platform

        missing = [name for name in required if importlib.util.find_spec(name) is None]
        versions = {"python": platform.python_version()}
        if not missing:
            versions |= {name: importlib.metadata.version(name) for name in compared if name != "python"}
        return missing, versions

    answers = client.run(found)
    for worker, (names, _) in answers.items():
        if names:
            raise ClusterError(f"worker {worker}: lacks the package {names[0]}; install it there.")
    versions = {f"worker {worker}": versions for worker, (_, versions) in answers.items()}
    refuse(differences(AGREE_ON_WORKERS, versions))
    notes: dict[str, None] = {}
    for name, own, other, place in differences(dict.fromkeys(EXACT, WHOLE), versions):
        notes[f"versions    {name} {other} on {place}, {own} here: the last digits may differ"] = None
    packages = list(dict.fromkeys(["pipeline", *(module.partition(".")[0] for module in modules)]))
    process = HERE

    def forget() -> bool:
        """Whether this is another process; an earlier run may have left an older version of the code there."""
        import sys

        if getattr(sys.modules.get("pipeline.engine.cluster.code_upload"), "HERE", None) == process:
            return False
        for name in [n for n in sys.modules if n.partition(".")[0] in packages]:
            del sys.modules[name]
        return True

    with tempfile.TemporaryDirectory() as folder:
        zips = {package: str(_zip_module(package, Path(folder))) for package in packages}
        # One name for each package: workers that join later get what was sent last, and nothing before it.
        if client.run_on_scheduler(forget):  # which has it for what it shows of a run
            for package, path in zips.items():
                client.register_plugin(SchedulerUploadFile(path), name=f"code-{package}")
        if all(client.run(forget).values()):
            for package, path in zips.items():
                client.register_plugin(UploadFile(path), name=f"code-{package}")

    async def warm() -> None:  # beside the event loop: a worker that is not heard of for long is taken for dead
        import asyncio
        import importlib

        await asyncio.to_thread(importlib.import_module, "pipeline.training.worker_warmup")

    client.run(warm)  # imports and compiles on all workers at once, and not inside their first tasks
    return list(notes)


@contextlib.contextmanager
def reject_bare_workers(client: Client, say: Callable[[str], None]) -> Iterator[None]:
    """As long as this lasts, a worker that joins and lacks a package is told of and leaves.

    It would die of the first task that it is given, with the tasks that wait there. The plugin travels by value, as
    such a worker cannot import ours.
    """
    required = REQUIRED

    class RejectBareWorkers(WorkerPlugin):
        name = REJECT_BARE_WORKERS

        def setup(self, worker: Any) -> None:
            import importlib.util

            missing = [name for name in required if importlib.util.find_spec(name) is None]
            if missing:
                worker.log_event(REJECT_BARE_WORKERS, {"worker": worker.address, "package": missing[0]})
                worker.loop.call_later(0, lambda: worker.close(nanny=True, reason=f"lacks the package {missing[0]}"))

    def tell(event: tuple[float, dict[str, str]]) -> None:
        told = event[1]
        say(f"warning     worker {told['worker']} joined, lacks the package {told['package']} and was turned away")

    client.subscribe_topic(REJECT_BARE_WORKERS, tell)
    client.register_plugin(RejectBareWorkers())
    try:
        yield
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone, which is told elsewhere
            client.unregister_worker_plugin(REJECT_BARE_WORKERS)
            client.unsubscribe_topic(REJECT_BARE_WORKERS)


def _zip_module(name: str, folder: Path) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ClusterError(f"module {name}: cannot be found to send it to the workers; put it into this folder.")
    origin = Path(spec.origin)
    if not spec.submodule_search_locations:
        files = [(origin, origin.name)]
    else:
        root = origin.parent
        files = [(p, str(p.relative_to(root.parent))) for p in sorted(root.rglob("*")) if p.suffix in SENT]
    # Named by content: a worker that has this very zip already is served, one with another is not fooled.
    digest = hashlib.sha256(b"".join(p.read_bytes() for p, _ in files)).hexdigest()[:12]
    target = folder / f"{name}-{digest}.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for path, arcname in files:
            archive.write(path, arcname)
    return target
