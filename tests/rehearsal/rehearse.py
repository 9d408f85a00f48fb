"""The whole way of a change, with the workflows' own shell code: a pull request is planned and commented, merged, and
applied as it was reviewed; somebody moves a room by hand, the drift check opens an issue; the room is put back, and the
issue is closed. At the end nothing that was left behind holds a secret.

    python3 tests/rehearsal/rehearse.py target/debug/roomctl

Needs git and PyYAML. Everything happens in a temporary directory and on loopback."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from github import GitHub
from runner import Runner, git

ROOT = Path(__file__).resolve().parents[2]
KEY = "canary-key-of-the-account"
HOOK = "canary-token-of-a-webhook"


class Rehearsal:
    def __init__(self, program, work):
        self.work = work
        self.hub = GitHub()
        self.simulator = subprocess.Popen(
            [program, "simulate", "--data", work / "service.json"],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "METERED_SECRET_KEY": KEY},
        )
        self.service = self.simulator.stdout.readline().strip()
        self.origin = work / "origin.git"
        self.clone = work / "clone"
        git("init", "-q", "--bare", "-b", "main", self.origin)
        git("clone", "-q", self.origin, self.clone)
        for name, value in (("user.name", "Rehearsal"), ("user.email", "rehearsal@example.com")):
            git("-C", self.clone, "config", name, value)
        # What is set on a runner without any secret: the program on the PATH, and where GitHub is.
        binary = work / "bin"
        binary.mkdir()
        shutil.copy(program, binary / "roomctl")
        self.plain = {
            "PATH": f"{binary}:{os.environ['PATH']}",
            "HOME": str(work),
            "GITHUB_API_URL": self.hub.url,
            "REMOTE": str(self.origin),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        self.runner = Runner(self.origin, work / "runs", self.plain)
        self.secrets = {"METERED_SECRET_KEY": KEY}
        self.number = 0

    def write(self, file, text):
        path = self.clone / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, message):
        git("-C", self.clone, "add", "-A")
        git("-C", self.clone, "commit", "-q", "-m", message)
        return git("-C", self.clone, "rev-parse", "HEAD")

    def push(self, branch):
        git("-C", self.clone, "push", "-q", "origin", f"HEAD:{branch}")

    def pull_request(self, files):
        """Opens a pull request with these files; plans and comments it. Returns it."""
        self.number += 1
        git("-C", self.clone, "checkout", "-q", "-B", f"change-{self.number}", "main")
        for file, text in files.items():
            self.write(file, text)
        head = self.commit("Rooms")
        self.push(f"change-{self.number}")
        pull = {"number": self.number, "state": "open", "merged_at": None, "head": {"sha": head}, "commits": {head: 1}}
        self.hub.pulls.append(pull)
        event = {"pull_request.number": self.number}
        # As for a fork: no secret. What is checked out is the pull request merged onto main.
        ok, run = self.runner.job("plan.yml", self.merged(head), event)
        check(ok, f"the plan of a pull request succeeds: {self.runner.log[-2000:]}")
        self.hub.runs.append({"id": run, "head": head})
        self.comment(run, head)
        return pull

    def merged(self, head):
        git("-C", self.clone, "checkout", "-q", "--detach", "main")
        git("-C", self.clone, "merge", "-q", "--no-ff", "-m", "Merge", head)
        self.push(f"refs/pull/{self.number}/merge")
        sha = git("-C", self.clone, "rev-parse", "HEAD")
        git("-C", self.clone, "checkout", "-q", f"change-{self.number}")
        return sha

    def comment(self, run, head):
        told = {"workflow_run.event": "pull_request", "workflow_run.id": run, "workflow_run.head_sha": head}
        ok, _ = self.runner.job("comment.yml", self.main(), told)
        check(ok, f"the comment is written: {self.runner.log[-2000:]}")

    def merge(self, pull):
        git("-C", self.clone, "checkout", "-q", "main")
        git("-C", self.clone, "merge", "-q", "--no-ff", "-m", "Merge", pull["head"]["sha"])
        self.push("main")
        sha = git("-C", self.clone, "rev-parse", "HEAD")
        pull.update(state="closed", merged_at="2026-11-24T09:00:00Z")
        pull["commits"][sha] = 1
        return sha

    def main(self):
        return git("-C", self.clone, "rev-parse", "main")

    def apply(self, sha):
        # The secrets of the rooms are set for the environment, beside the key.
        self.runner.environment = {**self.plain, "ROOM_HOOK_TOKEN": HOOK}
        ok, _ = self.runner.job("apply.yml", sha, {}, self.secrets)
        self.runner.environment = self.plain
        return ok

    def drift(self):
        ok, _ = self.runner.job("drift.yml", self.main(), {}, self.secrets)
        check(ok, f"the drift check runs: {self.runner.log[-2000:]}")

    def dashboard(self, room, body):
        """Somebody changes a room by hand."""
        url = f"{self.service}/api/v1/room/{room}?secretKey={KEY}"
        request = urllib.request.Request(url, data=body.encode(), method="PUT", headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()

    def by_hand(self, *arguments):
        """Runs the program in the clone, with the state of its branch."""
        environment = {**self.plain, "METERED_SECRET_KEY": KEY, "ROOM_HOOK_TOKEN": HOOK, "BRANCH": "roomctl-state"}
        environment["RUNNER_TEMP"] = str(self.work / "hand")
        Path(environment["RUNNER_TEMP"]).mkdir(exist_ok=True)
        script = ROOT / ".github/actions/roomctl/state.sh"
        for command in (["bash", script, "take"], ["roomctl", *arguments], ["bash", script, "keep"]):
            done = subprocess.run(command, cwd=self.clone, env=environment, capture_output=True, text=True)
            check(done.returncode == 0, f"{command}: {done.stdout}{done.stderr}")


def check(truth, message):
    if not truth:
        sys.exit(f"rehearsal: not so: {message}")


def step(text):
    print(f"rehearsal: {text}", flush=True)


def rehearse(r):
    shutil.copytree(ROOT / ".github", r.clone / ".github")
    r.write("roomctl.yaml", f"app: acme\nbase_url: {r.service}\n")
    r.write(".gitignore", "/.roomctl/\n")
    r.write("rooms/_defaults.yaml", "privacy: private\n")
    r.commit("Begin")
    git("-C", r.clone, "branch", "-M", "main")
    r.push("main")

    step("a pull request is planned without a secret, and commented once")
    hook = "meetingEndedWebhook: https://hooks.example.com/${env:ROOM_HOOK_TOKEN}\n"
    pull = r.pull_request({"rooms/tea.yaml": "maxParticipants: 5\n", "rooms/board.yaml": hook})
    (comment,) = r.hub.comments
    check(comment["issue"] == 1 and "| to add | 2 |" in comment["body"], comment)
    check("this change" in comment["body"], comment)

    step("merged, it is applied as it was reviewed")
    check(r.apply(r.merge(pull)), r.runner.log[-3000:])
    check('"confirmed": 2' in last_report(r), last_report(r))
    state = git("-C", r.origin, "show", "roomctl-state:state.json")
    check('"tea"' in state and "canary" not in state, state)

    step("a second change names what it does to people, and keeps to one comment")
    pull = r.pull_request({"rooms/tea.yaml": "maxParticipants: 5\nprivacy: public\n"})
    check("privacy-widened" in r.hub.comments[-1]["body"], r.hub.comments)
    r.comment(r.hub.runs[-1]["id"], pull["head"]["sha"])
    check(len(r.hub.comments) == 2 and r.hub.comments[-1]["edited"], "one comment, edited in place")

    step("the action by itself, in a workflow that may comment, finds the same comment")
    given = {"command": "plan", "comment": "true", "state": "roomctl-state", "github-token": "workflow-token"}
    r.hub.comments[-1]["edited"] = False
    outputs = r.runner.action(pull["head"]["sha"], {"pull_request.number": pull["number"]}, given)
    check(len(r.hub.comments) == 2 and r.hub.comments[-1]["edited"], r.hub.comments)
    expected = {"changes": "1", "drift": "0", "effects": "privacy-widened", "exitcode": "0"}
    check({name: outputs[name] for name in expected} == expected, outputs)
    check(all(Path(outputs[name]).is_file() for name in ("plan-file", "report", "markdown", "html")), outputs)
    check(r.apply(r.merge(pull)), r.runner.log[-3000:])

    step("a plan that is not what was reviewed stops, and so does a commit that nobody planned")
    pull = r.pull_request({"rooms/tea.yaml": "maxParticipants: 6\nprivacy: public\n"})
    git("-C", r.clone, "checkout", "-q", "main")
    r.write("rooms/_defaults.yaml", "privacy: private\nautoJoin: true\n")
    r.commit("A default beside it")
    sha = r.merge(pull)
    check(r.apply(sha) is False, "a room that moved since the review holds everything back")
    check("5 → 6" in r.runner.log, "the new diff is shown")
    r.write("rooms/late.yaml", "maxParticipants: 2\n")
    unseen = r.commit("Straight to main")
    r.push("main")
    check(r.apply(unseen) is False, "a commit without a reviewed plan is not applied")
    check("no plan was reviewed" in r.runner.log, "and the reason is told")
    r.by_hand("apply", "--yes")

    step("a room that is moved by hand opens an issue, which is kept up to date")
    r.drift()
    check(r.hub.issues == [], r.hub.issues)
    r.dashboard("tea", '{"privacy": "private"}')
    r.drift()
    r.drift()
    (issue,) = r.hub.issues
    check(issue["state"] == "open" and "<code>tea</code> drifted" in issue["body"], issue)

    step("put back, the issue is closed")
    r.by_hand("apply", "--drift-only", "--yes")
    r.drift()
    check(issue["state"] == "closed", issue)

    step("nothing that is left holds a secret")
    texts = [r.runner.log, repr(r.hub.comments), repr(r.hub.issues)]
    for folder, _, files in os.walk(r.work):
        for file in files:
            path = Path(folder) / file
            # The service itself knows its settings, and git packs hold what was looked at above.
            if path.name.startswith("service.json") or path.name == "roomctl" or ".git" in str(path):
                continue
            texts.append(path.read_text(errors="replace"))
    for secret in (KEY, HOOK):
        check(all(secret not in text for text in texts), "a secret is left behind")
    history = git("-C", r.origin, "log", "--all", "-p", "--format=%H")
    check(KEY not in history and HOOK not in history, "a secret is in the history")
    check(not re.search(r"secretKey=(?!\*|canary)", r.runner.log), "an address of the service is told")


def last_report(r):
    reports = sorted((r.work / "runs").glob("run-*/temp/roomctl/report.json"), key=lambda path: path.stat().st_mtime_ns)
    return reports[-1].read_text()


def main():
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as work:
        rehearsal = Rehearsal(program, Path(work))
        try:
            rehearse(rehearsal)
        finally:
            rehearsal.simulator.kill()
            rehearsal.simulator.wait()
    step("all of it went as it should")


if __name__ == "__main__":
    main()
