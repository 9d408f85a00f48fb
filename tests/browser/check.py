"""The HTML report in a real browser: searched, filtered, folded, in the dark, without its script, and with content that
wants out. Speaks WebDriver to Debian's chromedriver; standard library only.

    python3 tests/browser/check.py target/debug/roomctl [SCREENSHOT.png]"""

import base64
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HOSTILE = "</script><script>window.out=1</script><img src=x onerror='window.out=1'>\u202e"


class Browser:
    """One headless Chromium."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        try:
            self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL)
        except FileNotFoundError:
            sys.exit("browser: there is no chromedriver; install Debian's chromium and chromium-driver")
        self.session = ""
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000"]
        options = {"goog:chromeOptions": {"args": arguments}}
        self.ready()
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]

    def ready(self):
        """Until the driver answers; it says so, nobody has to guess how long it takes."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if self.call("GET", "/status")["ready"]:
                    return
            except OSError:
                time.sleep(0.05)
        sys.exit("browser: chromedriver does not answer")

    def call(self, method, path, body=None):
        prefix = f"/session/{self.session}" if self.session else ""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{prefix}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            sys.exit(f"browser: {path}: {error.read().decode()[:500]}")

    def open(self, page):
        self.call("POST", "/url", {"url": page.as_uri()})

    def run(self, script):
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def devtools(self, command, **parameters):
        self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def type(self, selector, text):
        """As a person would: the field is set and says so."""
        self.run(f"""const one = document.querySelector({json.dumps(selector)});
            one.value = {json.dumps(text)}; one.dispatchEvent(new Event('input', {{bubbles: true}}));""")

    def visible(self):
        return self.run("""return [...document.querySelectorAll('.item')]
            .filter((one) => one.offsetParent !== null)
            .map((one) => one.querySelector('.name').textContent)""")

    def quit(self):
        self.call("DELETE", "")
        self.driver.terminate()
        self.driver.wait()


def check(truth, message):
    if not truth:
        sys.exit(f"browser: not so: {message}")


def pages(program, work):
    """A plan of the example rooms, and one whose every name is hostile."""
    root = Path(__file__).resolve().parents[2]
    plan = work / "plan.html"
    command = [program, "plan", "--app", "acme", "--rooms", root / "rooms"]
    made = subprocess.run([*command, "--format", "html", "--report-file", work / "plan.json"], cwd=work, capture_output=True, text=True, check=True)
    plan.write_text(made.stdout)
    report = json.loads((work / "plan.json").read_text())
    for change in report["changes"]:
        change["room"] = HOSTILE
        for attribute in change["attributes"]:
            attribute.update(name=HOSTILE, after=HOSTILE)
    (work / "hostile.json").write_text(json.dumps(report))
    made = subprocess.run([program, "render", work / "hostile.json", "--format", "html"], capture_output=True, text=True, check=True)
    hostile = work / "hostile.html"
    hostile.write_text(made.stdout)
    return plan, hostile


def look(browser, plan, hostile, screenshot):
    browser.open(plan)
    everything = browser.visible()
    check(len(everything) == 11, everything)
    if screenshot:
        Path(screenshot).write_bytes(base64.b64decode(browser.call("GET", "/screenshot")))

    browser.type("#search", "webinar rtmp")
    check(browser.visible() == ["webinar"], browser.visible())
    check(browser.run("return document.querySelector('#shown').value") == "1 of 11", "the count")
    browser.type("#search", "")
    browser.type("#effect", "recording-on")
    check(0 < len(browser.visible()) < 11 and "coffee" not in browser.visible(), browser.visible())
    browser.type("#effect", "")
    browser.type("#cause", "change")
    check(len(browser.visible()) == 11, "every room changes")

    browser.run("document.querySelector('#close').click()")
    check(browser.run("return document.querySelectorAll('details[open]').length") == 0, "all are closed")
    browser.run("document.querySelector('#open').click()")
    check(browser.run("return document.querySelectorAll('details[open]').length") == 11, "all are open")

    colour = "return getComputedStyle(document.body).backgroundColor"
    light = browser.run(colour)
    browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    check(browser.run(colour) != light, "the dark has colours of its own")
    browser.devtools("Emulation.setEmulatedMedia", media="print", features=[])
    tools = "return getComputedStyle(document.querySelector('.tools')).display"
    check(browser.run(tools) == "none", "nothing to click on paper")
    browser.devtools("Emulation.setEmulatedMedia", media="", features=[])

    browser.devtools("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True)
    wide = "return document.documentElement.scrollWidth"
    check(browser.run(wide) <= 400, f"nothing is cut off on a phone: {browser.run(wide)}")
    browser.devtools("Emulation.clearDeviceMetricsOverride")

    browser.open(hostile)
    check(browser.run("return window.out === undefined"), "content runs")
    check(browser.run("return document.querySelectorAll('img, iframe, object').length") == 0, "content brings elements")
    check(browser.run("return document.querySelectorAll('script').length") == 1, "content brings a script")

    browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(plan)
    browser.devtools("Emulation.setScriptExecutionDisabled", value=False)
    check(browser.visible() == everything, "all is there without the script")
    check(browser.run("return document.querySelector('.tools').hidden"), "and no tool that would not work")


def main():
    program = Path(sys.argv[1]).resolve()
    browser = Browser()
    try:
        with tempfile.TemporaryDirectory() as work:
            look(browser, *pages(program, Path(work)), sys.argv[2] if len(sys.argv) > 2 else None)
    finally:
        browser.quit()
    print("browser: the HTML report works as it should")


if __name__ == "__main__":
    main()
