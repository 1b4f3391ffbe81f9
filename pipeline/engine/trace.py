"""The trace of a run: Dask's own performance report, and every task as a slice for Perfetto or chrome://tracing."""

import contextlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from distributed import Client, performance_report

from pipeline.engine.cluster.local_threads import ThreadPoolClient
from pipeline.io.redact import redact
from pipeline.monitoring.task_timing import task_kind

REPORT, TASKS = "dask-report.html", "trace.json"


@contextlib.contextmanager
def reported(client: Client | ThreadPoolClient, wanted: bool) -> Iterator[dict[str, bytes]]:
    """Yield a dictionary of files for the run folder; after the block it has Dask's performance report, if wanted."""
    files: dict[str, bytes] = {}
    if not wanted or isinstance(client, ThreadPoolClient):  # Dask has nothing to report
        yield files
        return
    with tempfile.TemporaryDirectory() as folder, client.as_current():
        file = Path(folder) / REPORT
        with performance_report(filename=str(file), mode="inline"):
            yield files
        files[REPORT] = redact(file.read_text()).encode()


def tasks_as_json(records: Iterable[Mapping[str, Any]], spans: Iterable[tuple[str, float, float]]) -> bytes:
    """The scheduler's task stream in the Trace Event Format, with a row for each thread of each worker.

    Parameters
    ----------
    records
        As `distributed.Client.get_task_stream` gives them.
    spans
        The stages: name, begin and end in Unix seconds; they have a row of their own at the top.

    Notes
    -----
    The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
    """
    events: list[dict[str, Any]] = [_name("process_name", 0, 0, "stages")]
    events += [_slice(name, "stage", 0, 0, begin, end, {}) for name, begin, end in spans]
    workers: dict[str, int] = {}
    threads: dict[tuple[str, Any], int] = {}
    for record in records:
        worker = record["worker"]
        if worker not in workers:
            workers[worker] = len(workers) + 1
            events.append(_name("process_name", workers[worker], 0, worker))
        thread = threads.setdefault((worker, record["thread"]), len(threads))
        kind = task_kind(record["key"])
        for part in record["startstops"]:
            name = kind if part["action"] == "compute" else part["action"]
            details = {"key": str(record["key"]), "bytes": record.get("nbytes", 0)}
            events.append(_slice(name, part["action"], workers[worker], thread, part["start"], part["stop"], details))
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}).encode()


def _slice(
    name: str, category: str, pid: int, tid: int, begin: float, end: float, args: Mapping[str, Any]
) -> dict[str, Any]:
    """A complete event, its times in microseconds."""
    times = {"ts": round(begin * 1e6), "dur": max(round((end - begin) * 1e6), 0)}
    return {"ph": "X", "name": name, "cat": category, "pid": pid, "tid": tid, **times, "args": args}


def _name(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}
