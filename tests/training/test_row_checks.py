"""Checks of the merged statistics: data that cannot be trained on is refused."""

import pytest

from pipeline.errors import DataError
from tests.builders import execute, make_table, make_table_config, write_parquet

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(
    ("change", "sections", "message"),
    [
        (lambda f: f.assign(y=1), {}, "label 'y' has the single class 1"),
        (lambda f: f.assign(y=f["y"].astype("Int64").mask(f["y"] >= 0)), {}, "label 'y' has no value in any row"),
        (lambda f: f, {"split": {"test": 0.9999999}}, "no rows left for training"),
        (lambda f: f, {"split": {"test": 0.0000001}}, "no rows left for testing"),
        (lambda f: f, {"prepare": {"function": "tests.user_code:duplicate_rows"}}, "must not add rows"),
        (lambda f: f.assign(i=1), {"prepare": {"function": "tests.user_code:fail"}}, "raised ZeroDivisionError"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(session, tmp_path, change, sections, message):
    folder = write_parquet(change(make_table(200)), tmp_path / "d", 2)
    with pytest.raises(DataError, match=message):
        execute(session, make_table_config(folder, **sections))


def test_early_stopping_without_validation_rows_is_refused(session, folder):
    settings = {"early_stopping": "validation", "validation_fraction": 1e-9}
    with pytest.raises(DataError, match=r"no rows left to stop by or to calibrate on.*raise train.validation_fraction"):
        execute(session, make_table_config(folder, train=settings))
