"""Versions: what differs between this process and a cluster, found before any code of ours runs there."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from distributed import Client

from pipeline.errors import ClusterError
from pipeline.notices import listed

# How many leading parts of a version must be equal for both sides to understand each other's values and tasks.
PROTOCOL_PARTS = {"python": 2, "dask": 2, "distributed": 2, "cloudpickle": 1, "msgpack": 1}
# The same of packages that only workers need: they receive values of a config's types, and trained models.
WORKER_PARTS = {"msgspec": 2, "dask-ml": 1}
# Packages of which another version may compute other bits.
NUMERIC_PACKAGES = ("numpy", "pandas", "pyarrow", "scikit-learn", "numba", "dask-ml")
# More parts than any version has: the versions must be equal.
ALL_PARTS = 9


class VersionMismatch(NamedTuple):
    """A package whose version in a process of the cluster does not go with the version in this process."""

    package: str
    local: str
    remote: str
    process: str
    """``scheduler``, or ``worker`` and its address."""


def local_versions() -> dict[str, str]:
    """Return the versions in this process of Python and of all packages that are compared."""
    packages = {*PROTOCOL_PARTS, *WORKER_PARTS, *NUMERIC_PACKAGES} - {"python"}
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}


def check_protocol(client: Client) -> None:
    """Check that scheduler and workers understand what is sent to them; Dask answers this itself, without our code.

    Raises
    ------
    ClusterError
        They do not; `details` has a table of the versions.
    """
    answer = client.get_versions()
    workers = {f"worker {address}": info for address, info in answer["workers"].items()}
    processes = {"scheduler": answer["scheduler"]} | workers
    versions = {process: info["packages"] for process, info in processes.items() if info}
    reject_mismatches(find_mismatches(PROTOCOL_PARTS, versions))


def find_mismatches(parts: Mapping[str, int], versions: Mapping[str, Mapping[str, str]]) -> list[VersionMismatch]:
    """Return the mismatches between this process and others.

    Parameters
    ----------
    parts
        How many leading parts of each package's version must be equal.
    versions
        The versions by process and package; packages that a process does not have are left out.
    """
    local = local_versions()
    return [
        VersionMismatch(package, local[package], remote[package], process)
        for process, remote in versions.items()
        for package, count in parts.items()
        if remote.get(package) and remote[package].split(".")[:count] != local[package].split(".")[:count]
    ]


def reject_mismatches(mismatches: Sequence[VersionMismatch]) -> None:
    """Raise the mismatches as one error, if there are any.

    Raises
    ------
    ClusterError
        One sentence, with a table in its `details`.
    """
    if not mismatches:
        return
    packages = ", ".join(dict.fromkeys(mismatch.package for mismatch in mismatches))
    error = ClusterError(
        f"{mismatches[0].process}: has other versions than this side of {packages}; install the same on both."
    )
    error.details = mismatch_table(mismatches)
    raise error


def mismatch_table(mismatches: Sequence[VersionMismatch]) -> str:
    """Return the mismatches as a table; processes with the same versions share a line.

    >>> a = VersionMismatch("dask", "2026.8.0", "2026.1.2", "worker a")
    >>> print(mismatch_table([a, a._replace(process="worker b")]))
    package  here      there     where
    dask     2026.8.0  2026.1.2  worker a and 1 more
    """
    processes: dict[tuple[str, str, str], list[str]] = {}
    for package, local, remote, process in mismatches:
        processes.setdefault((package, local, remote), []).append(process)
    lines = [("package", "here", "there", "where")]
    lines += [(*versions, listed(names, 1)) for versions, names in processes.items()]
    widths = [max(len(line[i]) for line in lines) for i in range(3)]
    return "\n".join("  ".join([*(f"{line[i]:<{widths[i]}}" for i in range(3)), line[3]]) for line in lines)
