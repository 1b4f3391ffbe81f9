import os
import signal
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import dask
from distributed import wait

from pipeline import config as cfg
from pipeline.engine.batch_source import BatchSource, FileReader, ReadOptions
from pipeline.engine.cluster.session import connect
from pipeline.engine.cluster.worker_affinity import WorkerPreference, affinity_annotations
from pipeline.engine.read_groups import ReadGroups
from pipeline.engine.task_handle import futures_in
from pipeline.io.batching import Batch, RowGroupRange


def numbers(batches):
    return [batch.number for batch in batches]


def test_what_one_task_trains_on_is_read_by_one_worker(session):
    batches = [Batch(n, (RowGroupRange(f"{n}", (0,)),), 1, row_group_id=n) for n in range(24)]
    together = [list(range(start, 24, 2)) for start in (0, 1)]
    preference = WorkerPreference(session.client, together)
    reader, groups = FileReader(batches, numbers), ReadGroups.of(batches)
    source = BatchSource(session.client, reader, groups, preference, ReadOptions(keep=True))
    futures = futures_in(source.batches(list(range(24))))
    wait(futures)
    assert session.client.gather(futures) == [[n] for n in range(24)]
    who = session.client.who_has(futures)
    found = [Counter(who[f.key][0] for f in futures[start::2]) for start in (0, 1)]
    # A preference: an idle worker may take a batch; by chance half would be where they are wanted.
    assert [place.most_common(1)[0][1] for place in found] >= [10, 10]
    assert found[0].most_common(1)[0][0] != found[1].most_common(1)[0][0]


def deadly(name, folder):
    """Kill the first two workers."""
    if name == "deadly" and len(list(Path(folder).iterdir())) < 2:
        Path(folder, str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return name


def test_a_preference_is_for_the_workers_that_are_there_now():
    present = {"b": {}, "a": {}}
    client = SimpleNamespace(scheduler_info=lambda n_workers: {"workers": present})
    preference = WorkerPreference(client, [[0, 1], [2, 3], [4]])
    assert preference.addresses_for([1, 3, 4, 9]) == {1: "a", 3: "b", 4: "a"}
    present["c"] = {}
    assert preference.addresses_for([1, 3, 4]) == {1: "a", 3: "b", 4: "c"}
    present.clear()
    assert preference.addresses_for([1]) == WorkerPreference(client).addresses_for([1]) == {}


def test_tasks_that_preferred_workers_now_gone_run_on_those_that_come(tmp_path):
    with connect(cfg.ClusterConfig(workers=2, dashboard="127.0.0.1:0")) as session:
        client = session.client
        assert session.supports_affinity
        workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
        names = ["deadly", *map(str, range(6))]
        with dask.annotate(**affinity_annotations({name: workers[i % 2] for i, name in enumerate(names)})):
            futures = [client.submit(deadly, name, str(tmp_path), key=name) for name in names]
        assert client.gather(futures) == names
    assert len(list(tmp_path.iterdir())) == 2
