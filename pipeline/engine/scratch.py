"""Where a task may keep files for as long as it runs."""

import tempfile

from distributed import get_worker


def scratch_folder() -> str:
    """The worker's own folder, or the system's for temporary files where tasks run on threads of this process."""
    try:
        return str(get_worker().local_directory)
    except ValueError:  # no worker: threads of this process
        return tempfile.gettempdir()
