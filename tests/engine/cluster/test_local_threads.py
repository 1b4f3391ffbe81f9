import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from dask import delayed

from pipeline import config as cfg
from pipeline.engine.cluster.local_threads import ThreadPoolClient, as_completed
from pipeline.engine.cluster.session import connect
from pipeline.models import persistence
from tests.builders import execute, make_config, make_table, merge_sections, write_parquet


@pytest.fixture
def one() -> Iterator[ThreadPoolClient]:
    threads = ThreadPoolClient(1)
    yield threads
    threads.close()


def test_tasks_in_lists_and_tables_stand_for_their_results(one):
    a, b = one.submit(int, "1", key="a"), one.submit(int, "2", key="b")
    joined = one.submit(lambda some, named: (sum(some), named), [a, b, 3], {"b": (b,)}, key="c")
    assert one.gather([joined, [a]]) == [(6, {"b": (2,)}), [1]]
    assert {future.key for future in as_completed([a, b, joined])} == {"a", "b", "c"}
    assert joined.status == "finished"


def test_tasks_run_by_priority_then_in_order_of_submission(one):
    begin, done = threading.Event(), []
    first = one.submit(begin.wait, key="first")
    futures = [
        one.submit(done.append, name, key=name, priority=p) for name, p in (("c", 0), ("d", 0), ("a", 9), ("b", 1))
    ]
    begin.set()
    one.gather([first, futures])
    assert done == ["a", "b", "c", "d"]


def test_an_error_is_tried_again_and_then_that_of_all_that_need_it(one):
    tries = []

    def fail() -> None:
        tries.append(1)
        raise ValueError("no luck")

    failed = one.submit(fail, key="f", retries=2)
    after = one.submit(lambda _: None, [failed], key="g")
    with pytest.raises(ValueError, match="no luck"):
        after.result()
    assert (len(tries), after.status, failed.status) == (3, "error", "error")


def test_a_result_lives_as_long_as_somebody_holds_it(one):
    class Large:
        pass

    large = one.submit(Large, key="large")
    used = one.submit(lambda value: weakref.ref(value), large, key="used")
    value = used.result()
    assert isinstance(value(), Large)
    gc.disable()
    try:
        del large
        deadline = time.monotonic() + 5
        while value() is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert value() is None
    finally:
        gc.enable()


def test_what_delayed_values_share_is_worked_out_once(one):
    calls = []

    @delayed
    def load() -> list[int]:
        calls.append(1)
        return [10, 20]

    whole = load()
    assert one.gather(one.compute([whole[0], whole[1], whole])) == [10, 20, [10, 20]]
    assert len(calls) == 1


def test_closing_drops_what_waits_and_ends_the_threads():
    threads, begin, done = ThreadPoolClient(2), threading.Event(), []
    for _ in range(2):
        threads.submit(begin.wait, key="w")
    threads.submit(done.append, 1, key="dropped")
    threading.Timer(0.1, begin.set).start()
    threads.close()
    assert not done
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("task-")]


@pytest.mark.cluster
@pytest.mark.parametrize("changes", [{}, {"data": {"keep": "reread"}, "split": {"folds": 2}}])
def test_a_run_without_a_cluster_has_the_bits_of_one_with_it(session, folder, changes):
    base = {"data": {"batch_rows": 300}, "train": {"lanes": 2, "round_batches": 3}}
    config = make_config(folder, **merge_sections(base, changes))
    outcomes = [execute(session, config)]
    with connect(cfg.ClusterConfig(workers=0)) as none:
        outcomes.append(execute(none, config))
        assert (none.scheduler, none.dashboard, none.workers) == ("threads", "", 0)
    assert persistence.fingerprint(outcomes[0].model) == persistence.fingerprint(outcomes[1].model)
    assert outcomes[0].results == outcomes[1].results
    assert outcomes[0].folds == outcomes[1].folds


WITHOUT_SOCKETS = """
import sys
import psutil

def refuse(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise RuntimeError(f"{event} {arguments}")

sys.addaudithook(refuse)
from functools import partial
from pipeline.commands import run as runs
from pipeline.cli import main

def look(event):
    me = psutil.Process()
    open_now = [c for p in [me, *me.children(recursive=True)] for c in p.net_connections("all")]
    assert not open_now, open_now
    seen.add(event["event"])

seen = set()
runs.run = partial(runs.run, on_event=look)
main(["run", "c.toml", "--out", "run", "--trace"], standalone_mode=False)
assert {"run_started", "round_finished", "run_finished"} <= seen
"""


@pytest.mark.cluster
def test_a_run_without_a_cluster_opens_no_socket(tmp_path):
    write_parquet(make_table(300), tmp_path / "data", 2)
    (tmp_path / "c.toml").write_text('[data]\npath = "data"\nlabel = "y"\n[train]\nlanes = 2\n[cluster]\nworkers = 0\n')
    command = [sys.executable, "-c", WITHOUT_SOCKETS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in Path(tmp_path / "run").iterdir()} >= {"report.json", "model.skops", "trace.json"}
