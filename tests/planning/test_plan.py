"""The plan as a value."""

import numpy as np

from pipeline.planning.planner import make_plan
from tests.builders import make_config


def test_the_estimate_of_memory_is_near_the_truth(folder):
    from pipeline.preparation.batch_pipeline import pack_row_group

    chosen = make_plan(make_config(folder))
    packed = [pack_row_group([b], chosen.recipe) for b in chosen.batches]
    real = sum(b.features.numbers.nbytes + b.features.codes.nbytes + b.label.nbytes + b.role.nbytes for b in packed)
    assert np.isclose(chosen.packed_bytes(), real, rtol=0.1)
