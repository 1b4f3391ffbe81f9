"""Data that is broken, changes or is unusual: rows 12 to 21 of the matrix."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline import config as cfg
from pipeline.commands.run import run
from pipeline.errors import DataError, PipelineError
from pipeline.io.dataset import open_dataset
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.preparation.batch_pipeline import pack_row_group
from pipeline.training.run_stages import run_stages
from tests.builders import bits, execute, make_small_config, make_table, write_config, write_parquet
from tests.faults.conftest import on_threads_and_once_on_processes
from tests.faults.user_code import POISON

QUARANTINE = {"data": {"on_bad_batch": "quarantine"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_parquet(make_table(1_200), tmp_path / "data", 4)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


BROKEN = {
    "truncated": (truncate, "not a readable Parquet file"),
    "zero bytes": (lambda path: path.write_bytes(b""), "not a readable Parquet file"),
    "not Parquet": (lambda path: path.write_text("a,b\n1,2\n" * 100), "not a readable Parquet file"),
    "a directory": (lambda path: (path.unlink(), path.mkdir(), (path / "x").touch()), None),
    "a dangling link": (lambda path: (path.unlink(), path.symlink_to("nowhere")), "was listed, but is not there"),
    "a name that is no text": (
        lambda path: path.write_bytes(path.read_bytes().replace(b"amount", b"\x80mount")),
        "not a readable Parquet file",
    ),
    "a column twice": (
        lambda path: pq.write_table(pa.table([[1], [2]], names=["x", "x"]), path),
        "has two columns 'x'",
    ),
}


@pytest.mark.parametrize(("name", "cluster"), on_threads_and_once_on_processes(BROKEN))
def test_row_12_broken_file_is_named_before_anything_runs_or_quarantined(request, folder, name, cluster):
    damage, reason = BROKEN[name]
    damage(folder / "part-002.parquet")
    if reason is None:  # no file, so none of the data
        assert open_dataset(str(folder)).rows == 900
        return
    with pytest.raises(DataError, match=rf"part-002\.parquet: {reason}"):
        make_plan(make_small_config(folder))
    ledger = execute(request.getfixturevalue(cluster), make_small_config(folder, **QUARANTINE)).ledger
    assert (ledger.read, ledger.rejected) == (900, 0)
    (quarantined,) = ledger.list_quarantined(make_plan(make_small_config(folder, **QUARANTINE)).batches)
    assert "part-002.parquet" in quarantined["where"]
    assert reason in quarantined["reason"]


def test_row_12_file_that_vanishes_or_is_unreadable_is_named(workers, folder):
    config = make_small_config(folder)
    plan = make_plan(config)
    (folder / "part-001.parquet").unlink()
    with pytest.raises(DataError, match=r"batch 1 \(.*part-001\.parquet.*cannot be decoded.*No such file"):
        run_stages(plan, workers, Monitor(quiet=True))
    if os.geteuid() != 0:  # permissions do not apply to root
        (folder / "part-000.parquet").chmod(0)
        with pytest.raises(DataError, match=r"part-000\.parquet: not a readable Parquet file \(.*ermission denied"):
            make_plan(config)


def flip_bit(path: Path) -> None:
    """Change one bit in the middle of the first column's data."""
    offset = pq.read_metadata(path).row_group(0).column(0).data_page_offset + 200
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def test_row_13_flipped_bit_is_named_by_checksums_or_if_it_comes_later(workers, folder):
    table_written = pq.read_table(folder / "part-003.parquet")
    path = folder / "part-003.parquet"
    pq.write_table(table_written, path, compression="none", use_dictionary=False, write_page_checksum=True)
    flip_bit(path)
    with pytest.raises(DataError, match=r"batch 3 \(.*part-003\.parquet.*cannot be decoded.*CRC"):
        execute(workers, make_small_config(folder))
    # Without checksums a new run cannot know; a run that began before does.
    pq.write_table(table_written, path, compression="none", use_dictionary=False)
    plan = make_plan(make_small_config(folder))
    flip_bit(path)
    with pytest.raises(DataError, match=r"part-003\.parquet: was .* when the run began, is .* now"):
        run_stages(plan, workers, Monitor(quiet=True))


def change_table(path: Path, change) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def replace_column(name: str, values) -> object:
    return lambda t: t.set_column(t.schema.get_field_index(name), name, values(t.column(name)))


DRIFTS = {
    "int to text": (
        replace_column("n", lambda c: c.cast(pa.string())),
        r"column 'n' is string, but int64 in .*part-000",
    ),
    "int to boolean": (
        replace_column("n", lambda c: pc.greater(c, 0)),
        r"column 'n' is bool, but int64 in .*part-000",
    ),
    "float to time": (
        replace_column("x", lambda c: pa.array(np.arange(len(c)), pa.timestamp("us"))),
        r"column 'x' is timestamp\[us\], but double in .*part-000",
    ),
}
# What loses nothing is read as one.
WIDENED = {
    "int to float": replace_column("n", lambda c: c.cast(pa.float64())),
    "int to narrow int": replace_column("n", lambda c: c.cast(pa.int32())),
    "text to large text": replace_column("c", lambda c: c.cast(pa.large_string())),
}


@pytest.mark.parametrize(("name", "cluster"), on_threads_and_once_on_processes(DRIFTS))
def test_rows_15_and_16_other_types_are_named_or_quarantined(request, folder, name, cluster):
    (change, reason), session = DRIFTS[name], request.getfixturevalue(cluster)
    change_table(folder / "part-002.parquet", change)
    with pytest.raises(DataError, match=rf"part-002\.parquet: {reason}"):
        make_plan(make_small_config(folder))
    ledger = execute(session, make_small_config(folder, **QUARANTINE)).ledger
    assert (ledger.read, ledger.reasons) == (1_200, {"batch quarantined": 300})
    assert Path(ledger.files[0].path).name == "part-002.parquet"
    # If the first file differs, the schema of most files counts.
    shutil.copy(folder / "part-002.parquet", folder / "aaa.parquet")
    (folder / "part-002.parquet").unlink()
    ledger = execute(session, make_small_config(folder, **QUARANTINE)).ledger
    assert Path(ledger.files[0].path).name == "aaa.parquet"
    assert ledger.train + ledger.test == 900


@pytest.mark.parametrize("name", WIDENED)
def test_rows_15_and_16_types_of_one_kind_same_figures(threads, folder, expected, name):
    change_table(folder / "part-002.parquet", WIDENED[name])
    # Not the fingerprint: the model remembers the types of its columns.
    assert bits(execute(threads, make_small_config(folder)))[1:3] == expected[1:3]


def test_rows_15_and_16_a_column_that_a_file_lacks_is_missing_there_and_told(threads, folder):
    change_table(folder / "part-002.parquet", lambda t: t.drop_columns(["x"]))
    outcome = execute(threads, make_small_config(folder))
    assert outcome.ledger.train + outcome.ledger.test == 1_200
    assert any("'x'" in str(notice) and "300 of 1,200 rows" in str(notice) for notice in outcome.notices), (
        outcome.notices
    )


def test_rows_15_and_16_order_extra_columns_and_dictionaries_same_bits(workers, folder, expected):
    change_table(folder / "part-001.parquet", lambda t: t.select(t.column_names[::-1]))
    change_table(folder / "part-002.parquet", lambda t: t.append_column("extra", pa.nulls(len(t))))
    change_table(folder / "part-003.parquet", replace_column("c", lambda c: c.dictionary_encode()))
    outcome = execute(workers, make_small_config(folder))
    assert bits(outcome)[:3] == expected[:3]


def test_row_17_categories_of_files_become_one_vocabulary(workers, tmp_path):
    frame = make_table(1_200).assign(c=lambda f: np.where(f.index < 600, "early", "late"))
    frame.loc[frame.index % 3 == 0, "c"] = "always"
    folder = write_parquet(frame, tmp_path / "data", 4)
    model = execute(workers, make_small_config(folder)).model
    names = model.named_steps["preprocess"].get_feature_names_out()
    assert [n for n in names if n.startswith("c=")] == ["c=always", "c=early", "c=late"]
    unseen = frame.head(5).assign(c="never")
    assert model[:-1].transform(unseen)[:, [n.startswith("c=") for n in names]].nnz == 0  # zeros: the README's policy
    assert np.isfinite(model.predict_proba(unseen)).all()


def test_row_18_empty_files_and_batches_are_counted_same_bits(workers, folder, expected):
    make_table(10).head(0).to_parquet(folder / "part-0005.parquet", index=False)
    # In this file, pandas writes columns without a type, which the other files have.
    assert bits(execute(workers, make_small_config(folder)))[:3] == expected[:3]
    ledger = execute(
        workers, make_small_config(folder, prepare={"filter": {"late": "t > '2030-01-01' or n < 25"}})
    ).ledger
    assert ledger.read == 1_200
    sorted_by_n = write_parquet(make_table(1_200).sort_values("n", ignore_index=True), folder.parent / "sorted", 4)
    ledger = execute(workers, make_small_config(sorted_by_n, prepare={"filter": {"few": "n < 12"}})).ledger
    assert (ledger.read, ledger.batches[3]["few"]) == (1_200, 300)


def test_row_19_sorted_labels_train(workers, tmp_path):
    folder = write_parquet(make_table(1_200).sort_values("y", ignore_index=True), tmp_path / "data", 6)
    for lanes in (1, 3):
        outcome = execute(workers, make_small_config(folder, train={"lanes": lanes, "epochs": 3}))
        assert outcome.metrics["roc_auc"] > 0.7
    sgd = {"model": {"estimator": "sklearn.linear_model.SGDClassifier", "params": {"loss": "log_loss"}}}
    assert execute(workers, make_small_config(folder, **sgd)).ledger.read == 1_200


def test_row_20_unusable_labels_are_rejected_by_reason(workers, tmp_path):
    frame = make_table(1_200)
    frame["amount"] = frame["amount"].astype(float)
    frame.loc[:9, "amount"] = np.inf
    frame.loc[10:29, "amount"] = np.nan
    frame.loc[30:35, "x"] = -np.inf  # of a feature: missing
    folder = write_parquet(frame, tmp_path / "data", 4)
    ledger = execute(workers, make_small_config(folder, data={"label": "amount"})).ledger
    assert ledger.reasons == {"label missing": 20, "label not finite": 10}
    assert ledger.batches[0]["label missing"] == 20
    rare = make_table(1_200).assign(k="a")
    rare.loc[rare.index % 2 == 0, "k"] = "b"
    rare.loc[1_100:, "k"] = "strange"
    write_parquet(rare.head(1_000), tmp_path / "train", 2)
    write_parquet(rare.tail(200), tmp_path / "test", 2)
    split = {"split": {"path": str(tmp_path / "test")}, "data": {"label": "k"}}
    ledger = execute(workers, make_small_config(tmp_path / "train", **split)).ledger
    assert ledger.reasons == {"label not seen in training": 100}
    assert sum(rows.get("label not seen in training", 0) for rows in ledger.batches.values()) == 100


def test_row_21_one_row_group_and_many_tiny_files_give_the_same_batches(workers, tmp_path):
    frame = make_table(5_000)
    many = write_parquet(frame, tmp_path / "many", 1_000)
    one = write_parquet(frame, tmp_path / "one", 1)
    changes = {"data": {"batch_rows": 500}}
    first, second = (execute(workers, make_small_config(folder, **changes)) for folder in (many, one))
    assert first.metrics == second.metrics
    assert (
        len(make_plan(make_small_config(many, **changes)).batches)
        == len(make_plan(make_small_config(one, **changes)).batches)
        == 10
    )


def test_batches_of_a_failing_function_are_quarantined_up_to_the_limit(workers, tmp_path):
    frame = make_table(1_200)
    frame.loc[[100, 700], "x"] = POISON
    folder = write_parquet(frame, tmp_path / "data", 4)
    changes = {"prepare": {"function": "tests.faults.user_code:failing"}, "data": {"on_bad_batch": "quarantine"}}
    with pytest.raises(DataError, match=r"part-00[02]\.parquet.*what is this"):
        execute(workers, make_small_config(folder, prepare=changes["prepare"]))
    for keep in ("memory", "reread"):
        changes["data"] = {"on_bad_batch": "quarantine", "keep": keep}
        outcome = execute(workers, make_small_config(folder, **changes))
        ledger = outcome.ledger
        assert ledger.reasons == {"batch quarantined": 600}
        assert sorted(ledger.errors) == [0, 2]
        assert "raised ValueError: what is this" in ledger.errors[2]
        assert ledger.train + ledger.test == 600
    changes["data"]["max_bad_batches"] = 1
    with pytest.raises(DataError, match=r"part-000.*quarantined .*what is this.*, and 1 more, .*max_bad_batches = 1"):
        execute(workers, make_small_config(folder, **changes))


def test_quarantined_batches_are_in_the_report_and_the_ledger(workers, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])
    truncate(folder / "part-001.parquet")
    write_config(make_small_config(folder, **QUARANTINE), tmp_path / "c.toml")
    report = run(tmp_path / "c.toml", (), {"scheduler": workers.scheduler}, out=str(tmp_path / "run"))
    assert report["batches"]["rejected"] == 1
    assert report["batches"]["set_aside"][0]["where"].endswith("part-001.parquet")
    assert "part-001.parquet" in (tmp_path / "run/report.html").read_text()
    ledger = pd.read_csv(tmp_path / "run/ledger.csv")
    assert ledger["read"].sum() == report["rows"]["read"] == 900
    assert ledger["error"].notna().sum() == 1


@hypothesis_settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damage_anywhere_in_a_file_is_one_sentence_or_rows(tmp_path_factory, data):
    """Cut, overwrite or insert bytes: reading returns rows or names the file, and never raises another error."""
    folder = tmp_path_factory.mktemp("fuzz")
    make_table(50).to_parquet(folder / "part.parquet", index=False)
    content = (folder / "part.parquet").read_bytes()
    position = data.draw(st.integers(0, len(content) - 1))
    added = data.draw(st.binary(min_size=0, max_size=40))
    kind = data.draw(st.sampled_from(["cut", "overwrite", "insert"]))
    rest = b"" if kind == "cut" else content[position + (len(added) if kind == "overwrite" else 0) :]
    (folder / "part.parquet").write_bytes(content[:position] + added + rest)
    try:
        plan = make_plan(make_small_config(folder))
        for batch in plan.batches:
            pack_row_group([batch], plan.recipe)
    except PipelineError as error:
        assert any(name in str(error) for name in ("part.parquet", "label", "evaluate.slices")), error


TOML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
SECTIONS = ["data", "prepare", "split", "features", "model", "train", "evaluate", "aggregate", "cluster", "x"]
KEYS = [
    "path",
    "label",
    "function",
    "columns",
    "derive",
    "join",
    "test",
    "folds",
    "epochs",
    "slices",
    "workers",
    "cross",
]


@hypothesis_settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(SECTIONS), st.dictionaries(st.sampled_from(KEYS), TOML, max_size=3) | TOML))
def test_any_config_is_parsed_or_refused_in_one_sentence(raw):
    try:
        cfg.parse(raw)
    except PipelineError as error:
        assert "\n" not in str(error)
