import os

import pytest

from pipeline.io.atomic_write import is_draft, write_atomically


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_and_no_draft_stays(tmp_path, durable):
    path = tmp_path / "folder" / "a.txt"
    for content in (b"old", b"new"):
        write_atomically(path, content, durable)
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def full(_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new", durable=True)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_drafts_are_recognised_by_their_name():
    assert is_draft("checkpoint/.round-000001.skops.0123abcd")
    assert not any(map(is_draft, [".hidden", "a.0123abcd", "checkpoint/report.json", ".a.0123abcg"]))
