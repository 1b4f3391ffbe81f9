"""The checkpoint of a search: every score so far, in the run folder."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict

from pipeline.io.run_folder import CHECKPOINT_FOLDER, RunFolder
from pipeline.model_selection.trial import TrialScore

CHECKPOINT_FILE = f"{CHECKPOINT_FOLDER}/search.json"


class SearchCheckpoint:
    """Writes the scores of a search to its run folder, and reads them again.

    Parameters
    ----------
    seconds
        Scores are written when so many seconds have passed since the last time.
    """

    def __init__(self, folder: RunFolder, seconds: float):
        self._folder, self._seconds = folder, seconds
        self._written, self._unwritten = time.monotonic(), b""

    def record(self, scores: Sequence[TrialScore]) -> None:
        """Remember all scores so far, and write them if it is time.

        Raises
        ------
        StorageError
            They cannot be written.
        """
        self._unwritten = json.dumps([asdict(score) for score in scores]).encode()
        if time.monotonic() - self._written >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Write what was recorded last, unless that is done.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        if self._unwritten:
            self._folder.write(CHECKPOINT_FILE, self._unwritten)
            self._written, self._unwritten = time.monotonic(), b""

    def load(self) -> list[TrialScore]:
        """Return the scores that were written last; none if there are none."""
        if not self._folder.exists(CHECKPOINT_FILE):
            return []
        return [TrialScore(**fields) for fields in json.loads(self._folder.read(CHECKPOINT_FILE))]
