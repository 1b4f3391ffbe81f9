"""Traces: what a run leaves for those who look into single tasks."""

import json
import time

import pytest

from pipeline.engine.trace import REPORT, reported, tasks_as_json
from pipeline.monitoring.progress import Monitor
from pipeline.monitoring.task_timing import work_by_stage
from pipeline.planning.planner import make_plan
from pipeline.training.run_stages import run_stages
from tests.builders import make_config


def test_a_trace_has_a_row_for_each_thread_and_a_slice_for_each_part_of_a_task():
    parts = [{"action": "transfer", "start": 1.0, "stop": 1.5}, {"action": "compute", "start": 1.5, "stop": 3.0}]
    record = {"key": "merge-0a1b2c3d-5-lanes-0-0", "worker": "tcp://a", "thread": 140, "startstops": parts, "nbytes": 8}
    read = {**record, "key": ("read-0a1b", 3), "worker": "tcp://b", "startstops": parts[1:]}
    events = json.loads(tasks_as_json([record, read], [("train", 1.0, 3.0)]))["traceEvents"]
    assert [e["args"]["name"] for e in events if e["ph"] == "M"] == ["stages", "tcp://a", "tcp://b"]
    slices = [(e["name"], e["pid"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"]
    assert slices == [
        ("train", 0, 1_000_000, 2_000_000),
        ("transfer", 1, 1_000_000, 500_000),
        ("merge-lanes", 1, 1_500_000, 1_500_000),
        ("read", 2, 1_500_000, 1_500_000),
    ]


@pytest.mark.cluster
def test_trace_of_a_run_has_dasks_report_and_the_seconds_of_the_stages(session, folder):
    monitor = Monitor(quiet=True)
    plan = make_plan(make_config(folder))
    with reported(session.client, wanted=False) as none:
        pass
    with reported(session.client, wanted=True) as files:
        begin = time.time()
        run_stages(plan, session, monitor)
    assert none == {}
    page = files[REPORT].decode()
    assert "Task Stream" in page
    assert "<script src=" not in page, "it needs nothing from the network"
    records = session.client.get_task_stream(start=begin)
    events = json.loads(tasks_as_json(records, monitor.stage_times))["traceEvents"]
    traced = sum(e["dur"] for e in events if e.get("cat") == "compute") / 1e6
    spent = work_by_stage(records)["stages"]
    assert traced == pytest.approx(sum(stage["compute"] for stage in spent.values()), abs=0.01)
    assert [e["name"] for e in events if e.get("cat") == "stage"] == ["statistics", "train", "evaluate"]
