import json

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.engine.cluster import forkserver
from pipeline.io.run_folder import BEGIN_FILE

NONE = "[cluster]\nworkers = 0\n"
FAR = '[cluster]\nscheduler = "tcp://h:1"\n'


@pytest.fixture
def started(monkeypatch) -> list[bool]:
    starts: list[bool] = []
    monkeypatch.setattr(forkserver, "start", lambda: starts.append(True))
    return starts


@pytest.mark.parametrize(
    ("text", "overrides", "options", "local"),
    [
        ("", (), {}, True),
        ("no TOML", (), {}, True),
        ("cluster = 1", (), {}, True),
        ("[cluster]\nworkers = [1, 2]\n", (), {"scheduler": None, "workers": None}, True),
        ('[cluster]\nscheduler = "local"\n', (), {}, True),
        (NONE, (), {}, False),
        (NONE, (), {"workers": 2}, True),
        (NONE, ("cluster.workers=2",), {}, True),
        ("", ("cluster.workers=0",), {}, False),
        ("", (), {"workers": 0}, False),
        (FAR, (), {}, False),
        (FAR, (), {"scheduler": "local"}, True),
        ("", (), {"scheduler": "m:Class"}, False),
    ],
)
def test_it_starts_early_where_the_workers_will_be_this_machines(tmp_path, started, text, overrides, options, local):
    (tmp_path / "config.toml").write_text(text)
    for place in (tmp_path / "config.toml", str(tmp_path), tmp_path / "model.skops"):
        forkserver.start_early(place, None, overrides, options)
    assert started == [True] * 3 * local


def test_a_run_that_goes_on_is_asked_how_it_began(tmp_path, started):
    forkserver.start_early(None, tmp_path, (), {})
    forkserver.start_early(None, None, (), {})
    assert len(started) == 2, "nothing is written there"
    (tmp_path / BEGIN_FILE).parent.mkdir()
    (tmp_path / BEGIN_FILE).write_text(json.dumps({"config": NONE}))
    forkserver.start_early(None, tmp_path, (), {})
    assert len(started) == 2
    forkserver.start_early(None, tmp_path, (), {"workers": 2})
    assert len(started) == 3


@pytest.mark.parametrize("command", ["run", "search", "check", "scale", "predict", "evaluate"])
def test_every_command_asks_the_config(tmp_path, started, command):
    (tmp_path / "c.toml").write_text(NONE + "nonsense = 1")
    arguments = {"predict": [tmp_path / "c.toml", "in", "out"], "evaluate": [tmp_path, tmp_path / "c.toml"]}
    told = [str(argument) for argument in arguments.get(command, [tmp_path / "c.toml"])]
    assert CliRunner().invoke(main, [command, *told]).exit_code != 0
    assert not started
    CliRunner().invoke(main, [command, *told, "--set", "cluster.workers=1"])
    assert started
