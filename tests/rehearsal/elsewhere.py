"""The pipelines of docs/gitlab and docs/jenkins, with their own shell lines, against the simulator and a GitLab on
loopback: a change is planned and noted, merged and applied; somebody moves a room, and the drift check fails.

    python3 tests/rehearsal/elsewhere.py target/debug/roomctl

Needs git and PyYAML. Everything happens in a temporary directory and on loopback."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
import xml.etree.ElementTree as xml
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from runner import git

ROOT = Path(__file__).resolve().parents[2]
KEY = "canary-key-of-the-account"
HOOK = "canary-token-of-a-webhook"
SECRETS = {"METERED_SECRET_KEY": KEY, "ROOM_HOOK_TOKEN": HOOK}
ROOM = "privacy: private\nmaxParticipants: 5\nmeetingEndedWebhook: https://hooks.example.com/${env:ROOM_HOOK_TOKEN}\n"


def check(truth, message):
    if not truth:
        sys.exit(f"elsewhere: not so: {message}")


class GitLab:
    """Notes of one merge request, three on a page. The first is somebody else's, with our mark."""

    def __init__(self):
        self.notes = [{"id": n, "author": {"id": 7}, "body": "<!-- roomctl:plan -->\nmine"} for n in range(1, 6)]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path.endswith("/user"):
                    return self.answer({"id": 1})
                page = int(self.path.split("page=")[-1])
                more = str(page + 1) if len(outer.notes) > 3 * page else ""
                return self.answer(outer.notes[3 * page - 3:3 * page], more)

            def do_POST(self):
                note = {"id": len(outer.notes) + 1, "author": {"id": 1}, **self.body()}
                outer.notes.append(note)
                self.answer(note)

            def do_PUT(self):
                (note,) = [one for one in outer.notes if one["id"] == int(self.path.split("/")[-1])]
                check(note["author"]["id"] == 1, "a note of somebody else is edited")
                note.update(self.body())
                self.answer(note)

            def body(self):
                return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, value, more=""):
                text = json.dumps(value).encode()
                self.send_response(200 if self.headers["PRIVATE-TOKEN"] == "note-token" else 401)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("X-Next-Page", more)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/v4"


class Place:
    """A repository of its own with the pipeline's files, and a service."""

    def __init__(self, program, work):
        work.mkdir()
        self.work = work
        self.simulator = subprocess.Popen(
            [program, "simulate", "--data", work / "service.json"],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "METERED_SECRET_KEY": KEY},
        )
        self.service = self.simulator.stdout.readline().strip()
        self.clone = work / "clone"
        self.origin = work / "origin.git"
        git("init", "-q", "--bare", "-b", "main", self.origin)
        git("clone", "-q", self.origin, self.clone)
        for name, value in (("user.name", "Rehearsal"), ("user.email", "rehearsal@example.com")):
            git("-C", self.clone, "config", name, value)
        binary = work / "bin"
        binary.mkdir()
        shutil.copy(program, binary / "roomctl")
        self.plain = {
            "PATH": f"{binary}:{os.environ['PATH']}", "HOME": str(work), "GIT_CONFIG_NOSYSTEM": "1",
            "BRANCH": "roomctl-state", "REMOTE": str(self.origin), "RUNNER_TEMP": str(work),
        }
        (self.clone / "ci").mkdir()
        shutil.copy(ROOT / "docs/gitlab/note.py", self.clone / "ci")
        shutil.copy(ROOT / ".github/actions/roomctl/state.sh", self.clone / "ci")
        self.write("roomctl.yaml", f"app: acme\nbase_url: {self.service}\n")
        self.write(".gitignore", "/.roomctl/\n/reports/\n")
        self.base = self.commit()

    def write(self, file, text):
        path = self.clone / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def commit(self):
        git("-C", self.clone, "add", "-A")
        git("-C", self.clone, "commit", "-q", "-m", "Change")
        return git("-C", self.clone, "rev-parse", "HEAD")

    def shell(self, lines, more, options="-e"):
        """Runs lines in one shell, as a runner does. Gives out the exit code."""
        done = subprocess.run(
            ["bash", options, "-c", lines], cwd=self.clone, env={**self.plain, **more}, capture_output=True, text=True,
        )
        check("canary" not in done.stdout + done.stderr, "a secret is printed")
        self.said = done.stdout + done.stderr
        return done.returncode

    def by_hand(self, people):
        """Somebody changes a room in the dashboard."""
        url = f"{self.service}/api/v1/room/tea?secretKey={KEY}"
        body = json.dumps({"maxParticipants": people}).encode()
        request = urllib.request.Request(url, data=body, method="PUT", headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()

    def look(self):
        """Every report that is there is what its readers take, and holds no secret."""
        for file in (self.clone / "reports").iterdir():
            text = file.read_text()
            check("canary" not in text, f"a secret is in {file}")
            if file.suffix == ".xml":
                (suite,) = xml.fromstring(text)
                check(int(suite.get("tests")) == len(suite), text)
            if file.name == "code-quality.json":
                for issue in json.loads(text):
                    check(issue["location"]["path"] and issue["location"]["lines"]["begin"], issue)
        check("canary" not in git("-C", self.origin, "log", "-p", "--all"), "a secret is in the repository")

    def end(self):
        self.simulator.terminate()
        self.simulator.wait()


def gitlab(program, work):
    place, hub = Place(program, work), GitLab()
    jobs = yaml.safe_load((ROOT / "docs/gitlab/.gitlab-ci.yml").read_text())

    def run(name, **more):
        code = place.shell("set -o pipefail\n" + "\n".join(jobs[name]["script"]), more)
        place.look()
        return code

    noting = {
        "CI_API_V4_URL": hub.url, "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "1",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": place.base, "GITLAB_TOKEN": "note-token",
    }
    place.write("rooms/tea.yaml", ROOM)
    place.commit()
    for _ in range(2):
        check(run("plan", **noting) == 0, place.said)
        (note,) = [one for one in hub.notes if one["author"]["id"] == 1]
        check("this change" in note["body"], note)
    (issue,) = json.loads((place.clone / "reports/code-quality.json").read_text())
    check(issue["location"]["path"] == "rooms/tea.yaml", issue)
    place.write("rooms/tea.yaml", ROOM + "privcy: public\n")
    check(run("plan", **noting) == 3, f"files that are not valid fail the job: {place.said}")
    (issue,) = json.loads((place.clone / "reports/code-quality.json").read_text())
    check(issue["severity"] == "major" and issue["location"]["lines"]["begin"] == 4, issue)
    place.write("rooms/tea.yaml", ROOM)
    check(run("review") == 0, place.said)
    check(run("apply", **SECRETS) == 0, place.said)
    check(run("drift", **SECRETS) == 0, place.said)
    place.by_hand(9)
    check(run("drift", **SECRETS) == 2, f"drift fails the job: {place.said}")
    place.write("rooms/tea.yaml", ROOM + "autoJoin: true\n")
    check(run("review") == 0, place.said)
    place.by_hand(11)
    check(run("apply", **SECRETS) in (0, 4), place.said)
    place.end()
    hub.server.shutdown()


def jenkins(program, work):
    place = Place(program, work)
    text = (ROOT / "docs/jenkins/Jenkinsfile").read_text()
    stages = dict(re.findall(r"stage\('(\w+)'\)(.*?)(?=stage\(|post \{)", text, re.S))

    def run(name, **more):
        code = 0
        for line in re.findall(r"^ *sh '(.*)'$", stages[name], re.M):
            code = place.shell(line, more, "-xe")
            if code:
                break
        place.look()
        return code

    lines = sum(len(re.findall(r"^ *sh '.*'$", stage, re.M)) for stage in stages.values())
    check(lines == text.count("sh '") and lines > 10, "every line is run")
    place.write("rooms/tea.yaml", ROOM + "privcy: public\n")
    check(run("Plan") == 3, place.said)
    place.write("rooms/tea.yaml", ROOM)
    check(run("Plan") == 0, place.said)
    check(run("Apply", **SECRETS) == 0, place.said)
    check(run("Plan") == 0 and run("Drift", **SECRETS) == 0, place.said)
    place.by_hand(9)
    check(run("Plan") == 0 and run("Drift", **SECRETS) == 2, place.said)
    place.end()


def main():
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as work:
        for pipeline in (gitlab, jenkins):
            pipeline(program, Path(work) / pipeline.__name__)
            print(f"elsewhere: {pipeline.__name__} runs as it is written", flush=True)


main()
