"""How the memory of the workers is used: what is decided from Parquet footers before the first row is read."""

from pipeline.engine.batch_schedule import SEGMENT_SIZE, share_row_groups
from pipeline.engine.cluster.session import Session
from pipeline.planning.plan import Plan

# The part of the workers' memory that kept batches may fill; the rest is for the work itself.
MAX_KEPT_FRACTION = 0.5
# Memory of packed batches and of what a model makes of them: boosted trees take 15 bytes for each value of a row.
MODEL_MEMORY_FACTOR = 6
# Decoded bytes of the batches that one task reads, at most; only one batch at a time is decoded.
MAX_BYTES_READ_TOGETHER = 64 << 20


def should_keep_batches(plan: Plan, session: Session, copies: int = 1) -> bool:
    """Whether batches stay in the workers' memory between the stages; otherwise each stage reads them again."""
    if plan.config.data.keep != "auto":
        return plan.config.data.keep == "memory"
    return not session.memory or copies * plan.packed_bytes() <= MAX_KEPT_FRACTION * session.memory


def fits_one_worker(plan: Plan, session: Session, groups: int) -> bool:
    """Whether one worker has room for the packed batches of a group, and for what a model makes of them.

    Otherwise a task reads its batches one after the other, and the model keeps what it makes of them on disk.
    """
    if plan.config.data.keep == "reread":
        return False
    per_worker = session.memory / max(session.workers, 1)
    return not per_worker or MODEL_MEMORY_FACTOR * plan.packed_bytes() / groups <= MAX_KEPT_FRACTION * per_worker


def max_rows_read_together(plan: Plan) -> int:
    """The rows of a batch up to which one task reads several: they are small, and no stage wants fewer at a time."""
    config = plan.config
    if config.train.epochs > 1 or config.split.folds or share_row_groups(plan.batches):
        return 0
    return MAX_BYTES_READ_TOGETHER // (SEGMENT_SIZE * plan.dataset.row_bytes(plan.columns))


def should_read_batches_together(plan: Plan) -> bool:
    """Whether one task reads as many batches as another task works on."""
    return max(batch.rows for batch in plan.batches) <= max_rows_read_together(plan)
