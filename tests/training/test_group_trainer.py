"""Models that learn from whole groups of batches, on two real workers."""

import importlib.util
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from pipeline import config as cfg
from pipeline.engine.cluster.session import connect
from pipeline.errors import ConfigError, DataError
from pipeline.io.run_folder import RunFolder
from pipeline.model_selection.search import HyperparameterSearch
from pipeline.models import persistence
from pipeline.models.persistence import fingerprint
from pipeline.monitoring.progress import Monitor
from pipeline.planning.description import describe_plan
from pipeline.planning.planner import make_plan
from pipeline.training.group_trainer import BatchReader
from tests.builders import execute, make_config, make_table, make_table_config, write_parquet

pytestmark = pytest.mark.cluster
MODELS = {
    "xgboost": {"estimator": "xgboost", "params": {"n_estimators": 10, "n_jobs": 1}},
    "lightgbm": {"estimator": "lightgbm", "params": {"n_estimators": 10, "n_jobs": 1}},
    "ensemble": {"estimator": "sklearn.tree.DecisionTreeClassifier", "params": {"max_depth": 5}},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_parquet(make_table(6_000), tmp_path_factory.mktemp("groups") / "data", 4)


@pytest.fixture(params=MODELS)
def model(request):
    if request.param != "ensemble":
        pytest.importorskip(request.param, reason=f"the extra {request.param} is not installed")
    return MODELS[request.param]


def test_the_same_bits_kept_or_read_by_the_task_itself(session, data, model):
    kept = execute(session, make_table_config(data, model=model, data={"keep": "memory"}))
    read = execute(session, make_table_config(data, model=model, data={"keep": "reread"}))
    assert fingerprint(kept.model) == fingerprint(read.model)
    assert kept.metrics == read.metrics
    assert kept.metrics["roc_auc"] > 0.75
    assert kept.training.rows == kept.ledger.train
    again = persistence.loads(persistence.dumps(kept.model), "here")
    np.testing.assert_array_equal(again.predict_proba(make_table(50)), kept.model.predict_proba(make_table(50)))


@pytest.mark.parametrize("numbers", [[3, 2, 1, 0], [0, 2, 5, 1], [7, 4, 6], [11, 10, 0, 5, 4, 8], [9]])
def test_a_task_reads_its_batches_in_any_order_from_shared_row_groups(tmp_path, numbers):
    frame = make_table(1_200).assign(x=np.arange(1_200.0))
    folder = write_parquet(frame, tmp_path / "data", 1)
    frame.to_parquet(folder / "part-000.parquet", index=False, row_group_size=500)
    plan = make_plan(make_config(folder, data={"batch_rows": 100}, features={"numeric": ["x"]}))
    reader = BatchReader(tuple(plan.batches[n] for n in numbers), plan.recipe)
    assert [batch.number for batch in reader] == numbers
    for batch in reader:
        rows = batch.features.numbers[:, 0] * plan.packing_scale.unit[0] + plan.packing_scale.center[0]
        assert np.round(rows).tolist() == list(range(100 * batch.number, 100 * batch.number + 100))


def test_the_same_bits_on_one_two_and_three_workers(session, data):
    """On three, of which two are taken away then, and on the two of all tests."""
    models = [MODELS[name] for name in ("xgboost", "lightgbm") if importlib.util.find_spec(name)]
    if not models:
        pytest.skip("neither of the extras xgboost and lightgbm is installed")

    def fingerprints(on):
        return [fingerprint(execute(on, make_table_config(data, model=model)).model) for model in models]

    found = [fingerprints(session)]
    with connect(cfg.ClusterConfig(workers=3, dashboard="127.0.0.1:0")) as three:
        found.append(fingerprints(three))
        three.client.cluster.scale(1)
        while len(three.client.scheduler_info(n_workers=-1)["workers"]) > 1:
            time.sleep(0.05)
        found.append(fingerprints(three))
    assert found[0] == found[1] == found[2]


def test_the_auc_is_that_of_xgboost_on_the_same_matrix(session, data):
    xgboost = pytest.importorskip("xgboost", reason="the extra xgboost is not installed")
    outcome = execute(session, make_table_config(data, model=MODELS["xgboost"], split={"path": str(data)}))
    frame, encoder = pd.read_parquet(data), outcome.model.named_steps["preprocess"]
    matrix = encoder.transform(frame)
    plain = xgboost.XGBClassifier(n_estimators=10, learning_rate=0.3, max_depth=6).fit(matrix, frame["y"])
    theirs = sk.roc_auc_score(frame["y"], plain.predict_proba(matrix)[:, 1])
    assert outcome.metrics["roc_auc"] == pytest.approx(theirs, abs=0.002)


def test_it_predicts_in_a_process_without_dask(session, data, model, tmp_path):
    outcome = execute(session, make_table_config(data, model=model))
    (tmp_path / "model.skops").write_bytes(persistence.dumps(outcome.model))
    make_table(20).to_parquet(tmp_path / "some.parquet")
    code = (
        "import sys; sys.modules['dask'] = sys.modules['distributed'] = None\n"
        "import pandas as pd, pipeline\n"
        "model = pipeline.load(sys.argv[1] + '/model.skops')\n"
        "print(model.predict_proba(pd.read_parquet(sys.argv[1] + '/some.parquet'))[:, 1].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    np.testing.assert_array_equal(eval(done.stdout), outcome.model.predict_proba(make_table(20))[:, 1])


def test_folds_lanes_numbers_and_the_search(session, data, tmp_path):
    tree = {"estimator": "sklearn.tree.DecisionTreeRegressor"}
    settings = make_table_config(data, "amount", model=tree, train={"lanes": 2}, split={"folds": 2})
    outcome = execute(session, settings)
    assert outcome.model.named_steps["model"].n_members == 2
    assert len(outcome.folds) == 2
    assert outcome.metrics["r2"] > 0.5
    space = {"model.params.max_depth": [1, 6], "model.estimator": ["sklearn.tree.DecisionTreeClassifier"]}
    searching = make_table_config(data, search={"space": space, "method": "grid"})
    monitor = Monitor(quiet=True)
    found = HyperparameterSearch(make_plan(searching), session, monitor, RunFolder(str(tmp_path)), lambda: None).run()
    assert found.values["model.params.max_depth"] == 6


def test_options_that_do_not_apply_are_refused_or_named(session, data):
    tree = {"estimator": "sklearn.tree.DecisionTreeClassifier"}
    with pytest.raises(ConfigError, match="does not learn in epochs"):
        make_plan(make_table_config(data, model=tree, train={"early_stopping": "validation"}))
    assert any(
        "an ensemble of 4 models, each of one batch" in line
        for line in describe_plan(make_plan(make_table_config(data, model=tree)))
    )
    wrong = {"estimator": "sklearn.neighbors.KNeighborsClassifier", "params": {"metric": "haversine"}}
    with pytest.raises(DataError, match="KNeighborsClassifier refused to train"):
        execute(session, make_table_config(data, model=wrong))
