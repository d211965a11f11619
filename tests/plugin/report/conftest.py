"""A headless Chromium, asked through its DevTools protocol over two pipes: a real browser, and no driver to install."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find():
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """One browser, one page at a time."""

    def __init__(self, profile):
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def pipes():
            # Chromium reads from descriptor 3 and writes to 4; away from both first.
            reading, writing = (os.dup(each) for each in (to_browser, from_browser))
            for number, each in ((103, reading), (104, writing)):
                os.dup2(each, number)
            os.dup2(103, 3)
            os.dup2(104, 4)

        command = [
            *(find(), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
            *("--disable-background-networking", f"--user-data-dir={profile}", "--remote-debugging-pipe"),
        ]
        self._browser = subprocess.Popen(command, preexec_fn=pipes, close_fds=False, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self._left, self._number, self._session = b"", 0, None
        self.events = []

    def ask(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self.events.append(answer)

    def _read(self):
        while b"\0" not in self._left:
            assert select.select([self._in], [], [], 120)[0], "Chromium does not answer"
            piece = os.read(self._in, 1 << 20)
            assert piece, "Chromium has ended"
            self._left += piece
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)

    def open(self, path, width=1280, height=900, fragment=""):
        """Opens a page, and waits until its script says that it is drawn."""
        self._session = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        mobile = width < 600
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.events.clear()
        self.ask("Page.navigate", url=path.resolve().as_uri() + (f"#{fragment}" if fragment else ""))
        for _ in range(1200):
            if self.value("document.documentElement?.dataset.ready") == "yes":
                return self
            time.sleep(0.05)
        raise AssertionError(f"the page was not drawn: {self.trouble()}")

    def value(self, expression):
        """What a JavaScript expression is on the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def trouble(self):
        """Exceptions, refusals of the page's security policy, dialogues."""
        kinds = ("Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening")
        return [each["params"] for each in self.events if each["method"] in kinds]

    def requests(self):
        """Where the page asked for anything."""
        sent = [each["params"] for each in self.events if each["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent]

    def picture(self, path, clip=None):
        """A PNG of the page, or of the element that a selector names."""
        box = self.value(
            f"(() => {{ const box = document.querySelector({clip or 'html'!r}).getBoundingClientRect();"
            " return {x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height, scale: 1}; })()"
        )
        found = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=box)
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self):
        self._session = None
        try:
            self.ask("Browser.close")
            self._browser.wait(20)
        finally:
            self._browser.kill()
            os.close(self._in)
            os.close(self._out)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if find() is None:
        pytest.skip(f"no Chromium in PATH ({', '.join(NAMES)}): apt install chromium, or set CHROMIUM to one")
    one = Chromium(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()
