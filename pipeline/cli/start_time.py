"""When the command started: imported before anything slow, since a user waits for imports, too."""

import time

STARTED = time.perf_counter()
