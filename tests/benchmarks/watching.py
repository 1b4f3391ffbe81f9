"""What watching costs: runs with all of it against runs with none, in turn; medians and ratios.

    pipeline data clicks --rows 5000000 --partitions 100 --out data/clicks
    python -m tests.benchmarks.watching data/clicks --pairs 7 --set train.lanes=4

Watched: `/pipeline` is open in a browser, and the scheduler's and the workers' metrics are read every 5 seconds, as
Prometheus would. Bare: no plugin on scheduler or workers, no spans, and no events; tasks keep their annotations.
``work`` is without the start of the command, ``total`` with it; nothing is traced. The browser takes its own share of
the same processors: ``--no-browser`` shows what is left without it.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests import browser

SCRAPE = 5.0
# The command, of which the first argument says whether it can be watched.
COMMAND = """
import contextlib, sys

from pipeline.engine import batch_source, stage
from pipeline.engine.cluster import session
from pipeline.monitoring.events import Events

if sys.argv.pop(1) == "bare":
    session.forward_events = lambda client, events: contextlib.nullcontext([])
    stage.span = batch_source.span = lambda name: contextlib.nullcontext()
    Events.emit = lambda self, event, level="info", **fields: None

from pipeline.cli import main

main()
"""


def read(url: str) -> bytes | None:
    """What is served there, or None while there is nothing."""
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()
    return None


async def watch(process: subprocess.Popen, address: str, port: int | None) -> tuple[int, int]:
    """Look at the page and read the metrics until the run is over; bytes of metrics and bars of the page seen."""
    page, scraped, bars = None, 0, 0
    begin = time.monotonic()
    if port is not None:
        page = await browser.open_page(port)
    while process.poll() is None and await asyncio.to_thread(read, f"{address}/pipeline/targets") is None:
        await asyncio.sleep(0.1)
    if page is not None:
        with contextlib.suppress(AssertionError):
            await page.look(f"{address}/pipeline", 1280, False, "Object.keys(Bokeh.index).length > 0")
    while process.poll() is None:
        if time.monotonic() - begin >= SCRAPE:
            begin = time.monotonic()
            targets = json.loads(await asyncio.to_thread(read, f"{address}/pipeline/targets") or b"[]")
            for server in [address, *(f"http://{target['targets'][0]}" for target in targets)]:
                scraped += len(await asyncio.to_thread(read, f"{server}/metrics") or b"")
        if page is not None:
            bars = max(bars, await page.value(BARS) or 0)
        await asyncio.sleep(0.5)
    return scraped, bars


# How many bars the page shows, through Bokeh's shadow roots.
BARS = """(() => {
  const all = root => [...root.querySelectorAll("*")].flatMap(e => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
  return all(document).filter(e => e.classList.contains("fill")).length;
})()"""


@contextlib.contextmanager
def maybe(wanted: bool) -> Iterator[int | None]:
    """A browser's port, if one is wanted."""
    if wanted:
        with browser.chromium() as port:
            yield port
    else:
        yield None


def run(folder: Path, way: str, settings: list[str], browsed: bool) -> dict[str, float]:
    """One run of the command; its seconds."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as work, maybe(way == "watched" and browsed) as port:
        config = Path(work) / "c.toml"
        config.write_text(
            f'[data]\npath = "{folder.resolve()}"\nlabel = "y"\n[split]\nby = "batch"\n[cluster]\nworkers = 2\n'
        )
        options = ["run", str(config), "--out", f"{work}/out", "--dashboard", address, "--json", "--quiet"]
        options += [part for setting in settings for part in ("--set", setting)]
        with (Path(work) / "report.json").open("w+") as out:
            process = subprocess.Popen([sys.executable, "-c", COMMAND, way, *options], stdout=out)
            scraped = bars = 0
            if way == "watched":
                scraped, bars = asyncio.run(watch(process, f"http://{address}", port))
            assert process.wait() == 0
            out.seek(0)
            report = json.load(out)
    seconds = report["seconds"]
    return {"work": seconds["total"] - seconds["startup"], "total": seconds["total"], "scraped": scraped, "bars": bars}


def main() -> None:
    """Alternate the two, so that a slow minute of the machine hits both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    browsed = browser.COMMAND is not None and not options.no_browser
    print(f"{'with' if browsed else 'without'} a browser", flush=True)
    run(options.folder, "bare", options.settings, False)  # compiles, and fills the system's cache
    found: dict[str, list[dict[str, float]]] = {"watched": [], "bare": []}
    for _ in range(options.pairs):
        for way, runs in found.items():
            runs.append(run(options.folder, way, options.settings, browsed))
            print(f"{way:<8} {json.dumps({key: round(value, 2) for key, value in runs[-1].items()})}", flush=True)
    print(f"\nmedians of {options.pairs}; the ratio is the median of the paired ones")
    for key in ("work", "total"):
        watched, bare = ([run[key] for run in found[way]] for way in ("watched", "bare"))
        ratio = statistics.median(w / b for w, b in zip(watched, bare, strict=True))
        print(f"{key:<6} watched {statistics.median(watched):.2f} s, bare {statistics.median(bare):.2f} s, {ratio:.3f}")


if __name__ == "__main__":
    main()
