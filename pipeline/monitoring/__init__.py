"""Monitoring: what is visible while a run goes on.

Belongs here: events and where they go (log lines, a listener), the progress bars, signals, and the page on Dask's
dashboard.

May import: `errors`, `io`, `config`.

To send a notice at the end of a run, write a listener of `events` here.
"""
