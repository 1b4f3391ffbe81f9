import pytest

from pipeline.monitoring.task_timing import work_by_stage


def make_record(key, worker, *intervals):
    startstops = [{"action": action, "start": start, "stop": stop} for action, start, stop in intervals]
    return {"key": key, "worker": worker, "startstops": startstops}


def test_work_is_summed_by_stage_and_by_worker():
    work = work_by_stage(
        [
            make_record(("read-pack_span-12", 0), "tcp://b", ("compute", 0, 2)),
            make_record("train-12-0-0", "tcp://a", ("transfer", 1, 1.5), ("compute", 2, 5)),
            make_record("merge-0a1b2c3d-7-evaluate-1-0", "tcp://a", ("deserialize", 0, 9), ("compute", 5, 5.25)),
            make_record("something-1", "tcp://a", ("compute", 0, 1)),
        ]
    )
    assert work["stages"] == {
        "read": {"tasks": 1, "compute": 2.0, "transfer": 0.0},
        "train": {"tasks": 1, "compute": 3.0, "transfer": 0.5},
        "evaluate": {"tasks": 1, "compute": 0.25, "transfer": 0.0},
        "other": {"tasks": 1, "compute": 1.0, "transfer": 0.0},
    }
    assert [worker["worker"] for worker in work["workers"]] == ["tcp://a", "tcp://b"]
    assert work["workers"][0]["train"] == pytest.approx(3.0)


def test_no_records_are_no_work():
    assert work_by_stage([]) == {"stages": {}, "workers": []}
