"""`pipeline check` on data with everything that it warns of."""

import numpy as np
import pandas as pd
import pytest

from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import for_exploration, make_plan
from pipeline.reporting.data_description import check_results
from pipeline.training.statistics_stage import explore
from tests.builders import make_config, make_table, write_parquet


@pytest.mark.cluster
def test_each_column_has_its_type_gaps_values_and_warnings(session, tmp_path):
    frame = make_table(600).assign(
        constant=1.0,
        empty=np.nan,
        leak=lambda rows: np.where(rows["y"] == 1, "yes", "no"),
        identifier=[f"id{i}" for i in range(600)],
    )
    write_parquet(frame, tmp_path / "data", 2)
    features = {"numeric": ["x", "constant", "empty"], "categorical": ["c", "leak", "identifier"]}
    plan = make_plan(make_config(tmp_path / "data", features=features))
    summary, plan = explore(for_exploration(plan), session, Monitor(quiet=True))
    results = check_results(summary, plan)
    columns = results["columns"]
    assert results["rows"] == {"read": 600, "rejected": 0, "rejected_by_reason": {}}
    assert results["label"] == {str(k): round(v, 6) for k, v in frame["y"].value_counts(normalize=True).items()}
    assert columns["x"]["missing"] == pytest.approx(frame["x"].isna().mean())
    assert (columns["x"]["low"], columns["x"]["high"]) == pytest.approx((frame["x"].min(), frame["x"].max()))
    assert columns["c"]["distinct"] == 3
    assert (columns["x"]["warnings"], columns["c"]["warnings"]) == ([], [])
    assert columns["constant"]["warnings"] == ["constant"]
    assert columns["empty"]["warnings"] == ["no value at all"]
    assert columns["leak"]["warnings"] == [
        "predicts the label almost perfectly: its ROC AUC by itself is 1.000; is it known beforehand?"
    ]
    assert "hardly a value occurs twice: an identifier?" in columns["identifier"]["warnings"]
    assert pd.Series({name: column["type"] for name, column in columns.items()}).value_counts().to_dict() == {
        "numeric": 3,
        "categorical": 3,
    }
