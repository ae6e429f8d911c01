"""Headless Chromium, driven over its debugging pipe with the standard library alone."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading

from jbtest import Failed, Skip, wait_until

# Switches that keep it from asking anybody for anything.
QUIET = """--headless=new --no-sandbox --disable-gpu --no-first-run --no-default-browser-check --disable-extensions
--disable-background-networking --disable-component-update --disable-default-apps --disable-sync --disable-domain-reliability
--disable-client-side-phishing-detection --disable-breakpad --metrics-recording-only --mute-audio --hide-scrollbars
--disable-features=Translate,OptimizationHints,MediaRouter,InterestFeedContentSuggestions,AutofillServerCommunication
--disable-dev-shm-usage --remote-debugging-pipe --force-color-profile=srgb --font-render-hinting=none""".split()


def find_chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    raise Skip("needs chromium")


class Chrome:
    """A browser with one page. Requests, console messages and exceptions are kept in lists."""

    def __init__(self, *switches):
        self.folder = tempfile.mkdtemp(prefix="jbtrace-chrome-")
        from_us, to_browser = os.pipe()
        from_browser, to_us = os.pipe()
        # The browser reads fd 3 and writes fd 4, which a shell can arrange without touching ours.
        script = f'exec "$@" 3<&{from_us} 4>&{to_us}'
        argv = ["bash", "-c", script, "chrome", find_chromium(), *QUIET, *switches, f"--user-data-dir={self.folder}", "about:blank"]
        self.process = subprocess.Popen(argv, pass_fds=(from_us, to_us), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True,
                                        env={**os.environ, "HOME": self.folder})
        os.close(from_us)
        os.close(to_us)
        self.write_fd, self.read_fd = to_browser, from_browser
        self.number, self.session = 0, None
        self.answers, self.changed = {}, threading.Condition()
        self.requests, self.problems = [], []
        self.closed = False
        threading.Thread(target=self._read, daemon=True).start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def _read(self):
        data = b""
        while chunk := os.read(self.read_fd, 1 << 16):
            *messages, data = (data + chunk).split(b"\0")
            for message in messages:
                self._take(json.loads(message))
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def _take(self, message):
        with self.changed:
            if "id" in message:
                self.answers[message["id"]] = message
            params = message.get("params", {})
            if message.get("method") == "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            elif message.get("method") == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.problems.append("exception: " + details.get("exception", {}).get("description", details["text"]))
            elif message.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                self.problems.append("console: " + json.dumps(params["args"]))
            elif message.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                self.problems.append(f"log: {params['entry']['text']} {params['entry'].get('url', '')}")
            self.changed.notify_all()

    def call(self, method, **params):
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_fd, json.dumps(message).encode() + b"\0")
        with self.changed:
            self.changed.wait_for(lambda: number in self.answers or self.closed, 30)
            answer = self.answers.pop(number, None)
        if answer is None:
            raise Failed(f"the browser does not answer {method}")
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']}")
        return answer["result"]

    def go(self, url):
        self.call("Page.navigate", url=url)

    def value(self, expression):
        """Of an expression of the page's script."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise Failed(f"{expression}: {result['exceptionDetails']['exception'].get('description')}")
        return result["result"].get("value")

    def wait_for(self, expression, seconds=15):
        return wait_until(lambda: self.value(expression), seconds, expression)

    def size(self, width, height, scale=1, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)

    def scheme(self, name):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, path, full=False):
        params = {"format": "png", "captureBeyondViewport": full}
        if full:
            box = self.call("Page.getLayoutMetrics")["cssContentSize"]
            params["clip"] = {"x": 0, "y": 0, "width": box["width"], "height": min(box["height"], 6000), "scale": 1}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **params)["data"]))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (Failed, OSError):
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        os.close(self.write_fd)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
