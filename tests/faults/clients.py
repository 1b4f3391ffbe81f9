"""A client process of a run, which can be told to die while it writes."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from pipeline.commands.run import run
from pipeline.engine.cluster import session
from pipeline.io import run_folder


def client(config: str | None, out: str, scheduler: str, die: tuple[int, str] | None = None) -> None:
    """Run, or resume where ``config`` is None; ``die`` is the number of a write, and "before", "half" or "after" it."""
    # The workers have the package: what is sent would be the same.
    session.prepare_workers = lambda client, modules: []
    whole, count = run_folder._write, 0

    def deadly(path: Path, content: bytes, *args: Any, **options: Any) -> None:
        nonlocal count
        count += 1
        if die is not None and count == die[0]:
            if die[1] == "half":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(f".{path.name}.0123abcd").write_bytes(content[: len(content) // 2])
            if die[1] == "after":
                whole(path, content, *args, **options)
            os.kill(os.getpid(), signal.SIGKILL)
        whole(path, content, *args, **options)

    run_folder._write = deadly
    options = {"scheduler": scheduler}
    run(config and Path(config), (), options, None if config is None else out, resume=out if config is None else None)


def started(*arguments: Any) -> Any:
    """`client` in a process of its own."""
    process = multiprocessing.get_context("forkserver").Process(target=client, args=arguments)
    process.start()
    return process
