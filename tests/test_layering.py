"""Imports go one way: from room to room, and from module to module."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pipeline"

# A room imports only from itself and from the rooms above it.
ROOMS = [
    "errors",
    "notices",
    "io",
    "config",
    "preparation",
    "statistics",
    "data_quality",
    "encoding",
    "models",
    "metrics",
    "evaluation",
    "planning",
    "monitoring",
    "engine",
    "training",
    "model_selection",
    "scaling_study",
    "inference",
    "reporting",
    "datasets",
    "commands",
    "cli",
    "__main__",
]
# Where code that runs inside a scheduler or a worker, or talks to one, may stand.
KNOWS_DISTRIBUTED = ("engine/", "monitoring/dashboard/")
KNOWS_DASK = (*KNOWS_DISTRIBUTED, "training/lane.py")  # dask-ml's `Incremental` is what a lane is


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    named = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def imports_of(path: Path) -> Iterator[str]:
    """What a module imports, anywhere in it, by dotted names; a name of a package's may be a module of it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_room_has_its_place():
    assert {room_of(path) for path in PACKAGE.rglob("*.py")} == {*ROOMS, "__init__"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_from_the_rooms_above_it(room):
    for path in PACKAGE.rglob("*.py"):
        if room_of(path) == room:
            used = {name.split(".")[1] for name in imports_of(path) if name.startswith("pipeline.")} & set(ROOMS)
            below = {name for name in used if ROOMS.index(name) > ROOMS.index(room)}
            assert not below, f"{path.relative_to(PACKAGE)} imports {below}"


def test_no_modules_import_each_other_in_a_circle():
    named = modules()
    used = {name: set(imports_of(path)) & named.keys() - {name, "pipeline"} for name, path in named.items()}
    graphlib.TopologicalSorter(used).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    ("packages", "places"), [({"distributed"}, KNOWS_DISTRIBUTED), ({"dask", "dask_ml"}, KNOWS_DASK)]
)
def test_dask_is_known_in_one_room(packages, places):
    for path in PACKAGE.rglob("*.py"):
        where = str(path.relative_to(PACKAGE))
        if not where.startswith(places):
            found = {name.split(".")[0] for name in imports_of(path)} & packages
            assert not found, f"{where} imports {found}"


def test_every_room_says_what_belongs_there():
    for path in PACKAGE.glob("*/__init__.py"):
        said = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert "Belongs here:" in said, path
        assert "May import:" in said, path
        assert "\n\nTo " in said, path
