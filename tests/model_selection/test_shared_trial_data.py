"""The data that trials share: subsamples of the training rows, and what trials must agree in."""

from pipeline.model_selection.shared_trial_data import packing_key, statistics_key, subsample
from pipeline.preparation.columns import Columns


def test_subsample_of_few_batches_leaves_out_rows():
    part = subsample(list(range(12)), 1 / 9, 0)
    assert (len(part.numbers), part.step) == (12, 9)


def test_subsample_of_many_batches_leaves_out_batches():
    part = subsample(list(range(900)), 1 / 9, 0)
    assert (len(part.numbers), part.step) == (100, 1)


def test_smaller_subsample_lies_within_a_larger_one():
    assert subsample(list(range(900)), 1 / 9, 0).numbers < subsample(list(range(900)), 1 / 3, 0).numbers


def test_columns_with_another_encoding_are_packed_alike():
    one_hot, target = (Columns(("x",), ("c",), (), options={"c": {"encode": how}}) for how in ("onehot", "target"))
    assert packing_key(one_hot) == packing_key(target)
    assert statistics_key(one_hot) != statistics_key(target)
