"""Atomic writes: a local file that is complete at every moment, whatever happens to the process or the machine."""

import os
import re
import uuid
from pathlib import Path

DRAFT_NAME = re.compile(r"\..+\.[0-9a-f]{8}")


def write_atomically(path: Path, content: bytes, durable: bool) -> None:
    """Write a draft beside ``path``, then give it that name; with ``durable`` it is on the disk before.

    A file that is not durable may be missing or empty after the machine, not only the process, has crashed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable and hasattr(os, "O_DIRECTORY"):  # the name is part of the folder, which is written on its own
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def is_draft(name: str) -> bool:
    """Whether a crash during `write_atomically` may have left a file of this name."""
    return DRAFT_NAME.fullmatch(name.rpartition("/")[2]) is not None
