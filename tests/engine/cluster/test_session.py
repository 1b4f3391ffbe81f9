import json

import dask
import pytest

from pipeline import config as cfg
from pipeline.engine.cluster.session import connect, open_session
from pipeline.monitoring.progress import Monitor
from tests.builders import make_config


@pytest.mark.cluster
def test_scheduler_file_leads_to_its_scheduler(session, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": session.scheduler}))
    with connect(cfg.ClusterConfig(scheduler=str(file))) as connected:
        assert connected.scheduler == session.scheduler


@pytest.mark.cluster
def test_dask_configuration_names_the_scheduler_unless_the_config_says_threads(session, monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])
    with dask.config.set({"scheduler-address": session.scheduler}):
        with connect(cfg.ClusterConfig()) as connected:
            assert connected.scheduler == session.scheduler
            (notice,) = connected.notices
            assert notice.startswith(f"scheduler   {session.scheduler}, from Dask's own configuration")
        with connect(cfg.ClusterConfig(workers=0)) as threads:
            assert threads.scheduler == "threads"


@pytest.mark.cluster
def test_open_session_prints_about_the_cluster_and_ends_the_startup(session, monkeypatch, capsys):
    notices = ["versions    numpy differs"]
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: notices)
    monitor = Monitor()
    cluster = {"scheduler": session.scheduler}
    with open_session(make_config("d", cluster=cluster), monitor):
        assert monitor.seconds["startup"] > 0
    page = session.dashboard.replace("/status", "/pipeline")
    assert capsys.readouterr().err.splitlines() == [
        "versions    numpy differs",
        f"dashboard   {session.dashboard}",
        f"pipeline    {page}",
        f"cluster     {session.scheduler}, 2 workers, 2 threads",
    ]


def test_open_session_on_threads_prints_one_line(capsys):
    with open_session(make_config("d", cluster={"workers": 0}), Monitor()) as session:
        assert capsys.readouterr().err == f"cluster     threads, no cluster, {session.threads} threads\n"
