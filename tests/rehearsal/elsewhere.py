"""The pipelines of docs/gitlab and docs/jenkins, with their own shell lines, against the simulator and a GitLab on
loopback: a change is planned and noted, merged and applied; somebody moves a room, and the drift check fails.

    python3 tests/rehearsal/elsewhere.py target/debug/roomctl

Needs git and PyYAML. Everything happens in a temporary directory and on loopback."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
from pathlib import Path

import yaml

import loopback
from loopback import ACTION, HOOK, KEY, ROOT, Silent, check, git, serve, step

SECRETS = {"METERED_SECRET_KEY": KEY, "ROOM_HOOK_TOKEN": HOOK}
ROOM = "privacy: private\nmaxParticipants: 5\nmeetingEndedWebhook: https://hooks.example.com/${env:ROOM_HOOK_TOKEN}\n"


class GitLab:
    """Notes of one merge request, three on a page. The first is somebody else's, with our mark."""

    def __init__(self):
        self.notes = [{"id": n, "author": {"id": 7}, "body": "<!-- roomctl:plan -->\nmine"} for n in range(1, 6)]
        outer = self

        class Handler(Silent):
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
                status = 200 if self.headers["PRIVATE-TOKEN"] == "note-token" else 401
                self.send(status, json.dumps(value).encode(), X_Next_Page=more)

        self.server, self.url = serve(Handler)
        self.url += "/api/v4"


class Place(loopback.Place):
    """A repository of its own with the pipeline's files, and a service."""

    def __init__(self, program, work):
        super().__init__(program, work)
        self.plain |= {"BRANCH": "roomctl-state", "RUNNER_TEMP": str(work)}
        (self.clone / "ci").mkdir()
        shutil.copy(ROOT / "docs/gitlab/note.py", self.clone / "ci")
        shutil.copy(ROOT / ACTION / "state.sh", self.clone / "ci")
        self.write("roomctl.yaml", f"app: acme\nbase_url: {self.service}\n")
        self.write(".gitignore", "/.roomctl/\n/reports/\n")
        self.base = self.commit("Begin")

    def shell(self, lines, more, options="-e"):
        """Runs lines in one shell, as a runner does. Gives out the exit code."""
        done = subprocess.run(
            ["bash", options, "-c", lines], cwd=self.clone, env={**self.plain, **more}, capture_output=True, text=True,
        )
        check("canary" not in done.stdout + done.stderr, "a secret is printed")
        self.said = done.stdout + done.stderr
        return done.returncode

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
    place.commit("Change")
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
    place.by_hand("tea", '{"maxParticipants": 9}')
    check(run("drift", **SECRETS) == 2, f"drift fails the job: {place.said}")
    place.write("rooms/tea.yaml", ROOM + "autoJoin: true\n")
    check(run("review") == 0, place.said)
    place.by_hand("tea", '{"maxParticipants": 11}')
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
    place.by_hand("tea", '{"maxParticipants": 9}')
    check(run("Plan") == 0 and run("Drift", **SECRETS) == 2, place.said)
    place.end()


def main():
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as work:
        for pipeline in (gitlab, jenkins):
            pipeline(program, Path(work) / pipeline.__name__)
            step(f"{pipeline.__name__} runs as it is written")


main()
