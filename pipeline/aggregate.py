"""Aggregation: a tree reduction whose shape is fixed by position, never by arrival.

The reduction knows nothing of who executes it: ``call`` is ``lambda f, *a: f(*a)`` in a test and a
task submission on a cluster.
"""

from collections.abc import Callable, Sequence
from typing import Any


def tree(parts: Sequence[Any], fan_in: int, call: Callable[[list[Any], int, int], Any]) -> Any:
    """Reduce ``parts`` to one by calling ``call(group, level, index)`` on ``fan_in`` neighbours at a time.

    The depth is the logarithm of ``len(parts)`` to the base ``fan_in``; a lone rest is passed up as
    it is. The same number of parts and the same fan-in always give the same tree, so that even sums
    of floating-point numbers have the same bits whatever the number of workers.

    >>> tree([1, 2, 3, 4, 5], 2, lambda group, level, index: sum(group))
    15
    """
    if not parts:
        raise ValueError("nothing to reduce")
    level = 0
    current = list(parts)
    while len(current) > 1:
        groups = [current[i : i + fan_in] for i in range(0, len(current), fan_in)]
        current = [group[0] if len(group) == 1 else call(group, level, i) for i, group in enumerate(groups)]
        level += 1
    return current[0]
