import gc
import threading
import weakref

import pytest

from pipeline.engine.cluster.local_threads import ThreadPoolClient
from pipeline.engine.stage import Stage, TaskFatalError, run_stage
from pipeline.engine.task_runner import TaskRunner
from pipeline.monitoring.progress import Monitor


class Large(list):
    """A list that can be weakly referenced."""


@pytest.fixture
def client():
    threads = ThreadPoolClient(2)
    yield threads
    threads.close()


@pytest.fixture
def stage():
    with run_stage(Monitor(quiet=True), "stage", 9) as stage:
        yield stage


def test_handle_keeps_the_arguments_of_its_task_until_it_is_done(client: ThreadPoolClient, stage: Stage):
    runner, may_end = TaskRunner(client, 2), threading.Event()
    large = runner.submit("make", Large)
    reference = weakref.ref(large.result())
    used = runner.submit("use", lambda value: may_end.wait(5) and len(value), large)
    del large
    gc.collect()
    assert reference() is not None
    may_end.set()
    assert used.result() == 0
    stage.wait([used])
    gc.collect()
    assert reference() is None


def test_handles_stand_for_results_in_nested_lists_of_arguments(client: ThreadPoolClient):
    runner = TaskRunner(client, 2)
    one, two = runner.map("number", int, [[4], [7]], ["1", "2"])
    total = runner.submit(
        "sum", lambda numbers, rest: sum(numbers) + sum(map(sum, rest)), [one, two], [[one], [two, two]]
    )
    assert runner.gather([total, [one]]) == [8, [1]]
    assert [handle.batch_numbers for handle in (one, two, total)] == [[4], [7], ()]


def test_task_without_memory_is_named_by_its_batches(client: ThreadPoolClient, stage: Stage):
    def fail() -> None:
        raise MemoryError

    failed = TaskRunner(client, 2).submit("work", fail, batch_numbers=[3, 5])
    with pytest.raises(TaskFatalError, match="MemoryError") as raised:
        stage.wait([failed])
    assert (raised.value.batch_numbers, raised.value.deadly) == ([3, 5], False)
