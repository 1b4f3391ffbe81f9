"""Versions: what differs between here and a cluster, before anything of ours runs there."""

import importlib.metadata
import platform
from collections.abc import Iterable, Mapping

from distributed import Client

from pipeline.errors import ClusterError

# How many parts of a version must agree for values and tasks to be understood on the other side.
AGREE = {"python": 2, "dask": 2, "distributed": 2, "cloudpickle": 1, "msgpack": 1}
# Packages that workers alone need: of ours they get values of a config's types, and learned models.
AGREE_ON_WORKERS = {"msgspec": 2, "dask-ml": 1}
# Packages of which another version may give other bits.
EXACT = ("numpy", "pandas", "pyarrow", "scikit-learn", "numba", "dask-ml")

# All parts of a version.
WHOLE = 9

Difference = tuple[str, str, str, str]


def here() -> dict[str, str]:
    """Of Python and all packages that are compared."""
    packages = {*AGREE, *AGREE_ON_WORKERS, *EXACT} - {"python"}
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}


def check_protocol(client: Client) -> None:
    """That scheduler and workers can understand what is sent; asked in Dask's own words, which run no code of ours.

    Raises
    ------
    ClusterError
        They cannot, with a table of all differences that matter.
    """
    found = client.get_versions()
    places = {"scheduler": found["scheduler"]} | {f"worker {name}": told for name, told in found["workers"].items()}
    versions = {place: told["packages"] for place, told in places.items() if told}
    refuse(differences(AGREE, versions))


def differences(agree: Mapping[str, int], places: Mapping[str, Mapping[str, str]]) -> list[Difference]:
    """(package, here, there, place) of each version that does not agree in so many parts."""
    own = here()
    return [
        (name, own[name], versions[name], place)
        for place, versions in places.items()
        for name, parts in agree.items()
        if versions.get(name) and versions[name].split(".")[:parts] != own[name].split(".")[:parts]
    ]


def refuse(found: list[Difference]) -> None:
    """Raise the differences as an error, if there are any.

    Raises
    ------
    ClusterError
        A sentence, and a table of them in its `details`.
    """
    if not found:
        return
    named = ", ".join(dict.fromkeys(name for name, *_ in found))
    error = ClusterError(f"{found[0][3]}: has other versions than this side of {named}; install the same on both.")
    error.details = table(found)
    raise error


def table(found: Iterable[Difference]) -> str:
    """Differences in columns; places that differ alike share a line.

    >>> print(table([("dask", "2026.8.0", "2026.1.2", "worker a"), ("dask", "2026.8.0", "2026.1.2", "worker b")]))
    package  here      there     where
    dask     2026.8.0  2026.1.2  worker a and 1 more
    """
    alike: dict[tuple[str, str, str], list[str]] = {}
    for name, own, other, place in found:
        alike.setdefault((name, own, other), []).append(place)
    lines = [("package", "here", "there", "where")]
    lines += [
        (*key, f"{places[0]} and {len(places) - 1} more" if len(places) > 1 else places[0])
        for key, places in alike.items()
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(3)]
    return "\n".join("  ".join([*(f"{line[i]:<{widths[i]}}" for i in range(3)), line[3]]) for line in lines)
