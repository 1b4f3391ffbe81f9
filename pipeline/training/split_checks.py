"""Checks of the split, once every row has its role: whether as many rows test as were asked for.

With few groups a hash may miss the share, and a seed that reaches it is found. In a table of few distinct rows it would
put whole values of features and label on one side: such rows are split by their places.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.errors import DataError, StageRestart
from pipeline.notices import Notice
from pipeline.planning.plan import Plan
from pipeline.preparation.expression_parser import as_written
from pipeline.preparation.split import (
    MAX_DEVIATION,
    MAX_TIME_DEVIATION,
    SplitRevision,
    SplitSpec,
    share_tolerance,
    shares_by_seed,
)
from pipeline.preparation.split_units import SplitUnits
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.summary import Summary

# Among so many seeds one is looked for that suits few groups.
N_SEEDS = 1000
# Rows of which there are so many copies on average are values of a few categories, not rows that were written twice.
MIN_COPIES = 5


class SplitRefutedError(StageRestart):
    """The split that was planned does not suit the rows: they are split again; the message says how."""

    def __init__(self, message: str, revision: SplitRevision):
        super().__init__(message)
        self.revision = revision


def check_split_units(summary: Summary, plan: Plan, spec: SplitSpec) -> None:
    """Check that a hash can split the rows as the config asks, for a model that is new.

    Parameters
    ----------
    spec
        How the rows were split.

    Raises
    ------
    SplitRefutedError
        There are few distinct rows, or few groups that another seed divides better.
    """
    units, split = summary.units, plan.config.split
    by_hash = split.path is None and split.by in ("row", "group")
    if plan.exploring or plan.is_part or not plan.is_new_model or plan.split_revision is not None or not by_hash:
        return
    if units.hashes is None or not len(units.hashes):
        return
    rows = int(units.rows.sum())
    if split.by == "row":
        if rows >= MIN_COPIES * len(units.hashes):
            message = f"only {len(units.hashes):,} of {rows:,} rows are distinct: copies train and test alike"
            raise SplitRefutedError(message, SplitRevision(spec.seed, copies_apart=True))
        return
    [share], [miss] = _test_shares(units, spec, [spec.seed])
    if np.isfinite(miss):
        return
    shares, misses = _test_shares(units, spec, range(N_SEEDS))
    best = int(np.argmin(misses))
    if np.isfinite(misses[best]):
        found = f"{share:.1%} of the rows would test, and {shares[best]:.1%} do with seed {best}"
        raise SplitRefutedError(f"of {len(units.hashes):,} groups {found}", SplitRevision(best))


def _test_shares(units: SplitUnits, spec: SplitSpec, seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """By seed, the share of the rows that test, and how far it and that of validation rows are from those asked for.

    The distance is infinite where the share of test rows is not near enough, or there are no rows to validate by.
    """
    test, validation = spec.test_fraction, (1 - spec.test_fraction) * spec.validation_fraction
    shares = shares_by_seed(units, test, seeds)
    miss = np.abs(shares - test)
    suits = miss <= share_tolerance(test, int(units.rows.sum()))
    if validation:
        validates = shares_by_seed(units, test + validation, seeds) - shares
        miss, suits = miss + np.abs(validates - validation), suits & (validates > 0)
    return shares, np.where(suits, miss, np.inf)


def check_test_share(ledger: Ledger, summary: Summary, plan: Plan) -> None:
    """Check that the share of test rows is near ``split.test``.

    It may be off by `share_tolerance`; where a time decides, from what the plan says. Batches as a whole, a test set of
    its own and ``split.after`` may have any share: the config or the plan tells it.

    Raises
    ------
    DataError
        It is not; the message names a key that helps, and for few groups a seed.
    """
    split, rows = plan.config.split, ledger.train + ledger.tested
    boundary = plan.boundary
    if plan.is_part or split.path is not None or split.by == "batch" or rows == 0:
        return
    wanted = split.test if boundary is None else boundary.share
    if wanted is None:  # the config names the first value that tests
        return
    tolerance = share_tolerance(wanted, rows, MAX_DEVIATION if boundary is None else MAX_TIME_DEVIATION)
    share = ledger.tested / rows
    if abs(share - wanted) <= tolerance:
        return
    found = f"{share:.1%} of the rows test, where split.test asks for {split.test:.1%}"
    if boundary is not None:
        raise DataError(
            f"split by {boundary.column!r}: {found}, because other rows are left than the files' times told; set "
            "split.after to the first value that tests."
        )
    units = summary.units
    if split.by == "group":
        why, other = _about_groups(units), "name another split.column"
        subject = f"split by {split.column!r}"
    else:
        distinct = "many rows are copies" if units.hashes is None else f"only {len(units.hashes):,} rows are distinct"
        why, other = f"{distinct}, and copies stay together", 'set split.by = "batch", or name a test set in split.path'
        subject = "split by row"
    raise DataError(f"{subject}: {found}, because {why}; {_seed_advice(units, split.test, tolerance)}{other}.")


def _about_groups(units: SplitUnits) -> str:
    if units.hashes is None:
        return "some groups are much larger than others"
    largest = units.rows.max(initial=0) / max(units.rows.sum(), 1)
    return f"there are {len(units.hashes):,} groups, the largest with {largest:.0%} of the rows"


def _seed_advice(units: SplitUnits, test: float, tolerance: float) -> str:
    """A seed whose share of test rows is near enough, or the nearest share that a seed has; ends before the next."""
    if units.hashes is None:
        return "set another train.seed or split.test, or "
    shares = shares_by_seed(units, test, range(N_SEEDS))
    best = int(np.argmin(np.abs(shares - test)))
    if abs(shares[best] - test) <= tolerance:
        return f"train.seed = {best} gives {shares[best]:.1%}, or "
    possible = shares[(shares > 0) & (shares < 1)]
    if not len(possible):
        return ""
    nearest = float(possible[np.argmin(np.abs(possible - test))])
    return f"no seed comes nearer than {nearest:.1%}: set split.test near a share that is possible, or "


def split_notices(summary: Summary, plan: Plan) -> tuple[Notice, ...]:
    """How the rows were split, if otherwise than planned, and which have no group."""
    count, split = summary.units.without_group, plan.config.split
    rows = sum(summary.rows.get(role, 0) for role in ("train", "validation", "test"))
    notices = _revision_notices(summary, plan)
    if not count or split.by != "group" or split.path is not None:
        return notices
    return (
        *notices,
        Notice(
            f"split by {split.column!r}",
            f"{count:,} rows ({count / rows:.1%}) have no {split.column!r}, and each of them was split by itself",
            f'to leave them out, set prepare.filter.known = "{as_written(split.column or "")}.notna()"',
        ),
    )


def _revision_notices(summary: Summary, plan: Plan) -> tuple[Notice, ...]:
    """How the rows were split, if otherwise than planned."""
    revision, split = plan.split_revision, plan.config.split
    if revision is None or revision == SplitRevision(plan.config.train.seed):
        return ()
    if revision.copies_apart:
        return (
            Notice(
                "split by row",
                "hardly a row is distinct, so each was split by itself, and copies of it train and test alike",
                'to keep rows together, set split.by = "group" and split.column',
            ),
        )
    groups = "" if summary.units.hashes is None else f" of the {len(summary.units.hashes):,} groups"
    return (
        Notice(
            f"split by {split.column!r}",
            f"train.seed = {plan.config.train.seed} would have missed the shares of rows, so seed {revision.seed} "
            f"chose those{groups} that test",
            f"set train.seed = {revision.seed} to say so",
        ),
    )
