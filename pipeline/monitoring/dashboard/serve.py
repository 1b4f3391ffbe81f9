"""What the plugin serves beside Dask's own pages: ours, with a tab; metrics for Prometheus; where workers are."""

import json
from typing import Any
from urllib.parse import urlsplit

from tornado import web

PAGE, TARGETS = "/pipeline", "/pipeline/targets"


def serve(live: Any) -> list[str]:
    """Serve ``live`` (a `plugin.DashboardPlugin`) on its scheduler; why some of it cannot be."""
    problems = []
    live.application = live.collector = None
    for part in (_page, _routes, _metrics):
        try:
            part(live)
        except Exception as error:  # a scheduler of another kind or version: a run goes on without
            reason = str(error).partition("\n")[0]
            problems.append(f"{part.__name__.strip('_')}: {type(error).__name__}: {reason}")
    return problems


def withdraw(live: Any) -> None:
    """Take back what `serve` added."""
    applications = getattr(getattr(live.scheduler, "http_application", None), "applications", [])
    if live.application in applications:
        applications.remove(live.application)
    if live.collector is not None:
        from prometheus_client import REGISTRY

        REGISTRY.unregister(live.collector)
        live.collector = None


def _page(live: Any) -> None:
    from distributed.dashboard.core import BokehApplication
    from distributed.dashboard.scheduler import template_variables
    from tornado.ioloop import IOLoop

    from pipeline.monitoring.dashboard.page import document

    scheduler = live.scheduler
    variables = template_variables(scheduler)
    prefix = next((getattr(a, "prefix", "") for a in scheduler.http_application.applications), "")
    application = BokehApplication(
        {PAGE: lambda server, extra, doc: document(live, extra, doc)},
        scheduler,
        prefix=prefix,
        template_variables=variables,
    )
    application.initialize(IOLoop.current())
    application.start()
    scheduler.http_application.add_application(application)
    live.application = application
    # Dask's pages share this list: their navigation has a tab from now on.
    if PAGE.strip("/") not in variables["pages"]:
        variables["pages"].insert(1, PAGE.strip("/"))


class _Targets(web.RequestHandler):
    """Where workers serve their metrics, as Prometheus's ``http_sd_configs`` asks: they come and go."""

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


def _routes(live: Any) -> None:
    live.scheduler.http_application.add_handlers(r".*", [(TARGETS, _Targets, {"scheduler": live.scheduler})])


def _metrics(live: Any) -> None:
    from prometheus_client import REGISTRY

    from pipeline.monitoring.dashboard.metrics import Collector

    live.collector = Collector(live)
    REGISTRY.register(live.collector)
