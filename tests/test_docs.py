"""README, command line and config agree."""

import re
from pathlib import Path
from typing import get_type_hints

import click
import msgspec
import pytest

from pipeline.cli import main
from pipeline.config import Config, parse

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def options(command: click.Command) -> set[str]:
    return {o for p in command.params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")}


def test_every_option_is_described_and_every_described_option_exists():
    table = set(re.findall(r"^\| `(--[\w-]+)", README, flags=re.MULTILINE))
    commands = [command for command in main.commands.values() if not isinstance(command, click.Group)]
    assert table == set().union(*map(options, commands))


def test_every_command_is_described():
    named = set(re.findall(r"^\| `pipeline ([a-z]+)", README, flags=re.MULTILINE))
    assert named == set(main.commands)


def test_every_config_key_is_described_and_every_described_key_exists():
    keys = {f"{section}.{key}" for section, struct in get_type_hints(Config).items() for key in get_type_hints(struct)}
    described = set()
    for line in README.partition("## The config")[2].partition("\n## ")[0].splitlines():
        cell = re.match(r"\| (`.*?`) \|", line)
        described |= set(re.findall(r"`(\w+\.\w+)`", cell.group(1))) if cell else set()
    assert described == keys


def test_defaults_in_the_readme_are_those_of_the_config():
    config = parse({"data": {"path": "p", "label": "y"}})
    for section, key, value in re.findall(r'^\| `(\w+)\.(\w+)` \| `?("\w+"|[\d.]+)`? \|', README, flags=re.MULTILINE):
        actual = getattr(getattr(config, section), key)
        assert str(actual) == value.strip('"') or float(value) == actual, (section, key)


def test_the_example_config_is_valid():
    import tomllib

    text = re.search(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    assert text
    assert isinstance(parse(tomllib.loads(text.group(1))), msgspec.Struct)


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml", ".ci/run"])
def test_no_registry_host_is_named(name):
    assert "://" not in (ROOT / name).read_text()


def test_every_dependency_is_pinned():
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    project = (ROOT / "pyproject.toml").read_text()
    wanted = re.findall(r'"([a-z0-9-]+)(?:\[[\w,]+\])?>=', project)
    elsewhere = {"setuptools", "mlflow"}  # mlflow wants an older pyarrow than is pinned
    assert set(wanted) - elsewhere <= {p.replace("_", "-") for p in pinned}


def test_the_metric_of_the_readme_works():
    import numpy as np

    from pipeline.metrics.prediction import Prediction

    source = re.search(r"```python\n(from pipeline.metrics import Additive.*?)```", README, flags=re.DOTALL)
    assert source
    names: dict = {}
    exec(source.group(1), names)
    cost = names["Cost"]
    state = cost.of(Prediction(np.array([0, 1]), np.array([1, 0]))).merge(
        cost.of(Prediction(np.array([1, 1]), np.array([1, 1])))
    )
    assert state.result() == {"cost": 6 / 4}
