"""A real browser for tests: headless Chromium, spoken to by its DevTools protocol."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tornado.websocket import websocket_connect

COMMAND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 40


class Page:
    """One page, its console messages, and what it asked of the network."""

    def __init__(self, socket: Any):
        self._socket, self._count = socket, 0
        self.errors: list[str] = []
        self.requests: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        await self._socket.write_message(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            message = json.loads(await asyncio.wait_for(self._socket.read_message(), PATIENCE))
            if message.get("id") == self._count:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        found = message.get("params", {})
        if message["method"] == "Runtime.exceptionThrown":
            self.errors.append(str(found["exceptionDetails"]))
        elif message["method"] == "Runtime.consoleAPICalled" and found["type"] in ("error", "warning", "assert"):
            self.errors.append(str(found["args"]))
        elif message["method"] == "Log.entryAdded" and found["entry"]["level"] in ("error", "warning"):
            self.errors.append(str(found["entry"]))
        elif message["method"] == "Network.requestWillBeSent":
            self.requests.append(found["request"]["url"])

    async def look(self, what: Path | str, width: int, dark: bool, ready: str) -> None:
        """Open a file or an address and wait until the expression ``ready`` is true."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        await self.scheme(dark)
        await self.call("Page.navigate", url=what if isinstance(what, str) else what.resolve().as_uri())
        for _ in range(PATIENCE * 10):
            if await self.value(ready):
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError(f"{ready} did not come true: {self.errors}")
        await asyncio.sleep(0.3)

    async def scheme(self, dark: bool, media: str = "screen") -> None:
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", media=media, features=features)
        await asyncio.sleep(0.3)

    async def value(self, expression: str) -> Any:
        return (await self.call("Runtime.evaluate", expression=expression, returnByValue=True))["result"].get("value")

    async def screenshot(self) -> bytes:
        """The whole page as PNG."""
        size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = await self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(found["data"])


@contextlib.contextmanager
def chromium() -> Iterator[int]:
    """A browser without a window; its debugging port."""
    assert COMMAND is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0"]
        process = subprocess.Popen(
            [COMMAND, *flags, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "DevTools listening on" in line)
            yield int(line.partition("127.0.0.1:")[2].partition("/")[0])
        finally:
            process.kill()
            process.wait()


async def open_page(port: int) -> Page:
    """A fresh page of a browser."""
    from tornado.httpclient import AsyncHTTPClient

    answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT", body="")
    url = json.loads(answer.body)["webSocketDebuggerUrl"]
    return Page(await websocket_connect(url, max_message_size=1 << 28))
