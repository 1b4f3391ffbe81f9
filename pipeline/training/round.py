"""The rounds of a run and the tasks of each: lanes train on their segments, and their models merge in a tree.

Described once: `trainer` has the tasks submitted, the scaling study numbers them (see `engine.task_graph`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pipeline import config as cfg
from pipeline.engine.batch_schedule import batch_order, chunks, interleave, lanes_of
from pipeline.engine.task_graph import Submit, submit_tree
from pipeline.training.lane import delta_of, losses_of, merge_deltas, merged_lane, train_batches

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Round:
    """What the lanes train on between two merges: the batches, in their order, of one epoch's ``index``-th round."""

    epoch: int
    index: int
    numbers: list[int]

    @property
    def name(self) -> str:
        return f"{self.epoch}-{self.index}"


@dataclass(frozen=True, slots=True)
class Segment(Generic[T]):
    """The batches that one task trains on, and the tasks whose results they are."""

    numbers: list[int]
    tasks: Sequence[T]


@dataclass(frozen=True, slots=True)
class RoundTasks(Generic[T]):
    """The tasks of a round: one for each segment that trains, one for the losses of each, and that of the lane."""

    trained: list[T]
    losses: list[T]
    merged: T


def rounds_of(numbers: list[int], config: cfg.TrainConfig) -> list[Round]:
    """The rounds of all epochs over the batches of these numbers."""
    return [
        Round(epoch, i, part)
        for epoch in range(config.epochs)
        for i, part in enumerate(chunks(batch_order(numbers, epoch, config.seed), config.round_batches))
    ]


def read_round(
    round_: Round, lanes: int, tasks_for: Callable[[Sequence[Sequence[int]]], Sequence[Sequence[T]]]
) -> list[list[Segment[T]]]:
    """For each lane its segments; their batches are read in turn, so that every lane can begin."""
    numbers = lanes_of(round_.numbers, lanes)
    places = interleave([[(k, s) for s in range(len(lane))] for k, lane in enumerate(numbers)])
    tasks = dict(zip(places, tasks_for([numbers[k][s] for k, s in places]), strict=True))
    return [[Segment(segment, tasks[k, s]) for s, segment in enumerate(lane)] for k, lane in enumerate(numbers)]


def submit_round(
    submit: Submit[T], name: str, start: T, lanes: list[list[Segment[T]]], encoder: T, target: T, fan_in: int | None
) -> RoundTasks[T]:
    """Submit the tasks of a round that begins at the lane ``start``.

    Parameters
    ----------
    lanes
        The segments of each lane. They are taken out of it, so that each task alone keeps its batches in memory.
    fan_in
        Of the tree in which the lanes merge; None: there is one lane, which does not merge.
    """
    ends, trained = [], []
    for k, lane in enumerate(lanes):
        end = start
        for s in range(len(lane)):
            segment = lane.pop(0)
            arguments: list[list[Any]] = [[end], [segment.tasks], [encoder], [target]]
            [end] = submit([f"train-{name}-{k}-{s}"], train_batches, arguments, [segment.numbers])
            trained.append(end)
            del segment, arguments
        ends.append(end)
    losses = submit([f"losses-{name}-{i}" for i in range(len(trained))], losses_of, [trained])
    if fan_in is None:
        return RoundTasks(trained, losses, ends[0])
    names = [f"merge-share-{name}-{k}" for k in range(len(ends))]
    deltas = submit(names, delta_of, [ends, [start] * len(ends)])
    delta = submit_tree(submit, deltas, merge_deltas, f"lanes-{name}", fan_in)
    [merged] = submit([f"merge-hand_over-{name}"], merged_lane, [[start], [delta], [ends]])
    return RoundTasks(trained, losses, merged)
