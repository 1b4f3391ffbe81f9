"""Monitoring: what is visible while a run goes on.

Belongs here: events and where they go (log lines, a listener), the progress bars, signals, and the page on Dask's
dashboard. A notice at the end of a run is a listener of `events`.

May import: `errors`, `io`, `config`.
"""
