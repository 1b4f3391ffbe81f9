"""Imports go one way along the flow."""

import ast
from pathlib import Path

# A module imports only from those to its left.
ORDER = [
    "errors",
    "redact",
    "events",
    "log",
    "urls",
    "patience",
    "storage",
    "config",
    "space",
    "halving",
    "folder",
    "interrupt",
    "scheduler",
    "forkserver",
    "filters",
    "footers",
    "source",
    "ranges",
    "cut",
    "read",
    "expressions",
    "prepare",
    "columns",
    "features",
    "split",
    "slices",
    "sides",
    "matrix",
    "tokens",
    "pack",
    "statistics",
    "stages",
    "segments",
    "encode",
    "drift",
    "adaptive",
    "lanes",
    "calibration",
    "boosted",
    "blockwise",
    "metrics",
    "models",
    "plan",
    "importance",
    "evaluate",
    "train",
    "aggregate",
    "ledger",
    "live",
    "security",
    "contact",
    "versions",
    "sending",
    "threads",
    "placing",
    "cluster",
    "watch",
    "progress",
    "tasks",
    "rounds",
    "artefact",
    "baselines",
    "findings",
    "warm",
    "cost",
    "trace",
    "scaling",
    "curve",
    "terminal",
    "page",
    "card",
    "report",
    "label",
    "scoring",
    "scoreplan",
    "learned",
    "onwards",
    "checkpoint",
    "supply",
    "blame",
    "whole",
    "pool",
    "abreast",
    "trials",
    "search",
    "job",
    "shuffle",
    "datasets",
    "run",
    "assess",
    "predict",
    "onnx_model",
    "check",
    "study",
    "scale",
    "compare",
    "served",
    "export",
    "cli",
]
PACKAGE = Path(__file__).parent.parent / "pipeline"


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "pipeline":
                found |= {alias.name for alias in node.names}
            elif node.module.startswith("pipeline."):
                found.add(node.module.split(".")[1])
    return found - {"__version__"}


def test_every_module_has_its_place_and_imports_only_what_lies_upstream():
    rooms = {p.stem for p in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    rooms |= {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(ORDER)
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room.startswith("__"):
            continue
        later = {name for name in imported(path) if ORDER.index(name) > ORDER.index(room)}
        assert not later, f"{path.name} imports {later}"


def test_only_the_edges_know_dask():
    edges = {
        "cluster.py",
        "contact.py",
        "placing.py",
        "plugin.py",
        "predict.py",
        "serve.py",
        "watch.py",
        "worker.py",
        "job.py",
        "pool.py",
        "progress.py",
        "rounds.py",
        "security.py",
        "sending.py",
        "shuffle.py",
        "study.py",
        "supply.py",
        "tasks.py",
        "threads.py",
        "trace.py",
        "trials.py",
        "train.py",
        "versions.py",
        "warm.py",
        "whole.py",
    }
    for path in PACKAGE.rglob("*.py"):
        names = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        }
        assert path.name in edges or not names & {"dask", "distributed", "dask_ml"}, path
