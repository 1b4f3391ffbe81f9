"""Live: what runs are doing, on the scheduler: our page on its dashboard, and metrics beside Dask's own."""

from pipeline.live.plugin import NAME, TOPIC, Live

__all__ = ["NAME", "TOPIC", "Live"]
