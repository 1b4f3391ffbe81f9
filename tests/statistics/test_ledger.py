import json

import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.io.batching import Batch, RowGroupRange
from pipeline.io.dataset import QuarantinedFile
from pipeline.statistics.counts import Counts
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.moments import Moments
from pipeline.statistics.summary import Summary, merge_summaries


def summary(train=3, test=2, strange=0, **reasons):
    labels = Counts(pd.Series({0: 1, 1: 2}))
    rows = {"train": train, "validation": 0, "test": test, **reasons}
    tested = Counts(pd.Series({0: test - strange, 9: strange}))
    return Summary(rows, {}, {}, Moments(), train_labels=labels, test_labels=tested, batches={0: rows})


def batch(rows, number=0):
    return Batch(number, (RowGroupRange(f"part-{number}.parquet", (0,)),), rows)


def test_every_row_has_one_role():
    ledger = Ledger.from_summary(summary(strange=1, **{"label missing": 4}))
    assert (ledger.read, ledger.train, ledger.test, ledger.rejected) == (9, 3, 1, 5)
    assert ledger.read == ledger.train + ledger.test + ledger.rejected
    assert ledger.reasons == {"label missing": 4, "label not seen in training": 1}
    assert ledger.labelled == 5


def test_a_row_lost_fails_the_run_and_names_the_batch():
    ledger = Ledger.from_summary(summary())
    assert ledger.check_balance([batch(5)]) is ledger
    with pytest.raises(DataError, match=r"5 rows of batch 0 \(part-0.parquet .* accounted for, .* state 6"):
        ledger.check_balance([batch(6)])
    with pytest.raises(DataError, match="0 rows of batch 1"):
        ledger.check_balance([batch(5), batch(2, 1)])


def test_a_batch_counted_twice_fails_the_run():
    both = merge_summaries([summary(), summary()])
    with pytest.raises(DataError, match="10 rows accounted for, but the footers state 5"):
        Ledger.from_summary(both).check_balance([batch(5)])


def test_more_quarantined_than_allowed_fails_the_run():
    ledger = Ledger.from_summary(
        summary(), files=[QuarantinedFile("a.parquet", 0, "broken"), QuarantinedFile("b.parquet", 3, "odd")]
    )
    assert (ledger.read, ledger.rejected, ledger.reasons) == (8, 3, {"batch quarantined": 3})
    assert ledger.check_balance([batch(5)], 2) is ledger
    with pytest.raises(DataError, match=r"a.parquet: quarantined \(broken\), and 1 more, .*max_bad_batches = 1"):
        ledger.check_balance([batch(5)], 1)


def test_evaluation_refuses_other_test_rows_and_counts_unseen_by_batch():
    ledger = Ledger.from_summary(summary(strange=1))
    done = ledger.with_evaluated_rows({0: 1}, [batch(5)])
    assert done.batches[0] == {"train": 3, "validation": 0, "test": 1, "label not seen in training": 1}
    for rows in (0, 2, 3):
        with pytest.raises(DataError, match=rf"batch 0 .*: {rows} rows to evaluate on, 2 when it was read before"):
            ledger.with_evaluated_rows({0: rows}, [batch(5)])


def test_a_ledger_comes_back_from_a_checkpoint_as_it_was():
    ledger = Ledger.from_summary(summary(strange=1), files=[QuarantinedFile("a.parquet", 0, "broken")])
    assert Ledger.from_dict(json.loads(json.dumps(ledger.to_dict()))) == ledger
    table = ledger.table([batch(5)])
    assert table["where"].tolist() == ["part-0.parquet (row groups 0 to 0)", "a.parquet"]
    assert table[["read", "train", "test", "rejected"]].iloc[0].tolist() == [5, 3, 2, 0]
