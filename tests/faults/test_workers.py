"""Workers that die, hang or run out of memory: rows 1 to 4, 8, 10 and 26 of the matrix."""

import os
import signal
import threading
import time

import dask
import psutil
import pytest
from distributed import Client, LocalCluster
from distributed.chaos import KillWorker

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session, connect
from pipeline.errors import ClusterError, DataError
from tests.builders import bits, execute, make_small_config, make_table, write_parquet
from tests.faults.conftest import SignalWorker
from tests.faults.user_code import POISON

# The tasks of each kind in a run without a fault.
TASKS = {"read": 4, "statistics": 4, "merge-statistics": 2, "train": 4, "merge-share": 4, "merge-lanes": 2}
TASKS |= {"merge-hand_over": 2, "send": 7, "evaluate": 4, "merge-evaluate": 2, "importance": 1}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("task", "k"), [(task, k) for task, count in TASKS.items() for k in range(1, count + 1)])
def test_row_1_worker_killed_at_any_task_same_bits(workers, data, expected, task, k):
    with SignalWorker(workers, task, k) as fault:
        outcome = execute(workers, make_small_config(data))
    assert fault.pid, f"{fault.tasks_seen} of {k} were assigned"
    assert bits(outcome) == expected


def test_row_2_workers_killed_at_random_same_bits(data, expected):
    with connect(
        cfg.ClusterConfig(workers=2, dashboard="127.0.0.1:0")
    ) as session:  # its own, as the plugin stays with the workers
        pids = set(session.client.run(os.getpid).values())
        session.client.register_plugin(KillWorker(delay="1.5 s", mode="segfault"), name="chaos")
        deadline = time.monotonic() + 40
        while len(pids) < 6 and time.monotonic() < deadline:
            assert bits(execute(session, make_small_config(data))) == expected
            pids |= {nanny.pid for nanny in session.client.cluster.workers.values() if nanny.pid}
        assert len(pids) >= 6, "four workers were killed"


def set_environment(name: str, value: str) -> None:
    os.environ[name] = value


def test_row_3_exception_after_the_update_is_retried_and_counts_once(workers, data, tmp_path):
    model = {"model": {"estimator": "tests.faults.user_code.FailsOnce", "params": {"loss": "log_loss"}}}
    config = make_small_config(data, **model)
    without_fault = bits(execute(workers, config))
    (tmp_path / "fail").touch()
    workers.client.run(set_environment, "FAULTS", str(tmp_path))
    assert bits(execute(workers, config)) == without_fault
    assert not (tmp_path / "fail").exists(), "the model has failed"


def test_row_3_exception_without_retries_ends_the_run(workers, data, tmp_path):
    model = {"model": {"estimator": "tests.faults.user_code.FailsOnce"}, "cluster": {"retries": 0}}
    (tmp_path / "fail").touch()
    workers.client.run(set_environment, "FAULTS", str(tmp_path))
    with pytest.raises(RuntimeError, match="failed after the update"):
        execute(workers, make_small_config(data, **model))


@pytest.fixture
def poisoned(tmp_path):
    frame = make_table(1_200)
    frame.loc[700, "x"] = POISON
    return write_parquet(frame, tmp_path / "data", 4)


def test_row_4_batch_that_kills_its_workers_is_named(workers, poisoned):
    config = make_small_config(poisoned, prepare={"function": "tests.faults.user_code:deadly"})
    with pytest.raises(ClusterError, match=r"batch 2 \(.*part-002\.parquet \(row groups 0 to 0\)\), 300 rows: 4 work"):
        execute(workers, config)
    workers.client.wait_for_workers(2, timeout=60)


@pytest.mark.timeout(90)
def test_row_8_frozen_worker_continues_or_is_replaced(workers, data, expected):
    with SignalWorker(workers, "train", 2, signal.SIGSTOP) as fault:
        threading.Timer(2.0, lambda: os.kill(fault.pid, signal.SIGCONT)).start()
        outcome = execute(workers, make_small_config(data))
    assert bits(outcome) == expected
    assert psutil.pid_exists(fault.pid)  # the same process continues
    with SignalWorker(workers, "train", 2, signal.SIGSTOP) as fault:
        outcome = execute(workers, make_small_config(data))
    assert bits(outcome) == expected
    deadline = time.monotonic() + 30
    while psutil.pid_exists(fault.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(fault.pid)
    workers.client.wait_for_workers(2, timeout=60)


def test_row_10_out_of_memory_names_the_batch_the_size_and_what_to_do(workers, poisoned):
    starved = make_small_config(poisoned, prepare={"function": "tests.faults.user_code:starved"})
    advice = r"batch 2 \(.*part-002\.parquet.*\), 300 rows: .*give workers of .* GiB each more memory.*data.batch_rows"
    with pytest.raises(ClusterError, match=advice) as caught:
        execute(workers, starved)
    assert "Unable to allocate 512. GiB" in str(caught.value)
    hungry = make_small_config(poisoned, prepare={"function": "tests.faults.user_code:hungry"})
    with (
        connect(cfg.ClusterConfig(workers=1, dashboard="127.0.0.1:0", memory="600MB")) as small,
        pytest.raises(ClusterError, match=advice),
    ):
        execute(small, hungry)


@pytest.mark.parametrize(("count", "threads"), [(1, 1), (1, 2), (2, 2), (3, 1), (3, 2)])
def test_row_26_any_number_of_workers_and_threads_same_bits(data, expected, count, threads):
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
        LocalCluster(
            n_workers=count, threads_per_worker=threads, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        assert bits(execute(Session(client, count, threads, 0), make_small_config(data))) == expected


def test_row_26_workers_that_join_late_same_bits(workers, data, expected):
    cluster = workers.client.cluster
    slow = make_small_config(data, prepare={"function": "tests.faults.user_code:slow"})
    threading.Timer(0.3, lambda: cluster.scale(4)).start()
    try:
        outcome = execute(workers, slow)
        assert len(cluster.scheduler.workers) == 4
    finally:
        cluster.scale(2)
    assert bits(outcome) == expected


def test_function_that_returns_other_rows_each_time_is_an_error(workers, data):
    fickle = {"prepare": {"function": "tests.faults.user_code:fickle"}, "data": {"keep": "reread"}}
    with pytest.raises(DataError, match=r"batch \d \(.*rows to train on, .* when it was read before; have prepare"):
        execute(workers, make_small_config(data, **fickle))
