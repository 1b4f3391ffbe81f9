"""Cost: where the workers' seconds went, by stage and by worker."""

from collections.abc import Iterable, Mapping
from typing import Any

STAGES = ("read", "statistics", "search", "train", "evaluate", "other")
# The tasks of each stage, by what stands before the first `-` of their keys; of merges, by what is merged.
_TASKS = {
    "read": ("read", "pick", "fold"),
    "statistics": ("statistics", "merge-statistics"),
    "search": ("rows", "trial", "score", "merge-score"),
    "train": ("send", "train", "losses", "merge-share", "merge-lanes", "merge-hand_over", "validate", "merge-validate"),
    "evaluate": ("evaluate", "merge-evaluate", "importance"),
}
STAGE_OF = {task: stage for stage, tasks in _TASKS.items() for task in tasks}


def cost(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """From the scheduler's task stream: seconds of work of each stage on each worker, and of moving data.

    Parameters
    ----------
    records
        As `distributed.Client.get_task_stream` gives them.
    """
    stages = {stage: {"tasks": 0, "compute": 0.0, "transfer": 0.0} for stage in STAGES}
    workers: dict[str, dict[str, float]] = {}
    for record in records:
        stage = STAGE_OF.get(kind_of(record["key"]), "other")
        worker = workers.setdefault(record["worker"], dict.fromkeys((*STAGES, "transfer"), 0.0))
        stages[stage]["tasks"] += 1
        for part in record["startstops"]:
            seconds = part["stop"] - part["start"]
            if part["action"] == "compute":
                stages[stage]["compute"] += seconds
                worker[stage] += seconds
            elif part["action"] == "transfer":
                stages[stage]["transfer"] += seconds
                worker["transfer"] += seconds
    return {
        "stages": {name: _rounded(stage) for name, stage in stages.items() if stage["tasks"]},
        "workers": [{"worker": name, **_rounded(workers[name])} for name in sorted(workers)],
    }


def kind_of(key: Any) -> str:
    """What a task does: the head of its key, which Dask's pages show, and for a merge what is merged.

    >>> kind_of("train-0a1b2c3d-17-0-3-1-0"), kind_of("merge-0a1b2c3d-18-lanes-0-3-0-0"), kind_of(("read-0a1b", 4))
    ('train', 'merge-lanes', 'read')
    """
    name = key[0] if isinstance(key, tuple) else key
    parts = name.split("-", 4)
    return f"merge-{parts[3]}" if parts[0] == "merge" and len(parts) > 3 else parts[0]


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}
