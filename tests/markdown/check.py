"""The markdown reports as two parsers of CommonMark read them: GitHub's own, and one of another family. Nothing that marks
something is left as text, no list stands in a list by accident, and what folds is closed again.

    python3 tests/markdown/check.py target/debug/roomctl [DIRECTORY]

With a directory, the reports and what GitHub's parser makes of them are kept there."""

import html.parser
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import cmarkgfm
from markdown_it import MarkdownIt

KEY = "simulated-key"
NOW = ["--now", "2026-11-24T09:00:00Z"]


class Site:
    """Rooms in files, and a simulator that holds them."""

    def __init__(self, program, directory, *faults):
        self.program, self.directory = program, Path(directory)
        self.room("board", "privacy: private\nenableScreenSharing: true\n")
        self.start(*faults)

    def start(self, *faults):
        data = self.directory / "service.json"
        more = [f"--fault={fault}" for fault in faults]
        command = [self.program, "simulate", f"--data={data}", *more]
        self.simulator = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.simulator.stdout.readline().strip()

    def stop(self):
        self.simulator.terminate()
        self.simulator.wait()

    def room(self, name, text):
        path = self.directory / "rooms" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def run(self, *arguments):
        environment = {**os.environ, "METERED_SECRET_KEY": KEY, "METERED_APP": "acme", "METERED_BASE_URL": self.url}
        command = [self.program, *arguments, *NOW]
        ran = subprocess.run(command, cwd=self.directory, env=environment, capture_output=True, text=True, check=False)
        return ran.stdout

    def apply(self):
        self.run("apply", "--yes", "--rate", "unlimited", "--max-changes", "100%")

    def write(self, method, path, body):
        url = f"{self.url}/api/v1/{path}?secretKey={KEY}"
        data = json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        urllib.request.urlopen(request).close()


def one_room(site):
    site.apply()
    site.room("board", "privacy: private\nenableScreenSharing: false\n")
    return site.run("plan", "--format", "markdown")


def alike(site, number=30):
    for n in range(number):
        site.room(f"room-{n:04}", "privacy: private\nenableChat: true\n")
    site.apply()
    for n in range(number):
        site.room(f"room-{n:04}", "privacy: private\nenableChat: false\n")
    (site.directory / "rooms/room-0003.yaml").unlink()
    return site.run("plan", "--prune", "--format", "markdown")


def defaults(site):
    site.room("_defaults", "privacy: private\nenableChat: true\n")
    for n in range(5000):
        site.room(f"room-{n:04}", "enableScreenSharing: true\n")
    site.apply()
    site.room("_defaults", "privacy: private\nenableChat: false\n")
    text = site.run("plan", "--format", "markdown", "--max-bytes", "65536")
    return all_named(text, [f"room-{n:04}" for n in range(5000)])


def all_named(text, rooms):
    """Each room to which a plan does something is named, whatever that is."""
    missing = [name for name in rooms if name not in text]
    if missing:
        sys.exit(f"markdown: {len(missing)} rooms that change are not named: {text[:300]}")
    return text


def effects(site, number=1500):
    """Each room has an effect on people, and a value of its own: one is all that somebody would have objected to."""
    name = lambda n: f"sales-emea-{n:04}"
    for n in range(number):
        site.room(name(n), f"privacy: private\nmaxParticipants: {n + 2}\n")
    site.apply()
    for n in range(number):
        widened = "recordRoom: true\n" if n % 3 else ""
        site.room(name(n), f"privacy: public\nmaxParticipants: {n + 3}\n{widened}")
    text = site.run("plan", "--format", "markdown", "--max-bytes", "65000")
    return all_named(text, [name(n) for n in range(number)])


def drift(site):
    for name in ("gone", "both", "unread"):
        site.room(name, "privacy: private\nmaxParticipants: 5\n")
    site.apply()
    site.write("DELETE", "room/gone", {})
    site.write("PUT", "room/board", {"privacy": "public"})
    site.write("PUT", "room/both", {"maxParticipants": 9})
    site.write("POST", "room", {"roomName": "stray"})
    site.room("both", "privacy: private\nmaxParticipants: 7\n")
    site.stop()
    site.start("500=method:GET,room:unread")
    return site.run("drift", "--format", "markdown", "--rate", "unlimited")


def hostile(site):
    """Names and reasons that mean something in markdown."""
    (site.directory / "roomctl.yaml").write_text("names: url-safe\n")
    for name in ("__bold__", "~~gone~~", "-", "1."):
        site.room("".join(filter(str.isalnum, name)) or "sign", f"roomName: '{name}'\nprivacy: private\n")
    mute = "{room: '*', attribute: privacy, reason: '**x** `y` | [z](w) <b>', until: 2027-01-01}"
    (site.directory / "mutes.yaml").write_text(f"mutes:\n  - {mute}\n")
    return site.run("plan", "--format", "markdown")


class Text(html.parser.HTMLParser):
    """The text that a reader sees outside of code, and the lists that stand directly in a list's item."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.nested = [], [], 0

    def handle_starttag(self, tag, attributes):
        if tag in ("br", "hr", "img", "input"):
            return
        if tag in ("ul", "ol") and self.open[-1:] == ["li"] and not self.text[-1:]:
            self.nested += 1
        self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open[-1:] != [tag]:
            sys.exit(f"markdown: {tag} is closed in {self.open}")
        self.open.pop()

    def handle_data(self, data):
        if "code" not in self.open and "pre" not in self.open:
            self.text.append(data)


def check(name, parser, rendered):
    seen = Text()
    seen.feed(rendered)
    seen.close()
    if seen.open:
        sys.exit(f"markdown: {name}, {parser}: left open: {seen.open}")
    text = "".join(seen.text)
    if name == "hostile":
        # What others wrote is read as they wrote it, and does nothing.
        for tag in ("<a ", "<em>", "<del>", "<strong>x", "<ol>"):
            if tag in rendered:
                sys.exit(f"markdown: {name}, {parser}: {tag} came from outside")
        return
    for mark in ("**", "`", "](", "<details", "</", "```", "|--", "&#", "\n# "):
        if mark in text:
            at = text.index(mark)
            sys.exit(f"markdown: {name}, {parser}: {mark!r} is left: {text[max(0, at - 60):at + 60]!r}")
    if re.search(r"<thead>\s*<tr>\s*(<th[^>]*>\s*</th>\s*)+</tr>", rendered):
        sys.exit(f"markdown: {name}, {parser}: a table without a head")
    if seen.nested:
        sys.exit(f"markdown: {name}, {parser}: a list that is nothing but a list")


def main():
    program = str(Path(sys.argv[1]).resolve())
    keep = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    other = MarkdownIt("commonmark", {"html": True}).enable("table")
    for scene in (one_room, alike, defaults, effects, drift, hostile):
        with tempfile.TemporaryDirectory() as directory:
            site = Site(program, directory)
            text = scene(site)
            site.stop()
        if "roomctl:" not in text:
            sys.exit(f"markdown: {scene.__name__}: there is no report: {text[:200]}")
        github = cmarkgfm.github_flavored_markdown_to_html(text, cmarkgfm.Options.CMARK_OPT_UNSAFE)
        check(scene.__name__, "cmark-gfm", github)
        check(scene.__name__, "markdown-it", other.render(text))
        print(f"{scene.__name__}: {len(text)} bytes")
        if keep:
            keep.mkdir(exist_ok=True)
            (keep / f"{scene.__name__}.md").write_text(text)
            (keep / f"{scene.__name__}.html").write_text(github)


if __name__ == "__main__":
    main()
