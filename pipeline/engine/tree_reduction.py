"""A tree reduction whose shape depends on positions, never on the order in which results arrive.

It does not know who executes it: ``call`` is a loop in a test, and submits tasks on a cluster.
"""

from collections.abc import Callable, Sequence
from typing import Any


def tree(parts: Sequence[Any], fan_in: int, call: Callable[[list[list[Any]], int], list[Any]]) -> Any:
    """Reduce ``parts`` to one by calling ``call(groups, level)`` on groups of ``fan_in`` neighbours, level by level.

    The depth is the logarithm of ``len(parts)`` to the base ``fan_in``; a part that is left alone goes up unchanged.
    The same number of parts and the same fan-in always give the same tree, so even sums of floating-point numbers have
    the same bits on any number of workers.

    Raises
    ------
    ValueError
        There are no parts.

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
