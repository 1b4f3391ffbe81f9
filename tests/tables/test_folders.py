"""What a folder is: leftovers, names and lists as other people's tools leave them, read whole or told."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.commands.run import run
from pipeline.config import dump
from pipeline.errors import DataError
from pipeline.planning.planner import make_plan
from tests.builders import make_config, make_table, write_config

LOCAL = {"workers": 0}
FEATURES = {"numeric": ["x", "n"], "categorical": ["c"]}


def plan_of(path, **sections):
    return make_plan(make_config(path, features=FEATURES, **sections))


@pytest.fixture
def rows():
    return make_table(2_000)


@pytest.fixture
def dead_job(tmp_path, rows):
    """The output of a Spark job that died once and was run again."""
    out = tmp_path / "data"
    for day, part in enumerate(np.array_split(np.arange(len(rows)), 4), start=1):
        folder = out / f"day={day}"
        folder.mkdir(parents=True)
        rows.iloc[part].to_parquet(folder / "part-00000.snappy.parquet", index=False)
        (folder / ".part-00000.snappy.parquet.crc").write_bytes(b"crc\0")
    attempt = out / "_temporary/0/_temporary/attempt_0/day=1"
    attempt.mkdir(parents=True)
    rows.head(500).to_parquet(attempt / "part-00000.parquet", index=False)
    (out / ".spark-staging-1/day=2").mkdir(parents=True)
    rows.head(500).to_parquet(out / ".spark-staging-1/day=2/part-00000.parquet", index=False)
    (out / "_SUCCESS").touch()
    pq.write_metadata(pq.read_schema(out / "day=1/part-00000.snappy.parquet"), out / "_common_metadata")
    return out


@pytest.mark.parametrize("path", ["", "/", "/**/*.parquet", "/day=*/*", "/day=*", "/*", "/**", "/day=[1-4]/*.parquet"])
def test_a_dead_job_leaves_nothing_that_counts_however_the_path_is_written(dead_job, rows, path):
    plan = plan_of(f"{dead_job}{path}")
    assert plan.rows == len(rows)
    assert plan.dataset.hive_columns == ("day",)
    assert {file.values for file in plan.dataset.files} == {(1,), (2,), (3,), (4,)}
    assert plan_of(f"file://{dead_job}{path}").rows == len(rows)


def test_a_leftover_that_is_named_in_full_is_read(dead_job):
    attempt = dead_job / "_temporary/0/_temporary/attempt_0"
    for path in (attempt, f"{attempt}/*/*.parquet", attempt / "day=1/part-00000.parquet"):
        assert plan_of(path).rows == 500


def test_files_of_four_writers_are_all_of_the_table(tmp_path, rows):
    names = ["part-0.parquet", "PART-1.PARQUET", "000002_0", "part-3.parquet.snappy"]
    (tmp_path / "data").mkdir()
    for name, part in zip(names, np.array_split(np.arange(len(rows)), 4), strict=True):
        rows.iloc[part].to_parquet(tmp_path / "data" / name, index=False)
    rows.to_csv(tmp_path / "data/export.csv", index=False)
    rows.to_orc(tmp_path / "data/export.orc", index=False)
    config = write_config(make_config(tmp_path / "data", features=FEATURES), tmp_path / "c.toml")
    report = run(config, cluster=LOCAL, out=tmp_path / "run")
    assert report["rows"]["read"] == len(rows)
    (left_out,) = [notice for notice in report["notices"] if "left out" in notice["message"]]
    assert left_out["message"] == "2 files there are no Parquet and left out: export.csv (CSV), export.orc (ORC)"
    assert left_out["subject"] == str(tmp_path / "data")


@pytest.mark.parametrize(
    ("write", "what"),
    [
        (lambda frame, path: frame.to_csv(path, index=False), "CSV"),
        (lambda frame, path: frame.to_orc(path, index=False), "ORC"),
        (lambda frame, path: frame.to_feather(path), "Arrow IPC"),
        (lambda frame, path: frame.drop(columns="t").to_json(path, orient="records"), "JSON"),
    ],
)
@pytest.mark.parametrize("name", ["data", "data.parquet"])
def test_another_format_is_named(tmp_path, rows, write, what, name):
    (tmp_path / "folder").mkdir()
    write(rows, tmp_path / "folder" / name)
    for path in (tmp_path / "folder", tmp_path / "folder" / name):
        with pytest.raises(DataError, match=rf"{what}.*convert"):
            plan_of(path)


def test_a_folder_with_brackets_in_its_name_is_itself(tmp_path, rows):
    for name, part in (("run[1]", rows.head(300)), ("run1", rows), ("a*?[b]", rows.head(200))):
        (tmp_path / name).mkdir()
        part.to_parquet(tmp_path / name / "x[0-9].parquet", index=False)
    config = write_config(make_config(tmp_path / "run[1]", features=FEATURES), tmp_path / "c.toml")
    assert run(config, cluster=LOCAL, out=tmp_path / "run")["rows"]["read"] == 300
    assert plan_of(tmp_path / "a*?[b]").rows == plan_of(tmp_path / "a*?[b]" / "x[0-9].parquet").rows == 200
    assert plan_of(tmp_path / "run[1-9]").rows == len(rows)


def test_a_list_of_files_folders_and_globs_is_one_table(dead_job, tmp_path, rows):
    day = [str(dead_job / f"day={n}") for n in (1, 2, 3, 4)]
    paths = [day[0], f"{day[1]}/*.parquet", f"{day[2]}/part-00000.snappy.parquet"]
    plan = plan_of(dead_job, data={"path": day})
    assert (plan.rows, plan.dataset.hive_columns) == (len(rows), ("day",))
    config = make_config("", features=FEATURES, data={"path": paths}, split={"path": [day[3], f"{day[0]}/*"]})
    assert "day=1" in dump(config)
    report = run(write_config(config, tmp_path / "c.toml"), cluster=LOCAL, out=tmp_path / "run")
    assert (report["rows"]["read"], report["rows"]["test"]) == (2_500, 1_000)
    assert report["data"]["path"] == ", ".join(paths)


def test_a_file_that_a_list_names_twice_counts_once(dead_job):
    plan = plan_of("", data={"path": [str(dead_job), str(dead_job / "day=1")]})
    assert plan.rows == 2_000
    assert "1 file named more than once, each read once" in str(plan.sources.notices[0])


def test_a_joined_table_is_listed_by_the_same_rule(tmp_path, rows):
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    sizes = pd.DataFrame({"n": range(50), "size": np.arange(50) * 1.5})
    (tmp_path / "sizes/_temporary").mkdir(parents=True)
    for name, part in (("000000_0", sizes.head(20)), ("b", sizes.tail(30)), ("_temporary/c.parquet", sizes)):
        part.to_parquet(tmp_path / "sizes" / name, index=False)
    for path in (str(tmp_path / "sizes"), [str(tmp_path / "sizes/b"), str(tmp_path / "sizes/000000_0")]):
        join = {"path": path, "on": ["n"], "columns": ["size"]}
        plan = make_plan(make_config(tmp_path / "rows.parquet", data={"join": [join]}))
        assert plan.sources.tables[0].rows == 50
        expected = rows["n"].head(1_000).map(sizes.set_index("n")["size"])
        assert plan.head["size"].head(1_000).tolist() == expected.tolist()


def test_a_file_without_a_byte_is_told_or_refused(tmp_path, rows):
    rows.to_parquet(tmp_path / "a.parquet", index=False)
    (tmp_path / "marker").touch()
    assert "marker (empty)" in str(plan_of(tmp_path).sources.notices[0])
    (tmp_path / "b.parquet").touch()
    with pytest.raises(DataError, match=r"b\.parquet: not a readable Parquet file but empty"):
        plan_of(tmp_path)
