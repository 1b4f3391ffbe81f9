"""Monitoring: what is visible during a run.

Belongs here: events and where they go (`event_log`, the dashboard), the progress bars, signals, and the page on
Dask's dashboard. Figures and plots of a finished run belong in `reporting`.

May import: `errors`, `notices`, `io`, `config`.

To send a notice at the end of a run (Slack, mail), write a file here like `event_log`: a function that is called with
each event and acts on those that it knows, such as ``run_finished`` and ``run_failed``. Subscribe it in
`cli.options`, where the log is subscribed.
"""
