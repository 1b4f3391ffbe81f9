"""Where a task may keep files while it runs."""

import tempfile

from distributed import get_worker


def scratch_folder() -> str:
    """The worker's own folder, or the system's temporary folder if the task runs on a thread of this process."""
    try:
        return str(get_worker().local_directory)
    except ValueError:  # no worker: threads of this process
        return tempfile.gettempdir()
