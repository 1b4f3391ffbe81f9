import pytest

from pipeline.monitoring.task_timing import cost


def record(key, worker, *parts):
    return {"key": key, "worker": worker, "startstops": [{"action": a, "start": s, "stop": e} for a, s, e in parts]}


def test_seconds_by_stage_and_worker():
    found = cost(
        [
            record(("read-pack_span-12", 0), "tcp://b", ("compute", 0, 2)),
            record("train-12-0-0", "tcp://a", ("transfer", 1, 1.5), ("compute", 2, 5)),
            record("merge-0a1b2c3d-7-evaluate-1-0", "tcp://a", ("deserialize", 0, 9), ("compute", 5, 5.25)),
            record("something-1", "tcp://a", ("compute", 0, 1)),
        ]
    )
    assert found["stages"] == {
        "read": {"tasks": 1, "compute": 2.0, "transfer": 0.0},
        "train": {"tasks": 1, "compute": 3.0, "transfer": 0.5},
        "evaluate": {"tasks": 1, "compute": 0.25, "transfer": 0.0},
        "other": {"tasks": 1, "compute": 1.0, "transfer": 0.0},
    }
    assert [worker["worker"] for worker in found["workers"]] == ["tcp://a", "tcp://b"]
    assert found["workers"][0]["train"] == pytest.approx(3.0)
    assert cost([]) == {"stages": {}, "workers": []}
