import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scaling_study.critical_path import PARTS, critical_path, summarise_scaling


def record(key, worker, begin, end, transfer=0.0):
    parts = [{"action": "transfer", "start": begin - transfer, "stop": begin}] if transfer else []
    parts.append({"action": "compute", "start": begin, "stop": end})
    return {"key": key, "worker": worker, "thread": 1, "startstops": parts, "nbytes": 0}


def test_the_path_goes_back_through_what_was_waited_for():
    records = [
        record(("read-x", 0), "a", 1.0, 3.0),
        record(("read-x", 1), "b", 1.0, 2.0),
        record("statistics-r-1-0", "a", 3.0, 4.0),
        record("train-r-2-0-0-0-0", "b", 6.0, 9.0, transfer=1.5),
        record("merge-r-3-evaluate-0-0-0", "b", 9.0, 9.5),
    ]
    seconds = critical_path(records, 0.0, 10.0)
    assert sum(seconds.values()) == pytest.approx(10.0)
    assert seconds["read"] == pytest.approx(2.0)
    assert seconds["statistics"] == pytest.approx(1.0)
    assert seconds["train"] == pytest.approx(3.0)
    assert seconds["merge"] == pytest.approx(0.5)
    assert seconds["transfer"] == pytest.approx(1.5)
    assert seconds["client"] == pytest.approx(2.0)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.floats(0, 9), st.floats(0, 2), st.sampled_from(["read", "train", "x"])),
        max_size=30,
    )
)
def test_critical_path_accounts_for_all_time_with_skewed_clocks(tasks):
    records = [record(f"{kind}-r-{i}-0", w, begin, begin + length) for i, (w, begin, length, kind) in enumerate(tasks)]
    seconds = critical_path(records, 0.0, 11.0)
    assert set(seconds) == set(PARTS)
    assert sum(seconds.values()) == pytest.approx(11.0)
    assert min(seconds.values()) >= 0


def test_the_summary_of_two_busy_workers():
    records = [record(("read-x", i), "ab"[i % 2], i // 2, i // 2 + 1) for i in range(8)]
    summary = summarise_scaling(records, 0.0, 4.0, workers=2, lanes=1, batches=8)
    assert summary["parallel_efficiency"] == 1
    assert summary["work_seconds_per_batch"] == 1
    assert summary["bottleneck"] == {"part": "read", "share": 1.0}
    assert summary["twice_the_workers"] == {"seconds": 2.0, "speedup": 2.0}
