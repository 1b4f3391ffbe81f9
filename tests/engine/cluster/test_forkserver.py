import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.engine.cluster import forkserver
from pipeline.io.run_folder import BEGIN_FILE

THREADS = "[cluster]\nworkers = 0\n"
REMOTE = '[cluster]\nscheduler = "tcp://h:1"\n'


@pytest.fixture
def starts(monkeypatch) -> list[bool]:
    calls: list[bool] = []
    monkeypatch.setattr(forkserver, "start", lambda: calls.append(True))
    return calls


@pytest.mark.parametrize(
    ("text", "overrides", "options", "local"),
    [
        ("", (), {}, True),
        ("no TOML", (), {}, True),
        ("cluster = 1", (), {}, True),
        ("[cluster]\nworkers = [1, 2]\n", (), {"scheduler": None, "workers": None}, True),
        ('[cluster]\nscheduler = "local"\n', (), {}, True),
        (THREADS, (), {}, False),
        (THREADS, (), {"workers": 2}, True),
        (THREADS, ("cluster.workers=2",), {}, True),
        ("", ("cluster.workers=0",), {}, False),
        ("", (), {"workers": 0}, False),
        (REMOTE, (), {}, False),
        (REMOTE, (), {"scheduler": "local"}, True),
        ("", (), {"scheduler": "m:Class"}, False),
    ],
)
def test_server_starts_early_if_the_cluster_will_be_local(tmp_path, starts, text, overrides, options, local):
    (tmp_path / "config.toml").write_text(text)
    for source in (tmp_path / "config.toml", str(tmp_path), tmp_path / "model.skops"):
        forkserver.start_early(source, None, overrides, options)
    assert starts == [True] * 3 * local


def test_resumed_run_decides_by_the_config_in_its_folder(tmp_path, starts):
    forkserver.start_early(None, tmp_path, (), {})
    forkserver.start_early(None, None, (), {})
    assert len(starts) == 2, "without a config, a local cluster is the default"
    (tmp_path / BEGIN_FILE).parent.mkdir()
    (tmp_path / BEGIN_FILE).write_text(json.dumps({"config": THREADS}))
    forkserver.start_early(None, tmp_path, (), {})
    assert len(starts) == 2
    forkserver.start_early(None, tmp_path, (), {"workers": 2})
    assert len(starts) == 3


@pytest.mark.parametrize("command", ["run", "search", "check", "scale", "predict", "evaluate"])
def test_every_command_decides_by_the_config(tmp_path, starts, command):
    (tmp_path / "c.toml").write_text(THREADS + "nonsense = 1")
    arguments = {"predict": [tmp_path / "c.toml", "in", "out"], "evaluate": [tmp_path, tmp_path / "c.toml"]}
    words = [str(argument) for argument in arguments.get(command, [tmp_path / "c.toml"])]
    assert CliRunner().invoke(main, [command, *words]).exit_code != 0
    assert not starts
    CliRunner().invoke(main, [command, *words, "--set", "cluster.workers=1"])
    assert starts


WORKER = """
import multiprocessing
import sys

from pipeline.engine.cluster import forkserver

def work():
    import pipeline.training.worker_warmup
    sys.exit(7)

if __name__ == "__main__":
    forkserver.start()
    process = multiprocessing.get_context(forkserver.METHOD).Process(target=work)
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""


def test_module_of_the_working_folder_named_pipeline_does_not_hide_this_package(tmp_path):
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "start.py").write_text(WORKER)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "pipeline.py").write_text("")
    command = [sys.executable, str(tmp_path / "script" / "start.py")]
    done = subprocess.run(command, cwd=tmp_path / "folder", capture_output=True, text=True, timeout=60)
    assert done.returncode == 7, done.stderr
