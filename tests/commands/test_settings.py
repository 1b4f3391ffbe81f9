import json
import sys

import pytest

from pipeline import config as cfg
from pipeline.commands.settings import allow_local_imports, cluster_overrides, load_settings, resumed_settings
from pipeline.errors import ConfigError
from pipeline.io.run_folder import BEGIN_FILE, RunFolder
from tests.builders import make_config, write_config


@pytest.fixture
def config(tmp_path):
    return make_config(tmp_path / "data", train={"seed": 7})


def begun_run(tmp_path, config, **content):
    folder = RunFolder(str(tmp_path / "run"))
    folder.write(BEGIN_FILE, json.dumps({"config": cfg.dump(config), **content}).encode())
    return folder


def test_options_of_a_command_come_before_the_file(tmp_path, config):
    path = write_config(config, tmp_path / "c.toml")
    settings = load_settings(path, ("train.seed=8",), {"workers": 3, "scheduler": None})
    assert (settings.train.seed, settings.cluster.workers, settings.cluster.scheduler) == (8, 3, None)


def test_a_run_folder_stands_for_its_config(tmp_path, config):
    write_config(config, tmp_path / "config.toml")
    assert load_settings(tmp_path, (), None) == config


def test_a_folder_without_a_config_is_an_error_that_names_the_key_for_data(tmp_path):
    with pytest.raises(ConfigError, match=r"a folder without config\.toml; .*--set data\.path="):
        load_settings(tmp_path, (), None)


def test_a_run_resumes_with_its_own_config_on_another_cluster(tmp_path, config):
    folder = begun_run(tmp_path, config, searching=True)
    settings, searching = resumed_settings(folder, None, (), {"workers": 5})
    assert (settings.train.seed, settings.cluster.workers, searching) == (7, 5, True)


def test_a_run_does_not_resume_with_another_config(tmp_path, config):
    folder = begun_run(tmp_path, config)
    with pytest.raises(ConfigError, match=r"train\.seed: .* began with 7, now it is 8; resume it as it was"):
        resumed_settings(folder, None, ("train.seed=8",), None)
    other = write_config(make_config(tmp_path / "data", train={"seed": 9}), tmp_path / "other.toml")
    with pytest.raises(ConfigError, match=r"train\.seed: .* began with 7, now it is 9"):
        resumed_settings(folder, other, (), None)


def test_options_that_were_not_given_override_nothing():
    assert cluster_overrides(None) == []
    assert cluster_overrides({"workers": 2, "scheduler": None, "dashboard": ":0"}) == [
        "cluster.dashboard=:0",
        "cluster.workers=2",
    ]


def test_modules_of_the_working_folder_can_be_imported_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["/elsewhere"])
    allow_local_imports()
    allow_local_imports()
    assert sys.path == ["", "/elsewhere"]


@pytest.mark.parametrize("name", ["pipeline/__init__.py", "pipeline.py"])
def test_a_pipeline_of_the_users_own_does_not_hide_this_package(tmp_path, monkeypatch, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["/elsewhere"])
    allow_local_imports()
    assert sys.path == ["/elsewhere", ""]
