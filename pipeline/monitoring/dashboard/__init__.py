"""The page on Dask's dashboard: a scheduler plugin that serves the runs as a page, as JSON and to Prometheus.

`plugin` receives events and tasks, `state` is what they add up to, `page` and `run_metrics` show it, `endpoints`
serves both, and `worker_metrics` runs on every worker.
"""
