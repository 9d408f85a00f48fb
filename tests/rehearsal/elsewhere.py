"""The pipelines of docs/gitlab and docs/jenkins, with their own shell lines, against the simulator and a GitLab on
loopback: a change is planned and noted, merged and applied; somebody moves a room, and the drift check fails. A change
takes a guard away together with what it refuses; a run is cancelled; and nothing but roomctl is given the key.

    python3 tests/rehearsal/elsewhere.py target/debug/roomctl [gitlab] [jenkins]

Needs git and PyYAML. Everything happens in a temporary directory and on loopback."""

import json
import os
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
# Ends as soon as somebody gives it a secret of the account or of rooms.
SPY = """#!/usr/bin/env bash
for name in $(compgen -e); do
  [[ $name$(printenv "$name") != *canary* ]] || { echo "$0 was given $name" >> "$WITNESS"; exit 1; }
done
exec {real} "$@"
"""
WHEEL = f"roomctl @ https://example.com/roomctl-0.1.0-py3-none-any.whl --hash=sha256:{'0' * 64}\n"
GUARD = "guard:\n  require_allow: [privacy-widened, guard-weakened]\n"
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
        self.plain |= {"BRANCH": "roomctl-state", "RUNNER_TEMP": str(work), "CI_DEFAULT_BRANCH": "main", "BRANCH_NAME": "main"}
        (self.clone / "ci").mkdir()
        shutil.copy(ROOT / "docs/gitlab/note.py", self.clone / "ci")
        for script in ("state.sh", "alone.sh"):
            shutil.copy(ROOT / ACTION / script, self.clone / "ci")
        self.witness = work / "given"
        for name in ("pip", "git", "python3"):
            spy = self.binary / name
            real = """bash -c 'echo "pip $*"; cp "${@: -1}" "$HOME/read"' pip""" if name == "pip" else shutil.which(name)
            spy.write_text(SPY.replace("{real}", real).replace("$WITNESS", str(self.witness)))
            spy.chmod(0o755)
        self.write("ci/roomctl.txt", WHEEL)
        self.configure()
        self.write(".gitignore", "/.roomctl/\n/reports/\n")
        self.commit("Begin")
        self.write("rooms/notes.md", "What people plan is compared with what was there before.")
        self.base = self.commit("Notes")

    def commit(self, message):
        sha = super().commit(message)
        git("-C", self.clone, "push", "-q", "-f", "origin", "HEAD:main")
        return sha

    def configure(self, more=""):
        self.write("roomctl.yaml", f"app: acme\nbase_url: {self.service}\n{more}")

    def branch(self):
        """What is kept: the rooms of the state, and the commit that was applied last."""
        show = ["-C", self.origin, "show"]
        state = json.loads(git(*show, "roomctl-state:state.json"))
        return sorted(state["rooms"]), git(*show, "roomctl-state:applied")

    def attack(self, review, apply):
        """One change takes the guard away, and opens the room that it held; another is merged before somebody applies."""
        self.configure(GUARD)
        self.write("rooms/tea.yaml", ROOM)
        applied = self.commit("Guarded")
        check(review() == 0 and apply() == 0, self.said)
        check(self.branch() == (["tea"], applied), self.branch())
        self.configure()
        self.write("rooms/tea.yaml", ROOM.replace("private", "public"))
        self.commit("Open")
        for message in ("Open", "Another"):
            self.write("rooms/notes.md", message)
            self.commit(message)
            check(review() == 0 and "guard-weakened" in self.said, f"the change is shown: {self.said}")
            check(apply() == 4 and "guard-weakened" in self.said, f"the guard of the base holds: {self.said}")
            check(self.branch() == (["tea"], applied), self.branch())
        check(apply(ALLOW="privacy-widened guard-weakened") == 0, self.said)

    def never_applied(self, review, apply, drift):
        """As long as no apply ended well: a guard goes, and another change is merged behind that."""
        kept, head = git("-C", self.origin, "rev-parse", "roomctl-state"), git("-C", self.clone, "rev-parse", "HEAD")
        begun = (lambda: self.shell(f"bash ci/state.sh take && git push -q -d {self.origin} roomctl-state"
                                    " && bash ci/state.sh first", {}), lambda: review() or apply() - 5)
        for number, begin in enumerate(begun):
            self.configure(GUARD)
            self.write("rooms/wait.yaml", f"privacy: private\nmeetingEndedWebhook: https://hooks.example.com/${{env:ROOM_NOT_SET_{number}}}\n")
            self.commit("Guarded")
            check(begin() == 0, self.said)
            check("applied" not in git("-C", self.origin, "ls-tree", "roomctl-state"), "nothing is applied")
            self.configure()
            self.commit("Open")
            self.write("rooms/notes.md", f"More {number}")
            self.commit("Another")
            check(review() == 0 and "guard-weakened" in self.said, f"the guard that went is shown: {self.said}")
        # The last run left out a room: what it went by counts all the same, and no mute that came later.
        self.skipped(drift)
        git("-C", self.clone, "rm", "-q", "rooms/wait.yaml")
        git("-C", self.clone, "checkout", "-q", head, "--", "rooms")
        self.commit("As before")
        git("-C", self.origin, "update-ref", "refs/heads/roomctl-state", kept)

    def skipped(self, drift):
        """A mute is merged, and nothing is started for it; then somebody moves the room."""
        self.write("mutes.yaml", 'mutes: [{room: tea, attribute: "*", reason: r, until: 2099-01-01}]\n')
        self.commit("Typo [skip ci]")
        is_told = lambda: re.search(r"mutes\.yaml +\|", self.said)
        check(drift() == 2 and is_told() and "drifted" not in self.said, f"what is not applied is told: {self.said}")
        self.by_hand("tea", '{"maxParticipants": 9}')
        check(drift() == 2 and "1 drifted" in self.said, f"and it is not believed: {self.said}")
        self.by_hand("tea", '{"maxParticipants": 5}')
        git("-C", self.clone, "revert", "--no-edit", "HEAD")
        check(drift() == 0 or not is_told(), f"undone, it is told no more: {self.said}")

    def older(self, review, apply):
        """Somebody starts what applies an older plan: when the branch is further, when something was applied since the plan
        was made, and when neither is looked at."""
        tip, kept = lambda sha: git("-C", self.origin, "update-ref", "refs/heads/main", sha), self.work / "kept"
        self.configure(GUARD)
        guarded = self.commit("Guarded")
        check(review() == 0, self.said)
        shutil.copytree(self.clone / "reports", kept / "guarded")
        self.configure()
        self.write("rooms/tea.yaml", ROOM.replace("private", "public"))
        opened = self.commit("Open")
        check(review() == 0 and "guard-weakened" not in self.said, self.said)
        shutil.copytree(self.clone / "reports", kept / "open")

        def started(sha, plan):
            shutil.rmtree(self.clone / "reports")
            shutil.copytree(kept / plan, self.clone / "reports")
            git("-C", self.clone, "checkout", "-q", sha)
            return apply()

        check(started(guarded, "guarded") == 4 and "a later commit is on its way" in self.said, self.said)
        tip(guarded)
        check(started(guarded, "guarded") == 0 and self.branch()[1] == guarded, self.said)
        tip(opened)
        check(started(opened, "open") == 4 and "plan again" in self.said, self.said)
        other = git("-C", self.clone, "commit-tree", "HEAD^{tree}", "-m", "Of another history")
        check(self.shell("bash ci/state.sh take && bash ci/state.sh keep", {"APPLIED": other, "CODE": "0"}) == 7, self.said)
        check(f"{guarded} stays what was applied" in self.said and self.branch()[1] == guarded, self.said)
        older = {"APPLIED": git("-C", self.clone, "rev-parse", f"{guarded}^"), "CODE": "0"}
        check(self.shell("bash ci/state.sh take && bash ci/state.sh keep", older) == 0, self.said)
        check(self.branch()[1] == guarded, "what was applied last is never put back")
        tip(f"{guarded}^")
        git("-C", self.clone, "checkout", "-q", f"{guarded}^")
        check(review() == 0, self.said)
        git("-C", self.clone, "checkout", "-q", f"{guarded}^")
        check(apply() == 4 and "put back" in self.said, self.said)
        tip(opened)
        self.write("rooms/tea.yaml", ROOM)
        self.commit("As before")
        check(review() == 0 and "guard-weakened" in self.said and apply(ALLOW="guard-weakened") == 0, self.said)

    def spellings(self):
        """Other places than the pipeline looks at, in whatever way YAML has to say so; and the usual ones."""
        elsewhere = (
            "rooms: x", "rooms :\tx", "'rooms': x", '"\\x72ooms": x', "? rooms\n: x", "!!str rooms: x", "&a rooms: x", " rooms: x", "{rooms: x}",
            "--- {rooms: x}", "\ufeffrooms: x", "app: acme\rrooms: x", "rooms: rooms\n  x", "rooms: rooms\n\n  x", "rooms:\n  x", "rooms: |\n  x",
            'rooms: "rooms\n  x"', "rooms: rooms#x", "state: x # state: .roomctl/state.json", "state: *a", "rooms: .roomctl/state.json", "state: rooms", "'state': ./rooms/", "{app: acme,\n rooms: x}", "state:\n  x", "'state' : x",
        )
        usual = ("", "app: acme", "rooms: rooms", "app: acme\r\nstate: './.roomctl/state.json' # here\r\n", "state_encryption:\n  recipients: [age1x]", "---\npolicies:\n- id: a\n  rooms: x\n# y\n")
        for text, code in [*((one, 3) for one in elsewhere), *((one, 0) for one in usual)]:
            (self.clone / "roomctl.yaml").write_bytes(text.encode())
            check(self.shell("source ci/state.sh functions; is_laid_out", {}) == code, f"{text!r}: {self.said}")
        # From where roomctl takes one that is further up.
        self.configure()
        for made, code in (("", 3), ("deep/.git", 0), ("roomctl.yml", 3), ("deep/roomctl.yaml", 0)):
            (self.clone / "team/deep").mkdir(parents=True)
            (self.clone / "team" / made).touch()
            check(self.shell("cd team/deep && source ../../ci/state.sh functions; is_laid_out", {}) == code, f"{made}: {self.said}")
            shutil.rmtree(self.clone / "team")

    def moved_at_base(self, drift):
        """The configuration of what was applied last names another place, and the one of today does not."""
        kept = git("-C", self.origin, "rev-parse", "roomctl-state")
        self.configure("rooms: elsewhere\n")
        base = self.commit("Elsewhere")
        self.configure()
        self.commit("Back")
        check(self.shell("bash ci/state.sh take && bash ci/state.sh keep", {"APPLIED": base, "CODE": "5"}) == 0, self.said)
        check(drift() == 3 and "where the pipeline looks" in self.said, self.said)
        git("-C", self.origin, "update-ref", "refs/heads/roomctl-state", kept)

    def links(self, review, apply, drift, anew):
        """Links in the checkout to a file of somebody, where jobs write (of which `apply` may have one `anew`); and a state. They
        are taken away by a commit for which nothing is started."""
        precious, reports = self.work / "precious", self.clone / "reports"
        precious.write_text("precious")
        written = ("code-quality.json", "junit.xml", "plan.xml", "plan.sarif", "apply.xml", "drift.xml", "drift.sarif", "exit", "to-keep", "base")

        def linked(*but):
            reports.mkdir(exist_ok=True)
            for name in set(written) - set(but):
                (reports / name).unlink(missing_ok=True)
                os.symlink(precious, reports / name)

        def ran(job, *codes):
            check(job() in codes, self.said)
            check(precious.read_text() == "precious", f"a link is written through: {precious.read_text()}\n{self.said}")

        linked()
        self.write(".roomctl/state.json", "{}")
        git("-C", self.clone, "add", "-f", "reports", ".roomctl")
        self.commit("Links")
        ran(review, 0)
        if anew:
            linked("base")
        ran(apply, 0)
        linked()
        ran(drift, 0)
        git("-C", self.clone, "rm", "-r", "-q", "-f", "reports", ".roomctl")
        self.commit("No links")
        ran(drift, 0)
        os.symlink(self.work, reports)
        ran(review, 0)

    def own_scripts(self, plan):
        """A pull request brings scripts of its own: none of them runs, whatever the checkout holds."""
        git("-C", self.clone, "checkout", "-q", "-f", "--no-track", "-b", "stranger", "refs/remotes/origin/main")
        for name in ("state.sh", "alone.sh", "note.py"):
            self.write(f"ci/{name}", f"touch {self.work}/ran\n")
        for message in ("Scripts", None):
            if message is None:
                # Left in the directory by a job before, and ignored: what is committed is as it was.
                git("-C", self.clone, "reset", "-q", "--soft", "refs/remotes/origin/main")
            else:
                git("-C", self.clone, "add", "-A")
                git("-C", self.clone, "commit", "-q", "-m", message)
            ended = plan()
            check(not (self.work / "ran").exists(), f"a script of the pull request ran: {self.said}")
            check(ended == (0 if message is None else 1), self.said)
            git("-C", self.clone, "checkout", "-q", "stranger")
        git("-C", self.clone, "checkout", "-q", "-f", "main")

    def shell(self, lines, more, options="-e"):
        """Runs lines in one shell, as a runner does. Gives out the exit code."""
        done = subprocess.run(
            ["bash", options, "-c", lines], cwd=self.clone, env={**self.plain, **more}, capture_output=True, text=True,
        )
        check("canary" not in done.stdout + done.stderr, "a secret is printed")
        self.said += done.stdout + done.stderr
        check(not self.witness.exists(), self.witness.exists() and self.witness.read_text())
        return done.returncode

    def look(self):
        """After a job: every report that is there is what its readers take, and holds no secret. The next one begins anew."""
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
        detached = git("-C", self.clone, "rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
        git("-C", self.clone, "checkout", "-q", *["-f"] * detached, "main")


def gitlab(program, work):
    place, hub = Place(program, work), GitLab()
    jobs = yaml.safe_load((ROOT / "docs/gitlab/.gitlab-ci.yml").read_text())

    def run(name, cancelled=False, **more):
        place.said, place.job = "", place.job + 1
        script = list(jobs[name]["script"])
        if cancelled:
            (at,) = [n for n, line in enumerate(script) if line.startswith("roomctl apply")]
            script[at + 1:] = ["kill -KILL $$"]
        more |= {"CI_JOB_ID": str(place.job), "CI_COMMIT_SHA": git("-C", place.clone, "rev-parse", "HEAD")}
        of_job = {"CI_BUILDS_DIR": str(work), **more}
        more["RUNNER_TEMP"] = re.sub(r"\$(\w+)", lambda name: of_job[name[1]], jobs[".roomctl"]["variables"]["RUNNER_TEMP"])
        before = jobs[name].get("before_script", jobs[".roomctl"]["before_script"])
        code = place.shell("set -o pipefail\n" + "\n".join(before + script), more)
        after = jobs[name].get("after_script", jobs[".roomctl"]["after_script"])
        check(place.shell("\n".join(after), more) == 0 and not Path(more["RUNNER_TEMP"]).exists(), place.said)
        place.look()
        return code

    place.job = 0

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
    here, there = loopback.redirected()
    run("plan", **{**noting, "CI_API_V4_URL": here})
    check("302" in place.said and not there, f"the token goes nowhere else: {there} {place.said}")
    by_hash = "pip install --quiet --no-deps --only-binary :all: --require-hashes -r {}/roomctl-{}/roomctl.txt\n".format
    check(place.said.count("pip install") == place.said.count(by_hash(work, place.job)) == 1, f"roomctl is installed by its checksum: {place.said}")
    hashed = f"    --hash=sha256:{'0' * 64}"
    compiled = f"# As pip-compile writes it\nroomctl==0.1.0 \\\n{hashed} \\\n{hashed}\n    # via -r roomctl.in\n"
    for text in (
        None, "", "roomctl==0.1.0\n", f"# {WHEEL}", f"other --hash=sha256:{'0' * 64}\n", WHEEL.replace("--hash", "# --hash"), WHEEL + WHEEL,
        WHEEL + "other==1.0\n", f"{WHEEL}--index-url https://example.com\n", f"other==1.0 {hashed}\n{compiled}", f"# \\\nother==1.0 {hashed}\n{compiled}",
        f"roomctl==0.1.0 \\\n# Why\n{hashed}\n", f"roomctl==0.1.0\n{hashed}\n", WHEEL.replace("roomctl @", "roomctl-x @"), WHEEL.replace(" --", "\nother --"),
        WHEEL.rstrip() + " \\", WHEEL.replace("example.com", "${PIP_INDEX_URL}"), f"roomctl==0.1.0\x0cother==1.0 {hashed}\n", WHEEL[:-9] + "\n",
    ):
        (place.clone / "ci/roomctl.txt").unlink()
        if text is not None:
            place.write("ci/roomctl.txt", text)
        check(run("plan", **noting) == 1 and "pip install" not in place.said, f"{text!r}: {place.said}")
        check("which wheel of roomctl" in place.said and "not planned" in note["body"], place.said)
        place.write("ci/roomctl.txt", WHEEL)
    # What ends a line, and how bytes become text, pip and sed see differently: pip reads nothing but what was looked at.
    evil = WHEEL.replace("roomctl", "evil").rstrip()
    seen_by_pip = [f"# Why{end}{evil}\n" for end in "\f\r\v\x1c\x85\u2028"] + [f"# coding: {code}{evil}\n" for code in ("unicode_escape \\n", "utf-7 +AAo-")]
    for text in (compiled, compiled.replace("\n", "\r\n"), WHEEL.replace(" --", " \\\n  --"), *(more + WHEEL for more in seen_by_pip)):
        place.write("ci/roomctl.txt", text)
        check(run("plan", **noting) == 0 and by_hash(work, place.job) in place.said, f"{text!r}: {place.said}")
        check(re.fullmatch(r"roomctl[!-#%-~ ]+\n", (work / "read").read_bytes().decode()) and "evil" not in (work / "read").read_text(), f"{text!r} is read")
    place.write("ci/roomctl.txt", WHEEL)
    installer = place.binary / "pip"
    works = installer.read_text()
    installer.write_text("#!/bin/sh\nexit 1\n")
    check(run("plan", **noting) == 1, f"without roomctl the job fails: {place.said}")
    check("not planned" in note["body"] and "this change" not in note["body"], f"the plan before is not shown: {note}")
    installer.write_text(works)
    check(run("plan", **noting) == 0 and "this change" in note["body"], note)
    place.write("rooms/tea.yaml", ROOM + "privcy: public\n")
    check(run("plan", **noting) == 3, f"files that are not valid fail the job: {place.said}")
    (issue,) = json.loads((place.clone / "reports/code-quality.json").read_text())
    check(issue["severity"] == "major" and issue["location"]["lines"]["begin"] == 4, issue)
    hosts = lambda n: "".join(f"meeting{one}Webhook: https://{one.lower()}-{n}.{'x' * 60}.{'x' * 60}.{'x' * 60}.example/${{env:ROOM_HOOK_TOKEN}}\n" for one in ("Left", "Started"))
    place.write("rooms/tea.yaml", ROOM)
    for n in range(260):
        place.write(f"rooms/crowd-{n}.yaml", "privacy: private\n" + hosts(n))
    check(run("plan", **noting) == 4, f"what cannot be shown fails the job: {place.said}")
    check("not planned" in note["body"] and "tea" not in note["body"], note)
    for n in range(260):
        (place.clone / f"rooms/crowd-{n}.yaml").unlink()
    check(run("review") == 0, place.said)
    # Whoever starts a pipeline sets variables, for what is started in it later, too.
    for job in ("apply", "drift"):
        check(run(job, METERED_BASE_URL="http://127.0.0.1:9", **SECRETS) == 3 and "METERED_BASE_URL is set" in place.said, place.said)
    check(run("apply", ALLOW="archived", **SECRETS) == 0 and "Allowed: archived" in place.said, place.said)
    check(run("drift", **SECRETS) == 0, place.said)
    place.by_hand("tea", '{"maxParticipants": 9}')
    check(run("drift", **SECRETS) == 2, f"drift fails the job: {place.said}")
    place.write("rooms/tea.yaml", ROOM + "autoJoin: true\n")
    check(run("review") == 0, place.said)
    place.by_hand("tea", '{"maxParticipants": 11}')
    check(run("apply", **SECRETS) in (0, 4), place.said)
    place.attack(lambda: run("review"), lambda **more: run("apply", **SECRETS, **more))
    place.older(lambda: run("review"), lambda **more: run("apply", **SECRETS, **more))
    place.spellings()
    place.never_applied(lambda: run("review"), lambda: run("apply", **SECRETS), lambda: run("drift", **SECRETS))
    place.skipped(lambda: run("drift", **SECRETS))
    place.links(lambda: run("review"), lambda: run("apply", **SECRETS), lambda: run("drift", **SECRETS), True)
    place.moved_at_base(lambda: run("drift", **SECRETS))
    _, applied = place.branch()
    place.write("rooms/cocoa.yaml", ROOM)
    place.commit("Cocoa")
    check(run("review") == 0 and run("apply", cancelled=True, **SECRETS) != 0, place.said)
    check(place.branch() == (["cocoa", "tea"], applied), f"a cancelled job keeps the state: {place.branch()}")
    check(run("review") == 0 and run("apply", **SECRETS) == 0, place.said)
    check(place.branch()[1] != applied, place.branch())
    place.end()
    hub.server.shutdown()


def jenkins(program, work):
    place = Place(program, work)
    proposed, main = ((ROOT / "docs/jenkins" / file).read_text() for file in ("Jenkinsfile", "Jenkinsfile.apply"))
    stages = lambda text: dict(re.findall(r"^ {8}stage\('(\w+)'\)(.*?)^ {8}\}$", text, re.S | re.M))
    of_main, of_pull_request = stages(main), stages(proposed)
    check(list(of_pull_request) == ["Plan"] and not re.search("ithCredentials|input|METERED|ROOM_", proposed), "what a pull request can change has no key")
    check(proposed.count("agent {") == main.count("agent {") == 1, "one agent for each")
    check(re.search(r"agent \{.*\}", proposed)[0] != re.search(r"agent \{.*\}", main)[0], "and no machine is shared")
    waits = [name for name, stage in of_main.items() if re.search(r"\binput\b", stage)]
    hours = [re.findall(r"options \{ timeout\(time: (\d+), unit: 'HOURS'\) \}", of_main[name]) for name in waits]
    guide = (ROOT / "docs/jenkins.md").read_text()
    check(hours and all(len(one) == 1 and f"{one[0]} hours" in guide for one in hours), f"whoever is asked holds up no check for ever: {hours}")
    check(not any("sh '" in of_main[name] for name in waits), "and that time is not the one of an apply")
    labels = [re.search(r"agent \{ label '([\w-]+)' \}", text)[1] for text in (proposed, main)]
    check(all(f"`{label}`" in guide for label in labels) and "Restrict jobs execution at node" in guide, "what a label does not do is said")
    # A line, and the credential that it alone is given; or a file of the repository that is put beside the checkout.
    told = r"(?:variable: '(\w+)'\)\]\) \{\n *)?\bsh '(.*)'$|writeFile file: \"\$\{env.WORKSPACE_TMP\}/(.*)\", text: readTrusted\('(.*)'\)$"
    beside = work / "beside"
    place.plain["WORKSPACE_TMP"] = str(beside)

    def trusted(file, path):
        """As Jenkins reads it of somebody who is not trusted: it ends the build where that is another than the target's."""
        place.said += f"readTrusted {path}\n"
        if place.shell(f"git diff --quiet refs/remotes/origin/main HEAD -- {path}", {}):
            return 1
        (beside / file).parent.mkdir(parents=True, exist_ok=True)
        (beside / file).write_text(git("-C", place.clone, "show", f"HEAD:{path}") + "\n")
        return 0

    def run(name, cancelled=False, of=of_main, **more):
        place.said, ends = "", []
        more["GIT_COMMIT"] = git("-C", place.clone, "rev-parse", "HEAD")
        for lines in of[name].split("post {"):
            for credential, line, file, path in re.findall(told, lines, re.M):
                if cancelled and "roomctl apply" in line:
                    line = line.split("||")[0] + "|| true; kill -KILL $$"
                ends.append(trusted(file, path) if path else place.shell(line, more | credentials.get(credential, {}), "-xe"))
                if ends[-1]:
                    break
        place.look()
        return max(map(abs, ends))

    def timer():
        """A build that the timer starts, until a stage fails; of the stages, those that it has."""
        begun = [name for name, stage in of_main.items() if "when { not { triggeredBy 'TimerTrigger' } }" not in stage]
        return next((code for code in map(run, begun) if code), 0)

    credentials = {"METERED_SECRET_KEY": SECRETS, "TOKEN": {"TOKEN": "token-of-the-state"}}
    lines = sum(len(re.findall(told, stage, re.M)) for of in (of_main, of_pull_request) for stage in of.values())
    check(lines == (main + proposed).count("sh '") + proposed.count("readTrusted(") and lines > 20, "every line is run")
    check("credentials(" not in main, "no stage has a key in all of its environment")
    place.write("rooms/tea.yaml", ROOM + "privcy: public\n")
    check(run("Plan") == 3, place.said)
    place.write("rooms/tea.yaml", ROOM)
    check(run("Plan") == 0, place.said)
    check(run("Apply") == 0, place.said)
    check(timer() == 0, place.said)
    place.by_hand("tea", '{"maxParticipants": 9}')
    check(timer() == 2, place.said)
    place.write("rooms/broken.yaml", "privcy: public\n")
    place.commit("Typo [skip ci]")
    check(timer() == 2 and "1 drifted" in place.said, f"files that cannot be planned hold up no check: {place.said}")
    (place.clone / "rooms/broken.yaml").unlink()
    place.commit("Typo")
    place.attack(lambda: run("Plan"), lambda **more: run("Apply", **more))
    place.older(lambda: run("Plan"), lambda **more: run("Apply", **more))
    place.never_applied(lambda: run("Plan"), lambda: run("Apply"), timer)
    place.skipped(timer)
    place.links(lambda: run("Plan"), lambda: run("Apply"), timer, False)
    place.moved_at_base(timer)
    place.write("rooms/cocoa.yaml", ROOM)
    base = place.commit("Cocoa")
    check(run("Plan") == 0 and run("Apply", cancelled=True) != 0, place.said)
    check(place.branch()[0] == ["cocoa", "tea"] and place.branch()[1] != base, f"an aborted build keeps it: {place.branch()}")
    git("-C", place.clone, "push", "-q", "origin", "main")
    plan = lambda **more: run("Plan", of=of_pull_request, **more)
    check(plan(CHANGE_TARGET="main") == 0 and "nothing" in place.said.lower(), place.said)
    check(plan() == 0, f"a branch is planned, too: {place.said}")
    git("-C", place.clone, "tag", "origin/main")
    place.configure(GUARD)
    place.commit("Guarded")
    git("-C", place.clone, "push", "-q", "origin", "main")
    place.configure()
    check(plan(CHANGE_TARGET="main") == 0 and "guard-weakened" in place.said, f"a tag is not the branch: {place.said}")
    place.own_scripts(lambda: plan(CHANGE_TARGET="main"))
    place.end()


def main():
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as work:
        for pipeline in [one for one in (gitlab, jenkins) if one.__name__ in (sys.argv[2:] or ("gitlab", "jenkins"))]:
            pipeline(program, Path(work) / pipeline.__name__)
            step(f"{pipeline.__name__} runs as it is written")


main()
