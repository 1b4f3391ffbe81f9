"""The public names of the package, and what importing it imports."""

import importlib
import subprocess
import sys

import pytest

import pipeline

SOURCES = {
    "AdaptiveClassifier": "pipeline.models.adaptive.classifier",
    "AdaptiveRegressor": "pipeline.models.adaptive.regressor",
    "Additive": "pipeline.metrics.additive",
    "load": "pipeline.models.persistence",
    "run": "pipeline.commands.run",
}


def imported_by(code: str) -> set[str]:
    """The top-level packages that a new process has imported after running ``code``."""
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {show}"], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_imports_neither_dask_nor_pandas():
    heavy = {"dask", "distributed", "dask_ml", "pandas", "numpy", "sklearn", "pyarrow"}
    assert not imported_by("import pipeline; dir(pipeline)") & heavy


@pytest.mark.parametrize("name", pipeline.__all__)
def test_a_public_name_is_that_of_its_module(name):
    assert getattr(pipeline, name) is getattr(importlib.import_module(SOURCES[name]), name)


def test_all_public_names_are_listed():
    assert SOURCES.keys() == set(pipeline.__all__)
    assert set(pipeline.__all__) <= set(dir(pipeline))
    namespace: dict = {}
    exec("from pipeline import *", namespace)
    assert SOURCES.keys() <= namespace.keys()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'pipeline' has no attribute 'fit'"):
        pipeline.fit  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'fit'"):
        exec("from pipeline import fit")


def test_modules_of_the_package_are_still_found_as_attributes():
    assert importlib.import_module("pipeline.metrics") is pipeline.metrics
