"""Aggregation: a tree reduction whose shape is fixed by position, never by arrival.

The reduction knows nothing of who executes it: ``call`` is a loop in a test and a submission of tasks on a cluster.
"""

from collections.abc import Callable, Sequence
from typing import Any


def tree(parts: Sequence[Any], fan_in: int, call: Callable[[list[list[Any]], int], list[Any]]) -> Any:
    """Reduce ``parts`` to one by calling ``call(groups, level)`` on groups of ``fan_in`` neighbours, a level at a time.

    The depth is the logarithm of ``len(parts)`` to the base ``fan_in``; a lone rest is passed up as
    it is. The same number of parts and the same fan-in always give the same tree, so that even sums
    of floating-point numbers have the same bits whatever the number of workers.

    >>> tree([1, 2, 3, 4, 5], 2, lambda groups, level: [sum(group) for group in groups])
    15
    """
    if not parts:
        raise ValueError("nothing to reduce")
    level = 0
    current = list(parts)
    while len(current) > 1:
        groups = [current[i : i + fan_in] for i in range(0, len(current), fan_in)]
        rest = groups.pop() if len(groups[-1]) == 1 else []
        current = call(groups, level) + rest
        level += 1
    return current[0]
