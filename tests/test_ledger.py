import pandas as pd
import pytest

from pipeline.errors import DataError
from pipeline.ledger import Ledger
from pipeline.statistics import Counts, Moments, Summary


def summary(train=3, test=2, strange=0, **reasons):
    labels = Counts(pd.Series({0: 1, 1: 2}))
    return Summary(
        {"train": train, "validation": 0, "test": test, **reasons},
        {},
        {},
        Moments(),
        labels,
        Counts(pd.Series({0: test - strange, 9: strange})),
    )


def test_every_row_has_one_fate():
    ledger = Ledger.of(summary(strange=1, **{"label missing": 4}))
    assert (ledger.read, ledger.train, ledger.test, ledger.rejected) == (9, 3, 1, 5)
    assert ledger.read == ledger.train + ledger.test + ledger.rejected
    assert ledger.reasons == {"label missing": 4, "label not seen in training": 1}
    assert ledger.labelled == 5


def test_a_row_lost_fails_the_run():
    ledger = Ledger.of(summary())
    assert ledger.balanced(5) is ledger
    with pytest.raises(DataError, match="5 rows accounted for, but the footers state 6"):
        ledger.balanced(6)
