"""The dashboard's own page: a scheduler plugin with a page, JSON and Prometheus metrics of the runs."""
