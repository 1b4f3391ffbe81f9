"""Cost: where the workers' seconds went, by stage and by worker."""

from collections.abc import Iterable, Mapping
from typing import Any

STAGES = ("read", "statistics", "train", "evaluate", "other")
# The tasks of each stage, by what stands before the first `-` of their keys.
_TASKS = {
    "read": ("read", "partitions", "pick", "fold"),
    "statistics": ("summarise", "merge_statistics"),
    "train": ("train", "losses", "share", "merge_lanes", "hand_over", "validate", "merge_validate"),
    "evaluate": ("evaluate", "merge_evaluate", "importance"),
}
_STAGE_OF = {task: stage for stage, tasks in _TASKS.items() for task in tasks}


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
        key = record["key"]
        stage = _STAGE_OF.get((key[0] if isinstance(key, tuple) else key).partition("-")[0], "other")
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


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}
