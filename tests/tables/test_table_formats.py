"""Delta, Iceberg and Hudi tables, as their own libraries write them: the rows of the log, or a refusal by name."""

import contextlib
import datetime as dt
import json
import shutil
import sys
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import LongType
from pyiceberg.utils.config import Config

from pipeline.commands.evaluate import evaluate
from pipeline.commands.predict import predict
from pipeline.commands.run import resume_run, run
from pipeline.engine.shuffle_join import shuffle_large_joins
from pipeline.errors import ClusterError, ConfigError, DataError
from pipeline.inference.batch_scorer import BatchScorer
from pipeline.io.batching import form_batches
from pipeline.io.dataset import open_dataset
from pipeline.io.reader import ReadSpec, read_batch, without_categories
from pipeline.planning.description import describe_plan
from pipeline.planning.planner import make_plan
from pipeline.training.run_stages import run_stages
from tests.builders import make_config, make_table, write_config

LOCAL = {"workers": 0}
FEATURES = {"numeric": ["x", "n"], "categorical": ["c"]}


def read(path, **options):
    """All rows of a data set, as batches are read."""
    dataset = open_dataset(str(path), **options)
    spec = ReadSpec.of(dataset, dataset.schema)
    frames = [without_categories(read_batch(batch, spec).frame) for batch in form_batches(dataset, "file")]
    return pd.concat(frames, ignore_index=True)


def same_rows(found, expected):
    """Whether two frames have the same rows, in any order."""
    names = sorted(expected.columns)
    assert sorted(found.columns) == names
    sides = [
        side[names].astype(dict.fromkeys(names, "str")).sort_values(names).reset_index(drop=True)
        for side in (found, expected)
    ]
    pd.testing.assert_frame_equal(*sides)


def live_rows(path, **options):
    """The rows of a Delta table as its own library reads them."""
    return DeltaTable(path, **options).to_pyarrow_table().to_pandas()


@pytest.fixture
def rows():
    return make_table(1_200).drop(columns=["t", "three", "amount"])


@pytest.fixture
def delta(tmp_path, rows):
    """A table of four versions: written, appended to, rows deleted, overwritten."""
    path = str(tmp_path / "table")
    write_deltalake(path, pa.Table.from_pandas(rows.head(400)))
    write_deltalake(path, pa.Table.from_pandas(rows.tail(800)), mode="append")
    DeltaTable(path).delete("n < 10")
    write_deltalake(path, pa.Table.from_pandas(rows.head(600).assign(y=lambda f: 1 - f["y"])), mode="overwrite")
    return path


# Delta: which rows.


@pytest.mark.parametrize("version", [None, 0, 1, 2, 3])
def test_the_rows_of_a_delta_table_are_those_of_its_version(delta, version):
    same_rows(read(delta, version=version), live_rows(delta, version=version))
    assert open_dataset(delta, version=version).version == f"Delta version {3 if version is None else version}"


def test_partition_values_come_from_the_log(tmp_path):
    table = pa.table(
        {
            "x": [1.0, 2.0, 3.0, 4.0, 5.0],
            "text": ["a b", "a/b%20", None, "01", "ä=1"],
            "day": [dt.date(2026, 1, 31), None, dt.date(2026, 2, 1), dt.date(1969, 12, 31), dt.date(2026, 1, 31)],
            "small": pa.array([1, 2, 3, None, -5], pa.int16()),
            "money": pa.array([Decimal("1.50"), None, Decimal("2.25"), Decimal("0.00"), Decimal("9.75")]),
            "flag": [True, False, None, True, False],
        }
    )
    path = str(tmp_path / "table")
    write_deltalake(path, table, partition_by=["text", "day", "small", "money", "flag"])
    dataset = open_dataset(path)
    assert dataset.hive_columns == ("text", "day", "small", "money", "flag")
    assert dataset.schema.field("text").type == pa.string()
    found = read(path).sort_values("x", ignore_index=True)
    assert found["text"].fillna("?").tolist() == ["a b", "a/b%20", "?", "01", "ä=1"]
    assert pd.to_datetime(found["day"]).tolist() == pd.to_datetime(table["day"].to_pandas()).tolist()
    assert found["small"].fillna(99).tolist() == [1, 2, 3, 99, -5]
    assert found["money"].fillna(99).astype(float).tolist() == [1.5, 99, 2.25, 0, 9.75]
    since = [("day", ">=", dt.date(2026, 1, 31))]
    assert sorted(read(path, filters=since)["x"]) == [1, 3, 5]
    assert open_dataset(path, since).pruned == 1  # the partition of 1969; where no day is known, rows decide


def test_a_table_of_many_versions_is_read_from_its_checkpoint(tmp_path, rows):
    path = str(tmp_path / "table")
    for i in range(12):
        write_deltalake(path, pa.Table.from_pandas(rows.iloc[i * 10 : i * 10 + 10]), mode="append")
    table = DeltaTable(path)
    table.create_checkpoint()
    write_deltalake(path, pa.Table.from_pandas(rows.tail(7)), mode="append")
    for i in range(9):  # as the cleaning of old logs does
        Path(f"{path}/_delta_log/{i:020d}.json").unlink()
    fsspec.filesystem("memory").put(path, "checkpointed", recursive=True)
    for place in (path, f"file://{path}", "memory://checkpointed"):
        assert open_dataset(place).rows == 127
        assert open_dataset(place, version=11).rows == 120
        with pytest.raises(ConfigError, match=r"has the versions 11 to 12, not 3; choose"):
            open_dataset(place, version=3)


def test_the_only_version_is_named(tmp_path, rows):
    write_deltalake(str(tmp_path), pa.Table.from_pandas(rows))
    with pytest.raises(ConfigError, match=r"has only version 0, not 1; choose"):
        open_dataset(str(tmp_path), version=1)


def test_columns_that_were_added_are_of_the_table_and_removed_ones_are_not(tmp_path, rows):
    path = str(tmp_path / "table")
    write_deltalake(path, pa.Table.from_pandas(rows))
    write_deltalake(path, pa.Table.from_pandas(rows.drop(columns="n")), mode="overwrite", schema_mode="overwrite")
    assert "n" not in open_dataset(path).schema.names
    assert "n" in open_dataset(path, version=0).schema.names


@pytest.mark.parametrize("form", ["file://{}", "file:{}", "{}"])
def test_files_elsewhere_are_found_by_their_absolute_paths(tmp_path, rows, form):
    path, other = tmp_path / "table", tmp_path / "other place"
    write_deltalake(str(path), pa.Table.from_pandas(rows))
    (file,) = path.glob("*.parquet")
    other.mkdir()
    file.rename(other / file.name)
    log = path / "_delta_log/00000000000000000000.json"
    absolute = form.format(str(other).replace(" ", "%20"))
    log.write_text(log.read_text().replace(f'"path":"{file.name}"', f'"path":"{absolute}/{file.name}"'))
    same_rows(read(path), rows)


def test_a_version_whose_files_are_gone_is_refused(delta):
    DeltaTable(delta).vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert open_dataset(delta).rows == 600
    with pytest.raises(DataError, match=r"parquet: was listed, but is not there; .*VACUUM"):
        open_dataset(delta, version=1)


# Delta: what is refused.


def rewrite_log(path, change):
    log = path / "_delta_log/00000000000000000000.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        change(action)
    log.write_text("\n".join(map(json.dumps, actions)))


def with_features(*names):
    def change(action):
        if "protocol" in action:
            action["protocol"] = {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": names,
                "writerFeatures": names,
            }

    return change


def test_deletion_vectors_are_refused_and_a_table_that_only_allows_them_is_read(tmp_path, rows):
    path = tmp_path / "table"
    write_deltalake(str(path), pa.Table.from_pandas(rows))
    rewrite_log(path, with_features("deletionVectors"))
    fsspec.filesystem("memory").put(str(path), "no-vectors", recursive=True)
    assert open_dataset(str(path)).rows == open_dataset("memory://no-vectors").rows == len(rows)
    vector = {
        "storageType": "i",
        "pathOrInlineDv": "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
        "sizeInBytes": 40,
        "cardinality": 6,
    }
    rewrite_log(path, lambda action: action.get("add", {}).update(deletionVector=vector))
    fsspec.filesystem("memory").put(str(path), "vectors", recursive=True)
    for place in (str(path), f"file://{path}", "memory://vectors"):
        with pytest.raises(DataError, match=r"has deletion vectors, which mark rows .* as deleted; rewrite"):
            open_dataset(place)


def test_mapped_columns_are_refused_by_name(tmp_path, rows):
    path = tmp_path / "table"
    write_deltalake(str(path), pa.Table.from_pandas(rows))

    def map_columns(physical):
        def change(action):
            if "protocol" in action:
                action["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
            if "metaData" in action:
                schema = json.loads(action["metaData"]["schemaString"])
                for i, field in enumerate(schema["fields"], start=1):
                    names = {"delta.columnMapping.id": i, "delta.columnMapping.physicalName": physical(field["name"])}
                    field["metadata"] = names
                action["metaData"]["schemaString"] = json.dumps(schema)
                action["metaData"]["configuration"] = {"delta.columnMapping.mode": "name"}

        return change

    rewrite_log(path, map_columns(lambda name: name))
    same_rows(read(path), rows)
    rewrite_log(path, map_columns(lambda name: f"col-{name}"))
    with pytest.raises(DataError, match="maps columns to other names in its files \\('x' to 'col-x'\\)"):
        open_dataset(str(path))


def test_a_feature_that_the_library_does_not_know_is_named(tmp_path, rows):
    write_deltalake(str(tmp_path / "table"), pa.Table.from_pandas(rows))
    rewrite_log(tmp_path / "table", with_features("rowsAsRiddles"))
    with pytest.raises(DataError, match="rowsAsRiddles"):
        open_dataset(str(tmp_path / "table"))


def test_a_damaged_or_empty_log_is_named(tmp_path, rows):
    write_deltalake(str(tmp_path / "table"), pa.Table.from_pandas(rows))
    log = tmp_path / "table/_delta_log/00000000000000000000.json"
    log.write_text(log.read_text()[:100])
    with pytest.raises(DataError, match="the log of the Delta table cannot be read"):
        open_dataset(str(tmp_path / "table"))
    log.unlink()
    with pytest.raises(DataError, match="the log of the Delta table is empty"):
        open_dataset(str(tmp_path / "table"))


def test_a_table_without_rows_is_named(delta):
    DeltaTable(delta).delete()
    with pytest.raises(DataError, match=r"version 4 of the Delta table has no rows; choose another with data\.version"):
        open_dataset(delta)


# Parts of tables, and what is none.


def test_a_part_of_a_table_is_refused_with_the_path_of_the_whole(tmp_path, rows):
    path = tmp_path / "lake/table"
    path.parent.mkdir()
    write_deltalake(str(path), pa.Table.from_pandas(rows), partition_by=["c"])
    file = next(path.glob("c=red/*.parquet"))
    for part in (path / "c=red", file, f"{path}/c=*/*.parquet", f"{path}/**", f"file://{path}/c=red"):
        with pytest.raises(DataError, match=rf"the Delta table {path}, .*; give the folder of the table"):
            open_dataset(str(part))
    for around in (path.parent, f"{path.parent}/**/*.parquet", f"{path.parent}/*/*/*.parquet"):
        with pytest.raises(DataError, match=rf"(holds|matches files of) the Delta table {path}"):
            open_dataset(str(around))
    with pytest.raises(DataError, match="a table with a log, in a list of paths; give it alone"):
        open_dataset([str(path), str(path)])


def test_folders_of_bookkeeping_in_a_table_are_no_part_of_it(delta, rows):
    Path(f"{delta}/_staging").mkdir()
    rows.head(3).to_parquet(f"{delta}/_staging/a.parquet")
    assert open_dataset(f"{delta}/_staging").rows == 3
    assert open_dataset(delta).rows == 600


def test_a_version_of_what_has_none_is_refused(tmp_path, rows):
    rows.to_parquet(tmp_path / "a.parquet")
    for path in (tmp_path, tmp_path / "a.parquet", f"{tmp_path}/*.parquet"):
        with pytest.raises(ConfigError, match=r"data\.version: .* is no Delta or Iceberg table .*; remove the key"):
            open_dataset(str(path), version=1)


def test_hudi_is_refused_by_name(tmp_path, rows):
    (tmp_path / ".hoodie").mkdir()
    (tmp_path / ".hoodie/hoodie.properties").write_text("hoodie.table.name=t\n")
    rows.to_parquet(tmp_path / "a.parquet")
    for path in (tmp_path, f"file://{tmp_path}"):
        with pytest.raises(DataError, match="a Hudi table, which is not read"):
            open_dataset(str(path))
    with pytest.raises(DataError, match="matches files of the Hudi table"):
        open_dataset(f"{tmp_path}/*.parquet")


def test_without_the_extra_one_line_says_how_to_install_it(delta, iceberg, monkeypatch):
    monkeypatch.setitem(sys.modules, "deltalake", None)
    monkeypatch.setitem(sys.modules, "pipeline.io.table_formats.iceberg_files", None)
    monkeypatch.delattr("pipeline.io.table_formats.iceberg_files", raising=False)  # another test may have imported it
    with pytest.raises(ConfigError, match=r'a Delta table.*: pip install "dask-etl-train\[delta\]"\.$'):
        open_dataset(delta)
    with pytest.raises(ConfigError, match=r'an Iceberg table.*: pip install "dask-etl-train\[iceberg\]"\.$'):
        open_dataset(folder_of(iceberg))


# Iceberg.


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    uri, warehouse = f"sqlite:///{tmp_path}/catalog.db", f"file://{tmp_path}/warehouse"
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__URI", uri)
    monkeypatch.setenv("PYICEBERG_CATALOG__LAKE__WAREHOUSE", warehouse)
    # pyiceberg reads the environment once, when it is imported.
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())
    made = SqlCatalog("lake", uri=uri, warehouse=warehouse)
    made.create_namespace("sales")
    return made


@pytest.fixture
def iceberg(catalog, rows):
    """A table of three snapshots: written, appended to, rows deleted."""
    arrow = pa.Table.from_pandas(rows, preserve_index=False)
    table = catalog.create_table("sales.orders", arrow.schema)
    table.append(arrow.slice(0, 400))
    table.append(arrow.slice(400))
    table.delete("n < 10")
    return table


def folder_of(table):
    return table.location().removeprefix("file://")


def test_the_rows_of_an_iceberg_table_are_those_of_its_snapshot(iceberg, rows):
    snapshots = [snapshot.snapshot_id for snapshot in iceberg.snapshots()]
    folder = folder_of(iceberg)
    places = (folder, f"file://{folder}", iceberg.metadata_location, "iceberg://lake/sales.orders")
    for place in places:
        same_rows(read(place), iceberg.scan().to_pandas())
        same_rows(read(place, version=snapshots[0]), rows.head(400))
    assert open_dataset(folder).version == f"Iceberg snapshot {snapshots[-1]}, schema 0"
    assert open_dataset(folder).rows == (rows["n"] >= 10).sum()
    with pytest.raises(ConfigError, match=rf"has no snapshot 5, its last are .*{snapshots[0]}.*; choose one"):
        open_dataset(folder, version=5)


def test_a_table_that_was_moved_is_read_where_it_is(iceberg, tmp_path):
    shutil.move(folder_of(iceberg), tmp_path / "moved")
    assert open_dataset(str(tmp_path / "moved")).files[0].path.startswith(f"{tmp_path}/moved/data/")
    fsspec.filesystem("memory").put(str(tmp_path / "moved"), "ice", recursive=True)
    same_rows(read("memory://ice"), read(tmp_path / "moved"))


def test_relative_paths_become_those_that_every_worker_finds(iceberg, delta, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("warehouse/sales/orders", Path(iceberg.metadata_location).relative_to(f"file:{tmp_path}"), "table"):
        files = open_dataset(str(path)).files
        assert all(Path(file.path).is_absolute() and Path(file.path).exists() for file in files)


def test_the_newest_metadata_is_read_or_the_one_that_is_named(iceberg):
    folder = folder_of(iceberg)
    metadata = sorted(Path(folder).glob("metadata/*.metadata.json"))
    assert open_dataset(str(metadata[1])).rows == 400
    hint = Path(folder) / "metadata/version-hint.text"
    hint.write_text(metadata[1].name.removesuffix(".metadata.json"))
    assert open_dataset(folder).rows == 400
    hint.unlink()
    shutil.copy(metadata[-1], metadata[-1].with_name(f"{metadata[-1].name[:6]}{UUID(int=0)}.metadata.json"))
    with pytest.raises(DataError, match="may be the newest of the Iceberg table; give the path of one"):
        open_dataset(folder)


def test_columns_by_which_every_file_was_written_come_from_the_metadata(catalog):
    table = pa.table(
        {
            "x": [1.0, 2.0, 3.0, 4.0],
            "code": ["01", "a b", None, "1"],
            "day": [dt.date(2026, 1, 31), dt.date(1969, 12, 31), None, dt.date(2026, 2, 1)],
            "at": pa.array([dt.datetime(2026, 1, 1, 10), None, dt.datetime(1960, 1, 1), dt.datetime(2026, 1, 2)]),
        }
    )
    made = catalog.create_table("sales.days", table.schema)
    with made.update_spec() as spec:
        for name in ("code", "day", "at"):
            spec.add_identity(name)
    made.append(table)
    dataset = open_dataset(folder_of(made))
    assert set(dataset.schema.names) == set(table.column_names)
    assert dataset.hive_columns == ("code", "day", "at")
    found = read(folder_of(made)).sort_values("x", ignore_index=True)
    expected = table.to_pandas()
    assert found["code"].fillna("?").tolist() == ["01", "a b", "?", "1"]
    for name in ("day", "at"):
        assert pd.to_datetime(found[name]).tolist() == pd.to_datetime(expected[name]).tolist()
    with made.update_spec() as spec:
        spec.remove_field("code")
    made.append(table)
    assert open_dataset(folder_of(made)).hive_columns == ("day", "at")
    twice = read(folder_of(made)).sort_values("x", ignore_index=True)
    assert twice["code"].fillna("?").tolist() == ["01", "01", "a b", "a b", "?", "?", "1", "1"]


def test_the_columns_are_those_of_the_schema_and_renamed_ones_are_refused(iceberg, rows):
    with iceberg.update_schema() as update:
        update.delete_column("n")
    assert "n" not in open_dataset(folder_of(iceberg)).schema.names
    assert "n" in open_dataset(folder_of(iceberg), version=iceberg.snapshots()[0].snapshot_id).schema.names
    with iceberg.update_schema() as update:
        update.rename_column("x", "x_new")
    with pytest.raises(DataError, match="column 'x' is called 'x_new' in the table by now"):
        open_dataset(folder_of(iceberg))


def test_a_column_that_was_dropped_and_added_again_is_another(iceberg):
    with iceberg.update_schema() as update:
        update.delete_column("n")
    with iceberg.update_schema() as update:
        update.add_column("n", LongType())
    with pytest.raises(DataError, match="column 'n' is another one than the table's"):
        open_dataset(folder_of(iceberg))


def test_rows_that_are_marked_as_deleted_are_refused(iceberg, tmp_path):
    delete_first_row(iceberg, tmp_path)
    assert (
        len(iceberg.refresh().scan().to_pandas())
        < open_dataset(folder_of(iceberg), version=iceberg.snapshots()[-2].snapshot_id).rows
    )
    with pytest.raises(DataError, match="row-level deletes, which mark rows of its files as deleted; rewrite"):
        open_dataset(folder_of(iceberg))


def test_catalogs_and_tables_that_are_not_there_are_named(iceberg):
    with pytest.raises(ConfigError, match=r"the catalog 'lake' has no table 'sales\.nothing'"):
        open_dataset("iceberg://lake/sales.nothing")
    with pytest.raises(ConfigError, match=r"pyiceberg knows no catalog 'pond' .*PYICEBERG_CATALOG__POND__URI"):
        open_dataset("iceberg://pond/sales.orders")
    with pytest.raises(ConfigError, match=r"write iceberg://CATALOG/NAMESPACE\.TABLE"):
        open_dataset("iceberg://lake")


# Whole runs.


def run_on(path, out, **sections):
    sections = {"features": FEATURES, "evaluate": {"bootstrap": 0}} | sections
    config = write_config(make_config(path, **sections), out.parent / f"{out.name}.toml")
    return run(config, cluster=LOCAL, out=out)


def test_a_run_on_a_delta_table_equals_that_on_its_rows(delta, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    report = run_on(delta, tmp_path / "run")
    (tmp_path / "plain").mkdir()
    for file in DeltaTable(delta).file_uris():
        shutil.copy(file, tmp_path / "plain")
    plain = run_on(tmp_path / "plain", tmp_path / "plain_run")
    assert report["model"]["fingerprint"] == plain["model"]["fingerprint"]
    assert report["metrics"] == plain["metrics"]
    assert report["data"]["versions"] == {delta: "Delta version 3"}
    assert plain["data"]["versions"] == {}
    assert set(pd.read_csv(tmp_path / "run/ledger.csv")["version"]) == {"Delta version 3"}
    assert "version" not in pd.read_csv(tmp_path / "plain_run/ledger.csv").columns
    for name in ("report.html", "model-card.md"):
        assert "Delta version 3 of" in (tmp_path / "run" / name).read_text()
    assert f"version     Delta version 3 of {delta}" in " ".join(capsys.readouterr().err.split("\n"))
    assert "version = 3" in (tmp_path / "run/config.toml").read_text()


def test_versions_of_data_test_set_and_joined_table_are_read_and_told(delta, tmp_path, rows):
    sizes = str(tmp_path / "sizes")
    write_deltalake(sizes, pa.table({"n": np.arange(50), "size": np.arange(50) * 1.5}))
    write_deltalake(sizes, pa.table({"n": np.arange(50), "size": np.arange(50) * -1.0}), mode="overwrite")
    join = {"path": sizes, "on": ["n"], "columns": ["size"], "version": 0}
    config = make_config(delta, data={"version": 1, "join": [join]}, split={"path": delta, "version": 0})
    plan = make_plan(config)
    assert plan.sources.file_versions[delta] == "Delta version 1 and Delta version 0"
    assert plan.sources.version_texts == {delta: plan.sources.file_versions[delta], sizes: "Delta version 0"}
    assert (plan.rows, plan.expected_test_rows) == (1_600, 400)
    rows_by_version = pd.Series([batch.rows for batch in plan.batches]).groupby(list(plan.batch_versions)).sum()
    assert rows_by_version.to_dict() == {"Delta version 1": 1_200, "Delta version 0": 400}
    assert plan.head["size"].tolist() == (plan.head["n"] * 1.5).tolist()
    assert any("Delta version 1" in line for line in describe_plan(plan))
    newest = make_plan(make_config(delta, data={"join": [{k: join[k] for k in ("path", "on", "columns")}]}))
    assert newest.config.data.version == 3
    assert newest.config.data.join[0].version == 1


def test_a_shuffled_table_is_read_in_its_version(delta, tmp_path, session):
    write_deltalake(str(tmp_path / "sizes"), pa.table({"n": np.arange(50), "size": np.arange(50) * 1.5}))
    join = {"path": str(tmp_path / "sizes"), "on": ["n"], "columns": ["size"], "large": True}
    plan = make_plan(make_config(delta, data={"join": [join], "version": 2}))
    write_deltalake(str(tmp_path / "sizes"), pa.table({"n": np.arange(50), "size": np.zeros(50)}), mode="overwrite")
    with shuffle_large_joins(session.client, plan, tmp_path / "run") as joined:
        assert joined.rows == plan.rows
        assert joined.dataset.version == "Delta version 2"
        assert joined.head["size"].tolist() == (joined.head["n"] * 1.5).tolist()


def test_predictions_and_evaluations_read_tables(delta, tmp_path, rows):
    report = run_on(delta, tmp_path / "run", data={"version": 1})
    manifest = predict(tmp_path / "run", delta, str(tmp_path / "out"), options=LOCAL, keep=["y"])
    assert manifest["rows"]["read"] == 600  # of the newest version, not of the one that it was trained on
    predict(tmp_path / "run", delta, str(tmp_path / "old"), ("data.version=2",), LOCAL, ["n", "y"])
    found = pd.concat(map(pd.read_parquet, (tmp_path / "old").glob("*.parquet")))
    same_rows(found[["n", "y"]], live_rows(delta, version=2)[["n", "y"]])
    config = write_config(make_config(delta, features=FEATURES, data={"version": 1}), tmp_path / "e.toml")
    evaluated = evaluate(tmp_path / "run", config, options=LOCAL)
    assert evaluated["metrics"]["log_loss"] == pytest.approx(report["metrics"]["log_loss"])


def test_a_run_is_resumed_on_the_version_that_it_began_with(tmp_path, rows, monkeypatch):
    path, sizes = str(tmp_path / "table"), str(tmp_path / "sizes")
    write_deltalake(path, pa.Table.from_pandas(rows))
    write_deltalake(sizes, pa.table({"n": np.arange(50), "size": np.arange(50) * 1.5}))
    config = make_config(
        path,
        data={"batch_rows": 200, "join": [{"path": sizes, "on": ["n"], "columns": ["size"]}]},
        features={"numeric": ["x", "size"]},
        train={"round_batches": 2, "checkpoint_seconds": 0.0},
        evaluate={"bootstrap": 0},
    )
    file = write_config(config, tmp_path / "c.toml")
    uninterrupted = run(file, cluster=LOCAL, out=tmp_path / "whole")

    def fail(plan, session, monitor, progress, on_progress, base_run):
        def fail_after_a_round(progress):
            on_progress(progress)
            if progress.rounds:
                raise ClusterError("gone")

        return run_stages(plan, session, monitor, progress, fail_after_a_round, base_run)

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.commands.run_execution.run_stages", fail)
        for name in ("one", "two"):
            with pytest.raises(ClusterError, match="gone"):
                run(file, cluster=LOCAL, out=tmp_path / name)
    write_deltalake(path, pa.Table.from_pandas(rows.head(1_000)), mode="overwrite")
    write_deltalake(sizes, pa.table({"n": np.arange(50), "size": np.zeros(50)}), mode="overwrite")
    resumed = [resume_run(tmp_path / "one", cluster=LOCAL), resume_run(tmp_path / "two", file, cluster=LOCAL)]
    for report in resumed:
        assert report["training"]["resumed_after_rounds"] == 1
        assert report["data"]["versions"] == {path: "Delta version 0", sizes: "Delta version 0"}
        assert report["model"]["fingerprint"] == uninterrupted["model"]["fingerprint"]
    assert run(file, cluster=LOCAL, out=tmp_path / "new")["data"]["versions"][path] == "Delta version 1"
    again = run(tmp_path / "whole", cluster=LOCAL, out=tmp_path / "again")
    assert again["model"]["fingerprint"] == uninterrupted["model"]["fingerprint"]


def test_predicting_is_resumed_on_the_version_that_it_began_with(delta, tmp_path, monkeypatch):
    run_on(delta, tmp_path / "run")
    out = str(tmp_path / "out")

    def fail(self, earlier):
        score(self, earlier)
        raise ClusterError("gone")

    score = BatchScorer.score
    with monkeypatch.context() as patch:
        patch.setattr(BatchScorer, "score", fail)
        with pytest.raises(ClusterError):
            predict(tmp_path / "run", delta, out, options=LOCAL, keep=["y"])
    DeltaTable(delta).delete()
    manifest = predict(tmp_path / "run", delta, out, options=LOCAL, keep=["y"], resume=True)
    assert manifest["rows"]["written"] == 600
    with contextlib.suppress(DataError):
        predict(tmp_path / "run", delta, str(tmp_path / "new"), options=LOCAL)
        raise AssertionError("the newest version has no rows")


def test_a_run_on_an_iceberg_table_reads_its_rows(iceberg, tmp_path):
    report = run_on("iceberg://lake/sales.orders", tmp_path / "run")
    assert report["rows"]["read"] == len(iceberg.scan().to_pandas())
    assert report["data"]["versions"]["iceberg://lake/sales.orders"].startswith("Iceberg snapshot ")
    assert f"version = {iceberg.current_snapshot().snapshot_id}" in (tmp_path / "run/config.toml").read_text()


def delete_first_row(table, tmp_path):
    """Mark the first row of a file as deleted, which pyiceberg reads and does not write."""
    from pyiceberg.manifest import (
        DataFile,
        DataFileContent,
        FileFormat,
        ManifestContent,
        ManifestEntry,
        ManifestEntryStatus,
        ManifestWriterV2,
        write_manifest_list,
    )
    from pyiceberg.typedef import Record

    snapshot, folder = table.current_snapshot(), folder_of(table)
    target = next(iter(table.scan().plan_files())).file.file_path
    deletes = f"{folder}/data/deletes.parquet"
    fields = [
        pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}),
        pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"}),
    ]
    pq.write_table(pa.table([[target], [0]], schema=pa.schema(fields)), deletes)
    new_id = snapshot.snapshot_id + 1
    file = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=f"file://{deletes}",
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=1,
        file_size_in_bytes=Path(deletes).stat().st_size,
    )

    class DeleteManifestWriter(ManifestWriterV2):
        def content(self):
            return ManifestContent.DELETES

        @property
        def _meta(self):
            return super()._meta | {"content": "deletes"}

    output = table.io.new_output(f"file://{folder}/metadata/deletes-m0.avro")
    with DeleteManifestWriter(table.spec(), table.schema(), output, new_id, "null") as writer:
        entry = ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED, snapshot_id=new_id, sequence_number=None, data_file=file
        )
        writer.add_entry(entry)
    manifests = [*snapshot.manifests(table.io), writer.to_manifest_file()]
    listed = f"file://{folder}/metadata/snap-deletes.avro"
    number = table.metadata.last_sequence_number + 1
    with write_manifest_list(2, table.io.new_output(listed), new_id, snapshot.snapshot_id, number, "null") as writer:
        writer.add_manifests(manifests)
    last = sorted(Path(folder).glob("metadata/*.metadata.json"))[-1]
    metadata = json.loads(last.read_text())
    newest = dict(metadata["snapshots"][-1]) | {
        "snapshot-id": new_id,
        "parent-snapshot-id": snapshot.snapshot_id,
        "sequence-number": number,
        "manifest-list": listed,
    }
    metadata["snapshots"].append(newest)
    metadata |= {"current-snapshot-id": new_id, "last-sequence-number": number}
    metadata["refs"]["main"]["snapshot-id"] = new_id
    last.write_text(json.dumps(metadata))
