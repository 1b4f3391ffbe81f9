"""The run folder: whole files, one run at a time, nothing left of a run that failed."""

import os

import pytest

from pipeline.errors import ConfigError, DataError
from pipeline.io.run_folder import RunFolder


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path) -> RunFolder:
    return RunFolder(str(tmp_path / "run") if request.param == "local" else f"memory://{tmp_path.name}/run")


def test_write_replaces_a_file_at_once_and_lists_it(folder):
    with folder.lock(resume=False):
        folder.write("a.txt", b"old")
        folder.write("a.txt", b"new")
        folder.write("deep/b.txt", b"b")
        assert folder.read("a.txt") == b"new"
        assert [n for n in folder.names() if not n.startswith("checkpoint")] == ["a.txt", "deep/b.txt"]
        folder.remove("a.txt")
        folder.remove("a.txt")
        assert not folder.exists("a.txt")
        with pytest.raises(DataError, match=r"a\.txt: cannot be read"):
            folder.read("a.txt")


def test_failed_run_leaves_nothing_without_a_checkpoint(folder):
    with pytest.raises(ZeroDivisionError), folder.lock(resume=False):
        folder.write("config.toml", b"")
        raise ZeroDivisionError
    assert folder.names() == []
    assert not os.path.exists(folder.location)  # noqa: PTH110
    with pytest.raises(ZeroDivisionError), folder.lock(resume=False):
        folder.write("config.toml", b"")
        folder.write("checkpoint/learned-1.skops", b"")
        raise ZeroDivisionError
    assert folder.names() == ["checkpoint/learned-1.skops", "config.toml"]
    with (
        pytest.raises(ConfigError, match=r"holds an unfinished run; resume it with `pipeline run --resume"),
        folder.lock(resume=False),
    ):
        pass
    with folder.lock(resume=True):
        folder.finish({"report.json": b"{}", "config.toml": b""})
    assert folder.names() == ["config.toml", "report.json"]
    with pytest.raises(ConfigError, match="its run is finished"):
        folder.check_unfinished()
    with pytest.raises(ConfigError, match="exists and is not empty"), folder.lock(resume=False):
        pass


def test_nothing_to_resume(folder):
    with pytest.raises(ConfigError, match="no unfinished run is there"):
        folder.check_unfinished()


def test_a_second_run_is_refused_while_the_first_is_at_work(folder):
    other = RunFolder(folder.location)
    with folder.lock(resume=False):
        with pytest.raises(ConfigError, match=r"another run (is at work|has begun)"):
            with other.lock(resume=False):
                pass
        if folder.is_local:
            with pytest.raises(ConfigError, match=rf"another run is at work there \(process {os.getpid()} on"):
                with other.lock(resume=True):
                    pass
        folder.write("a.txt", b"")


def test_on_an_object_store_who_resumes_takes_over():
    first = RunFolder("memory://taken/run")
    with first.lock(resume=False):
        first.write("checkpoint/learned-1.skops", b"")
        with RunFolder(first.location).lock(resume=True):
            with pytest.raises(DataError, match="has resumed this run; nothing was written"):
                first.write("report.json", b"")


def test_results_that_cannot_all_be_written_are_none(tmp_path, monkeypatch):
    folder = RunFolder(str(tmp_path / "run"))
    write = folder.write

    def full(name, content):
        if name == "report.html":
            raise DataError("report.html: cannot be written (No space left on device)")
        write(name, content)

    with pytest.raises(DataError, match="No space"), folder.lock(resume=False):
        folder.write("checkpoint/learned-1.skops", b"")
        monkeypatch.setattr(folder, "write", full)
        folder.finish({"model.skops": b"m", "report.html": b"h", "report.json": b"r"})
    assert folder.names() == ["checkpoint/learned-1.skops"]


def test_drafts_of_a_crash_are_swept_away(tmp_path):
    folder = RunFolder(str(tmp_path))
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint/.round-000001.skops.0123abcd").write_bytes(b"half")
    (tmp_path / "checkpoint/learned-000000.skops").write_bytes(b"whole")
    with folder.lock(resume=True):
        assert folder.names() == ["checkpoint/learned-000000.skops", "checkpoint/lock"]


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"file.*(exists and is not empty|cannot be written to)"):
        with RunFolder(str(tmp_path / "file")).lock(resume=False):
            pass
    with pytest.raises(ConfigError, match="cannot be written to"):
        with RunFolder(str(tmp_path / "file/run")).lock(resume=False):
            pass
    with pytest.raises(ConfigError, match="cannot be opened"):
        RunFolder("nosuch://there/run")
    assert (tmp_path / "file").read_text() == "in the way"
