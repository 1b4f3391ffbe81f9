import json
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.engine.event_forwarding import forward_events
from pipeline.monitoring.dashboard.endpoints import Endpoints
from pipeline.monitoring.events import Events


def fetch(session, path: str) -> str:
    with urllib.request.urlopen(session.dashboard.replace("/status", path), timeout=10) as answer:
        return answer.read().decode()


@pytest.mark.cluster
def test_prometheus_reads_the_figures_of_the_outcome(cluster, finished_run):
    run, outcome = finished_run
    samples = {
        (sample.name, *(sample.labels[k] for k in ("stage", "metric", "task") if k in sample.labels)): sample.value
        for family in text_string_to_metric_families(fetch(cluster, "/metrics"))
        for sample in family.samples
        if sample.labels.get("run") == run
    }
    assert samples["dask_pipeline_run_active",] == 0
    assert samples["dask_pipeline_stage_batches_done", "train"] == 4
    assert samples["dask_pipeline_test", "log_loss"] == outcome.metrics["log_loss"]
    assert samples["dask_pipeline_progressive", "log_loss"] == outcome.training.progressive[-1]["log_loss"]


@pytest.mark.cluster
def test_targets_are_the_workers_and_each_serves_metrics(cluster, finished_run):
    targets = json.loads(fetch(cluster, "/pipeline/targets"))
    assert sorted(target["labels"]["worker"] for target in targets) == sorted(
        cluster.client.scheduler_info()["workers"]
    )
    for target in targets:
        with urllib.request.urlopen(f"http://{target['targets'][0]}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert "dask_worker_" in text
        assert "dask_pipeline_worker_batches" in text


@pytest.mark.cluster
def test_page_has_all_its_parts(cluster, finished_run):
    page = fetch(cluster, "/pipeline")
    assert "<title>Dask: Pipeline</title>" in page
    assert "Learning curve" in page
    assert page.count("data-root-id") == 4, "progress, legend, curve and details"


@pytest.mark.cluster
def test_dashboard_has_one_tab_for_the_page(cluster, finished_run):
    with forward_events(cluster.client, Events()):
        assert fetch(cluster, "/status").count('href="pipeline"') == 1


def test_scheduler_without_a_web_server_is_a_list_of_problems():
    problems: list[str] = []
    endpoints = Endpoints(object(), {}, problems)
    endpoints.open()
    endpoints.close()
    assert [problem.partition(":")[0] for problem in problems] == ["page", "targets"]
    assert "AttributeError" in problems[0]
