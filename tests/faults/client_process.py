"""A run in a process of its own, which can kill itself while it writes."""

import multiprocessing
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pipeline.commands.run import run
from pipeline.engine.cluster import session
from pipeline.io import run_folder


def run_client(config: str, out: str, cluster: dict[str, Any], kill_at: tuple[int, str] | None = None) -> None:
    """Run a config; ``kill_at`` is the number of a write, and "half" (within it) or "after" (it)."""
    session.prepare_workers = lambda client, modules: []  # the workers can import the package already
    write, count = run_folder.write_atomically, 0

    def deadly_write(path: Path, content: bytes, *args: Any, **options: Any) -> None:
        nonlocal count
        count += 1
        if kill_at is not None and count == kill_at[0]:
            if kill_at[1] == "half":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(f".{path.name}.0123abcd").write_bytes(content[: len(content) // 2])
            if kill_at[1] == "after":
                write(path, content, *args, **options)
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, content, *args, **options)

    run_folder.write_atomically = deadly_write
    run(Path(config), (), cluster, out)


def start_client(
    config: Path, out: Path, cluster: dict[str, Any], kill_at: tuple[int, str] | None = None
) -> BaseProcess:
    """Start `run_client` in a process of its own; ``cluster`` are keys of the config's section."""
    arguments = (str(config), str(out), cluster, kill_at)
    process = multiprocessing.get_context("forkserver").Process(target=run_client, args=arguments)
    process.start()
    return process
