"""Checks of the split, once every row has its role: whether as many rows test as were asked for."""

import numpy as np

from pipeline.errors import DataError
from pipeline.notices import Notice
from pipeline.planning.plan import Plan
from pipeline.preparation.expression_parser import as_written
from pipeline.preparation.split import MAX_DEVIATION, MAX_TIME_DEVIATION, share_tolerance, shares_by_seed
from pipeline.preparation.split_units import SplitUnits
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.summary import Summary

# Among so many seeds one is looked for that suits few groups.
N_SEEDS = 1000


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


def without_group_notices(summary: Summary, plan: Plan) -> tuple[Notice, ...]:
    """That rows have no group, where groups are split."""
    count, split = summary.units.without_group, plan.config.split
    if not count or split.by != "group" or split.path is not None:
        return ()
    rows = sum(summary.rows.get(role, 0) for role in ("train", "validation", "test"))
    return (
        Notice(
            f"split by {split.column!r}",
            f"{count:,} rows ({count / rows:.1%}) have no {split.column!r}, and each of them was split by itself",
            f'to leave them out, set prepare.filter.known = "{as_written(split.column or "")}.notna()"',
        ),
    )
