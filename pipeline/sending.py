"""Sending: our code, and the user's, to workers that have only the dependencies."""

import hashlib
import importlib.util
import tempfile
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path

from distributed import Client

from pipeline.errors import ClusterError

# What a worker needs to import before it can run a task of ours.
REQUIRED = (
    *("dask_ml", "datasketches", "fsspec", "msgspec", "numba", "numpy", "pandas", "pyarrow", "scipy", "sklearn"),
    "tomli_w",
)
# Packages of which another version may give other bits.
EXACT = ("numpy", "pandas", "pyarrow", "scikit-learn", "numba", "dask-ml")

# Files of a package that are sent: its code, and the templates of the page that the scheduler shows.
SENT = (".py", ".html", ".css")
# Tells this process from any other, on whatever host.
HERE = uuid.uuid4().hex


def send_code(client: Client, modules: Sequence[str]) -> list[str]:
    """Put this package, and the user's modules, on workers that have only the dependencies; notes on versions.

    The probe and the clearing are nested functions, so they travel by value: nothing of ours is there yet.
    """
    required, exact = REQUIRED, EXACT

    def found() -> tuple[list[str], dict[str, str]]:
        import importlib.metadata
        import importlib.util
        import platform

        missing = [name for name in required if importlib.util.find_spec(name) is None]
        versions = {"python": platform.python_version()}
        if not missing:
            versions |= {name: importlib.metadata.version(name) for name in exact}
        return missing, versions

    notes: dict[str, None] = {}
    _, own = found()
    for worker, (names, versions) in client.run(found).items():
        if names:
            raise ClusterError(f"worker {worker}: lacks the package {names[0]}; install it there.")
        if versions["python"].split(".")[:2] != own["python"].split(".")[:2]:
            raise ClusterError(
                f"worker {worker}: has Python {versions['python']}, this is {own['python']}; use one on both sides."
            )
        for name, version in versions.items():
            if version != own[name]:
                notes[f"versions    {name} {version} on {worker}, {own[name]} here: the last digits may differ"] = None
    packages = list(dict.fromkeys(["pipeline", *(module.partition(".")[0] for module in modules)]))

    here = HERE

    def forget() -> None:
        import sys

        if getattr(sys.modules.get("pipeline.sending"), "HERE", None) == here:
            return  # this very process

        for name in [n for n in sys.modules if n.partition(".")[0] in packages]:
            del sys.modules[name]

    client.run(forget)  # an earlier run may have left an older version of the code
    client.run_on_scheduler(forget)  # which has it for what it shows of a run
    with tempfile.TemporaryDirectory() as folder:
        for package in packages:
            client.upload_file(str(_zip_module(package, Path(folder))))

    def warm() -> None:
        import pipeline.warm  # noqa: F401

    client.run(warm)  # imports and compiles on all workers at once, and not inside their first tasks
    return list(notes)


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
