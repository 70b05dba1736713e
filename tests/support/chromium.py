"""Chromium without a window, by chromedriver's HTTP interface: for tests of pages."""
import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

DEADLINE_S = 60
TAB, ENTER = "\ue004", "\ue007" # of the WebDriver protocol


def line_with(process, pattern):
    """The first match of `pattern` in what the process prints."""
    for line in process.stdout:
        found = re.search(pattern, line)
        if found:
            return found.group(1)
    sys.exit(f"{process.args[0]} ended without printing {pattern}")


class Browser:
    """A session: one window, with a profile of its own."""

    def __init__(self, port, profile, *flags):
        self.base = f"http://127.0.0.1:{port}"
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1000,1400",
                 "--force-device-scale-factor=1", f"--user-data-dir={profile}", *flags]
        options = {"goog:chromeOptions": {"args": flags, "binary": "/usr/bin/chromium"},
                   "goog:loggingPrefs": {"browser": "ALL"}}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self.base += f"/session/{made['sessionId']}"

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *args):
        return self.call("POST", "/execute/sync", {"script": script, "args": args})

    def wait_until(self, condition, *args):
        """`condition` is an expression; `args` are its arguments[0] and so on."""
        deadline = time.monotonic() + DEADLINE_S
        while not self.run(f"return {condition}", *args):
            if time.monotonic() > deadline:
                sys.exit(f"the page never came to: {condition} {args or ''}")

    def command(self, name, **parameters):
        """One of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def press(self, key):
        """A key, as the keyboard sends it: a letter, or TAB and its like."""
        strokes = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def console(self):
        """What the page and the browser have complained of since the last call."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def end(self):
        self.call("DELETE", "")


@contextlib.contextmanager
def browsers(count=1, *flags):
    """So many of them, which end with the block."""
    with tempfile.TemporaryDirectory() as scratch:
        driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
        made = []
        try:
            port = line_with(driver, r"successfully on port (\d+)")
            for i in range(count):
                made.append(Browser(port, os.path.join(scratch, f"profile{i}"), *flags))
            yield made
        finally:
            for browser in made:
                browser.end()
            driver.terminate()
            driver.wait()
