from types import SimpleNamespace

from pipeline.engine.failure_diagnosis import TaskRecord


def test_the_suspect_is_the_task_of_most_deaths_then_of_the_highest_priority():
    tasks = {
        ("read-a", 0): SimpleNamespace(suspicious=2, priority=(0, 5)),
        ("read-a", 1): SimpleNamespace(suspicious=2, priority=(0, 3)),
        ("read-a", 2): SimpleNamespace(suspicious=0, priority=(0, 1)),
        "train-b-1": SimpleNamespace(suspicious=9, priority=(-10, 1)),
    }
    scheduler = SimpleNamespace(tasks=tasks)
    client = SimpleNamespace(run_on_scheduler=lambda function: function(dask_scheduler=scheduler))
    record = TaskRecord()
    record.add({("read-a", 0): (4, 5), ("read-a", 1): (6, 7)})
    record.add({("read-a", 2): (8,)})
    assert record.suspect(client) == [6, 7]
    assert TaskRecord().suspect(client) == []


def test_a_record_forgets_all_but_the_latest_calls():
    scheduler = SimpleNamespace(tasks={"read-1": SimpleNamespace(suspicious=1, priority=0)})
    client = SimpleNamespace(run_on_scheduler=lambda function: function(dask_scheduler=scheduler))
    record = TaskRecord(max_calls=2)
    for number in (1, 2, 3):
        record.add({f"read-{number}": [number]})
    assert record.suspect(client) == []
