"""The workers' seconds of work, by stage and by worker, from the scheduler's record of tasks."""

from collections.abc import Iterable, Mapping
from typing import Any

STAGES = ("read", "statistics", "search", "train", "evaluate", "other")
# The kinds of task of each stage, as `task_kind` returns them.
_KINDS_BY_STAGE = {
    "read": ("read", "pick", "fold"),
    "statistics": ("statistics", "merge-statistics"),
    "search": ("rows", "trial", "score", "merge-score"),
    "train": ("send", "train", "losses", "merge-share", "merge-lanes", "merge-hand_over", "validate", "merge-validate"),
    "evaluate": ("evaluate", "merge-evaluate", "importance"),
}
STAGE_BY_KIND = {kind: stage for stage, kinds in _KINDS_BY_STAGE.items() for kind in kinds}


def work_by_stage(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the tasks of each stage, and the seconds of computing and of moving data, by stage and by worker.

    Parameters
    ----------
    records
        As `distributed.Client.get_task_stream` returns them.
    """
    stages = {stage: {"tasks": 0, "compute": 0.0, "transfer": 0.0} for stage in STAGES}
    workers: dict[str, dict[str, float]] = {}
    for record in records:
        stage = STAGE_BY_KIND.get(task_kind(record["key"]), "other")
        worker = workers.setdefault(record["worker"], dict.fromkeys((*STAGES, "transfer"), 0.0))
        stages[stage]["tasks"] += 1
        for interval in record["startstops"]:
            seconds = interval["stop"] - interval["start"]
            if interval["action"] == "compute":
                stages[stage]["compute"] += seconds
                worker[stage] += seconds
            elif interval["action"] == "transfer":
                stages[stage]["transfer"] += seconds
                worker["transfer"] += seconds
    return {
        "stages": {name: _round_values(stage) for name, stage in stages.items() if stage["tasks"]},
        "workers": [{"worker": name, **_round_values(workers[name])} for name in sorted(workers)],
    }


def task_kind(key: Any) -> str:
    """Return what a task does, by its key: the part before the first ``-``; of a merge, also what is merged.

    >>> [task_kind(key) for key in ("train-0a1b2c3d-17-0-3-1-0", "merge-0a1b2c3d-18-lanes-0-3-0-0", ("read-0a1b", 4))]
    ['train', 'merge-lanes', 'read']
    """
    name = key[0] if isinstance(key, tuple) else key
    parts = name.split("-", 4)
    return f"merge-{parts[3]}" if parts[0] == "merge" and len(parts) > 3 else parts[0]


def _round_values(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}
