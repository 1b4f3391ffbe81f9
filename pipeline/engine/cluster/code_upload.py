"""Uploading our code, and the user's modules, to a scheduler and workers that have only the dependencies."""

import hashlib
import importlib.util
import tempfile
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path

from distributed import Client
from distributed.diagnostics.plugin import SchedulerUploadFile, UploadFile

from pipeline.errors import ClusterError

# The files of a package that are uploaded: code, and the templates of the dashboard's page.
UPLOADED_SUFFIXES = (".py", ".html", ".css")
# Tells this process from every other one, on any host.
PROCESS_ID = uuid.uuid4().hex


def upload_code(client: Client, modules: Sequence[str]) -> None:
    """Upload this package, and the packages of ``modules``; workers that join later get them from the scheduler.

    Raises
    ------
    ClusterError
        A module cannot be found.
    """
    packages = list(dict.fromkeys(["pipeline", *(module.partition(".")[0] for module in modules)]))
    process_id = PROCESS_ID

    def forget_packages() -> bool:  # nested: it travels by value, without our code
        """Drop the packages, maybe older versions of an earlier run, unless this is the client's own process."""
        import sys

        if getattr(sys.modules.get("pipeline.engine.cluster.code_upload"), "PROCESS_ID", None) == process_id:
            return False
        for name in [n for n in sys.modules if n.partition(".")[0] in packages]:
            del sys.modules[name]
        return True

    with tempfile.TemporaryDirectory() as folder:
        archives = {package: str(_zip_package(package, Path(folder))) for package in packages}
        # One plugin name for each package: workers that join later get the latest upload alone.
        if client.run_on_scheduler(forget_packages):  # it needs the code for the dashboard's page
            for package, path in archives.items():
                client.register_plugin(SchedulerUploadFile(path), name=f"code-{package}")
        if all(client.run(forget_packages).values()):
            for package, path in archives.items():
                client.register_plugin(UploadFile(path), name=f"code-{package}")


def warm_up_workers(client: Client) -> None:
    """Import and compile everything on all workers at once, and not within their first tasks."""

    async def import_warmup() -> None:  # in a thread: a worker whose event loop is blocked is taken for dead
        import asyncio
        import importlib

        await asyncio.to_thread(importlib.import_module, "pipeline.training.worker_warmup")

    client.run(import_warmup)


def _zip_package(name: str, folder: Path) -> Path:
    """Write a module or a package as a zip file, and return its path."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ClusterError(f"module {name}: cannot be found to upload it to the workers; put it into this folder.")
    origin = Path(spec.origin)
    if not spec.submodule_search_locations:
        files = [(origin, origin.name)]
    else:
        root = origin.parent
        files = [(p, str(p.relative_to(root.parent))) for p in sorted(root.rglob("*")) if p.suffix in UPLOADED_SUFFIXES]
    # Named by content: a worker that has this very archive need not load it again, one with another must.
    digest = hashlib.sha256(b"".join(p.read_bytes() for p, _ in files)).hexdigest()[:12]
    target = folder / f"{name}-{digest}.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for path, archive_name in files:
            archive.write(path, archive_name)
    return target
