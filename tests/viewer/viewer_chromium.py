"""A headless chromium, driven over its pipe in the DevTools protocol: no further package needed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """The program, or None."""
    wanted = os.environ.get("SPATIALCLAW_CHROMIUM")
    return wanted or next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """A browser with a profile of its own."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="viewer-chromium-")
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # The protocol is spoken on descriptors 3 and 4 of the browser.
        command = [program, *FLAGS, f"--user-data-dir={self._profile}", "about:blank"]
        shell = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "chromium", *command],
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_read)
        os.close(to_write)
        self._number = 0
        self._replies: dict[int, dict[str, Any]] = {}
        self._events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def page(self, **options: Any) -> Page:
        """A new tab, with a store of cookies of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call(
            "Target.createTarget", url="about:blank", browserContextId=context, newWindow=True
        )["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, session, **options)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Asks the browser for something."""
        with self._changed:
            self._number += 1
            number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        with self._changed:
            if not self._changed.wait_for(lambda: number in self._replies, timeout=60):
                raise TimeoutError(method)
            reply = self._replies.pop(number)
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return dict(reply["result"])

    def events(self, session: str, method: str) -> list[dict[str, Any]]:
        """What the browser said of its own accord."""
        with self._changed:
            return [
                event["params"]
                for event in self._events
                if event.get("sessionId") == session and event["method"] == method
            ]

    def close(self) -> None:
        """Ends the browser."""
        try:
            os.write(self._write, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
            self._process.wait(timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            os.killpg(self._process.pid, 9)
            self._process.wait()
        os.close(self._write)
        self._reader.join(timeout=5)
        os.close(self._read)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _listen(self) -> None:
        rest = b""
        while data := os.read(self._read, 1 << 20):
            *messages, rest = (rest + data).split(b"\0")
            with self._changed:
                for text in messages:
                    message = json.loads(text)
                    if "id" in message:
                        self._replies[message["id"]] = message
                    else:
                        self._events.append(message)
                self._changed.notify_all()


class Page:
    """A tab."""

    def __init__(
        self, browser: Chromium, session: str, *, width: int = 1280, dark: bool = False
    ) -> None:
        self._browser, self._session = browser, session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self._call("Emulation.setEmulatedMedia", features=[scheme, still])

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def open(self, address: str) -> int:
        """Goes to an address and waits until it is loaded; the status of the answer."""
        loads = self._loads()
        reply = self._call("Page.navigate", url=address)
        if "errorText" in reply:
            raise RuntimeError(f"{address}: {reply['errorText']}")
        if "loaderId" in reply:
            self.until(
                lambda: len(self._browser.events(self._session, "Page.loadEventFired")) > loads
            )
        answers = [
            event["response"]["status"]
            for event in self._browser.events(self._session, "Network.responseReceived")
            if event["type"] == "Document"
        ]
        return answers[-1] if answers else 0

    def run(self, script: str) -> Any:
        """The value of an expression in the page (a promise is waited for)."""
        reply = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in reply:
            raise RuntimeError(json.dumps(reply["exceptionDetails"])[:2000])
        return reply["result"].get("value")

    def until(self, condition: Any, seconds: float = 20.0) -> Any:
        """Waits for an expression in the page, or a function, to be true; gives its value."""
        end = time.monotonic() + seconds
        while True:
            value = self._maybe(condition) if isinstance(condition, str) else condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"never came true: {condition}")
            time.sleep(0.05)

    def _maybe(self, script: str) -> Any:
        try:
            return self.run(script)
        except RuntimeError:  # the page is just being replaced by another
            return None

    def going(self, act: Any) -> None:
        """Does something that leads to another page, and waits until that is loaded."""
        loads = self._loads()
        act()
        self.until(lambda: self._loads() > loads)

    def _loads(self) -> int:
        return len(self._browser.events(self._session, "Page.loadEventFired"))

    def click(self, selector: str) -> None:
        """Clicks in the middle of an element, as a mouse does."""
        x, y = self.middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self._mouse(kind, x, y, button="left", clickCount=1)

    def drag(self, selector: str, dx: float, dy: float) -> None:
        """Drags from the middle of an element."""
        x, y = self.middle(selector)
        self._mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
        for part in (0.25, 0.5, 0.75, 1.0):
            self._mouse("mouseMoved", x + part * dx, y + part * dy, button="left", buttons=1)
        self._mouse("mouseReleased", x + dx, y + dy, button="left", clickCount=1)

    def middle(self, selector: str) -> tuple[float, float]:
        """Where an element is on the screen, scrolled to when needed."""
        found = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "if (!e) { return null; } e.scrollIntoView({block: 'center'});"
            "const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        assert found, f"there is no {selector}"
        return found[0], found[1]

    def _mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def press(self, key: str) -> None:
        """Presses a key."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        codes = {"Enter": 13, "ArrowLeft": 37, "ArrowRight": 39, "Tab": 9, "Escape": 27}
        code = codes.get(key, ord(key.upper()) if len(key) == 1 else 0)
        down = {"type": "keyDown", "key": key, "windowsVirtualKeyCode": code}
        self._call("Input.dispatchKeyEvent", **down, **({"text": text} if text else {}))
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Types into what has the focus."""
        self._call("Input.insertText", text=text)

    def screenshot(self, name: str) -> None:
        """Keeps a picture of the page in the folder SPATIALCLAW_SCREENSHOTS, where it is set."""
        folder = os.environ.get("SPATIALCLAW_SCREENSHOTS")
        if not folder:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        data = self._call("Page.captureScreenshot", format="png")["data"]
        Path(folder, f"{name}.png").write_bytes(base64.b64decode(data))

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, and exceptions."""
        found = [
            " ".join(str(arg.get("value", arg.get("description"))) for arg in event["args"])
            for event in self._browser.events(self._session, "Runtime.consoleAPICalled")
            if event["type"] in ("error", "warning", "assert")
        ]
        found += [
            json.dumps(event["exceptionDetails"])[:500]
            for event in self._browser.events(self._session, "Runtime.exceptionThrown")
        ]
        found += [
            event["entry"]["text"]
            for event in self._browser.events(self._session, "Log.entryAdded")
            if event["entry"]["level"] in ("error", "warning")
        ]
        return found

    def requests(self) -> list[str]:
        """Every address that the page asked for."""
        events = self._browser.events(self._session, "Network.requestWillBeSent")
        return [event["request"]["url"] for event in events]
