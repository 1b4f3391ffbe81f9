"""What the plugin serves beside Dask's own pages: a page with a tab, metrics, and the addresses of the workers."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tornado import web

from pipeline.monitoring.dashboard.state import RunState

PAGE, TARGETS = "/pipeline", "/pipeline/targets"


class Endpoints:
    """Serves the runs of a scheduler on its web server.

    Parameters
    ----------
    scheduler
        The scheduler, a `distributed.Scheduler`.
    runs
        The states of its runs, the latest last; read anew for each answer.
    problems
        Where `open` adds why something cannot be served.
    """

    def __init__(self, scheduler: Any, runs: Mapping[str, RunState], problems: list[str]):
        self._scheduler, self._runs, self._problems = scheduler, runs, problems
        self._application: Any = None
        self._collector: Any = None

    def open(self) -> None:
        """Start to serve as much as this scheduler allows."""
        parts = {"page": self._serve_page, "targets": self._serve_targets, "metrics": self._serve_metrics}
        for name, serve in parts.items():
            try:
                serve()
            except Exception as error:  # a scheduler of another kind or version: the run continues without
                reason = str(error).partition("\n")[0]
                self._problems.append(f"{name}: {type(error).__name__}: {reason}")

    def close(self) -> None:
        """Stop serving the page and the metrics."""
        applications = getattr(getattr(self._scheduler, "http_application", None), "applications", [])
        if self._application in applications:
            applications.remove(self._application)
        if self._collector is not None:
            from prometheus_client import REGISTRY

            REGISTRY.unregister(self._collector)
            self._collector = None

    def _serve_page(self) -> None:
        from distributed.dashboard.core import BokehApplication
        from distributed.dashboard.scheduler import template_variables
        from tornado.ioloop import IOLoop

        from pipeline.monitoring.dashboard.page import fill_document

        server = self._scheduler.http_application
        variables = template_variables(self._scheduler)
        prefix = next((getattr(application, "prefix", "") for application in server.applications), "")
        application = BokehApplication(
            {PAGE: lambda _, extra, doc: fill_document(self._runs, self._problems, extra, doc)},
            self._scheduler,
            prefix=prefix,
            template_variables=variables,
        )
        application.initialize(IOLoop.current())
        application.start()
        server.add_application(application)
        self._application = application
        # Dask's own pages share this list: a new entry is a new tab on all of them.
        if PAGE.strip("/") not in variables["pages"]:
            variables["pages"].insert(1, PAGE.strip("/"))

    def _serve_targets(self) -> None:
        handlers = [(TARGETS, _Targets, {"scheduler": self._scheduler})]
        self._scheduler.http_application.add_handlers(r".*", handlers)

    def _serve_metrics(self) -> None:
        from prometheus_client import REGISTRY

        from pipeline.monitoring.dashboard.run_metrics import RunMetrics

        self._collector = RunMetrics(self._runs)
        REGISTRY.register(self._collector)


class _Targets(web.RequestHandler):
    """Where workers serve their metrics, in the form of Prometheus's ``http_sd_configs``, as workers come and go."""

    def initialize(self, scheduler: Any) -> None:
        self.scheduler = scheduler

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        targets = []
        for address, worker in self.scheduler.workers.items():
            port = worker.services.get("dashboard")
            if port:
                host = urlsplit(address).hostname or ""
                labels = {"worker": address, "worker_name": str(worker.name)}
                targets.append({"targets": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"], "labels": labels})
        self.write(json.dumps(targets))
