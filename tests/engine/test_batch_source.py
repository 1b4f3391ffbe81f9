"""Batches come from memory or from files, alone or several at a time, and the bits are always the same."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline import config as cfg
from pipeline.engine.batch_source import BatchSource, FileReader, ReadOptions
from pipeline.engine.cluster.session import connect
from pipeline.engine.cluster.worker_affinity import WorkerPreference
from pipeline.engine.read_groups import ReadGroups
from pipeline.engine.task_handle import futures_in
from pipeline.io.batching import Batch, RowGroupRange
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.training.run_stages import run_stages
from tests.builders import make_small_config, make_table, write_parquet


def pack(batches):
    packed = tuple(f"batch {batch.number}" for batch in batches)
    return packed if len(packed) > 1 else packed[0]


def source_of(client, row_groups, keep, per_read=1):
    batches = [Batch(n, (RowGroupRange(f"{n}", (0,)),), 1, row_group_id=group) for n, group in enumerate(row_groups)]
    groups, preference = ReadGroups.of(batches, per_read), WorkerPreference(client)
    return BatchSource(client, FileReader(batches, pack), groups, preference, ReadOptions(keep))


def reads_of(client):
    return Counter(record["key"] for record in client.get_task_stream() if isinstance(record["key"], tuple))


@pytest.mark.parametrize("keep", [True, False])
def test_segment_is_read_by_one_task_and_gives_single_batches(keep):
    with connect(cfg.ClusterConfig(workers=0)) as session:
        client = session.client
        source = source_of(client, range(5), keep, per_read=3)

        def held(*parts):
            return client.gather(futures_in(source.futures_for(parts)))

        assert held([3, 0, 4], [1]) == [[("batch 3", "batch 0", "batch 4")], ["batch 1"]]
        pair = ["batch 0", "batch 4"]
        assert held([0, 4], [2], [1]) == [pair if keep else [tuple(pair)], ["batch 2"], ["batch 1"]]
        assert client.gather(futures_in(source.batches([4, 3, 2, 1, 0]))) == [f"batch {n}" for n in (4, 3, 2, 1, 0)]
        assert held([3, 0, 4]) == [[("batch 3", "batch 0", "batch 4")]]
        reads = reads_of(client)
        assert len(reads) == 3 if keep else len(reads) > 3, "what is kept is read once"


@pytest.mark.parametrize("keep", [True, False])
def test_batches_of_one_row_group_are_read_by_one_task(keep):
    with connect(cfg.ClusterConfig(workers=0)) as session:
        source = source_of(session.client, [0, 0, 0, 1], keep)
        handles = source.batches([2, 3, 0])
        assert [tuple(handle.batch_numbers) for handle in handles] == [(2,), (3,), (0,)]
        assert session.client.gather(futures_in(handles)) == ["batch 2", "batch 3", "batch 0"]
        assert session.client.gather(futures_in(source.batches([1]))) == ["batch 1"]
        assert len(reads_of(session.client)) == (2 if keep else 3)


def test_segments_single_batches_and_joint_reads_give_the_same_bits(tmp_path, monkeypatch):
    folder = write_parquet(make_table(2_000), tmp_path / "data", 23)
    plan = make_plan(make_small_config(folder, data={"batch_rows": "file"}, train={"round_batches": 9}))
    assert len(plan.batches) == 23
    found = []
    for plenty, joined in ((10**9, 0), (0, 0), (0, 1 << 30), (4, 0), (4, 1 << 30)):
        monkeypatch.setattr("pipeline.engine.batch_schedule.PARTS_PER_THREAD", plenty)
        monkeypatch.setattr("pipeline.engine.memory_policy.MAX_BYTES_READ_TOGETHER", joined)
        with connect(cfg.ClusterConfig(workers=0)) as session:
            outcome = run_stages(plan, replace(session, threads=2), Monitor(quiet=True))
            kinds = Counter(str(record["key"]).partition("-")[0] for record in session.client.get_task_stream())
        model = outcome.model.named_steps["model"]
        found.append(
            SimpleNamespace(kinds=kinds, results=outcome.results, coef=np.array(model.coef_), ledger=outcome.ledger)
        )
    alone, whole, together, parts, parts_together = found
    for some, read_together in ((whole, together), (parts, parts_together)):
        for stage in ("statistics", "evaluate"):
            assert alone.kinds[stage] == 23 > some.kinds[stage] == read_together.kinds[stage]
        assert alone.kinds["('read"] == some.kinds["('read"] == 23 > read_together.kinds["('read"]
    assert whole.kinds["statistics"] < parts.kinds["statistics"]
    for other in found[1:]:
        assert np.array_equal(alone.coef, other.coef)
        assert other.results == alone.results
        assert other.ledger == alone.ledger
