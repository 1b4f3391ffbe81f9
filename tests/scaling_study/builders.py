"""Costs of tasks for tests: nothing costs anything but what is named."""

import numpy as np

from pipeline.scaling_study.simulate import TaskCosts
from pipeline.scaling_study.task_kinds import KIND, KINDS


def costs(latency=0.0, scheduler=0.0, overhead=0.0, fetch=0.0, submit=0.0, **seconds: float) -> TaskCosts:
    fixed = np.zeros(len(KINDS))
    for kind, value in seconds.items():
        fixed[KIND[kind]] = value
    fetches, submits = np.full(len(KINDS), fetch), np.full(len(KINDS), submit)
    return TaskCosts(fixed, np.zeros(len(KINDS)), fetches, submits, overhead, scheduler, latency)
