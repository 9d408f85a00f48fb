"""What the rehearsal plays on: a repository with pull requests, a GitHub on loopback, the simulator, and canaries in the
place of secrets."""

import json
import os
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

from github import GitHub
from loopback import ACTION, HOOK, KEY, ROOT, Place, bound, check, git
from runner import Runner


class Stage(Place):
    # Whatever somebody plants, ignored or not.
    added = ("-A", "-f")

    def __init__(self, program, work):
        super().__init__(program, work)
        self.hub = GitHub(self.origin)
        git("-C", self.origin, "config", "uploadpack.allowFilter", "true")
        self.plain |= {"GITHUB_API_URL": self.hub.url, "GITHUB_SERVER_URL": self.hub.url}
        self.runner = Runner(self.origin, work / "runs", self.plain, self.hub)
        self.number = 0
        # What the workflows hand to roomctl for a state in an object store.
        self.credentials = ""

    def begin(self):
        """The repository as `init` would have made it, on its default branch."""
        shutil.copytree(ROOT / ".github", self.clone / ".github", ignore=shutil.ignore_patterns("__pycache__"))
        self.write("roomctl.yaml", f"app: acme\nbase_url: {self.service}\n")
        self.write(".gitignore", "/.roomctl/\n")
        self.write("rooms/_defaults.yaml", "privacy: private\n")
        self.commit("Begin")
        git("-C", self.clone, "branch", "-M", "main")
        self.push("main")
        # Whatever attributes of git come, none is obeyed here.
        (self.clone / ".git/info").mkdir(exist_ok=True)
        (self.clone / ".git/info/attributes").write_text("* -text -ident -filter !working-tree-encoding\n")

    # --- the repository

    def push(self, branch):
        git("-C", self.clone, "push", "-q", "-f", "origin", f"HEAD:{branch}")

    def main(self):
        return git("-C", self.clone, "rev-parse", "main")

    def straight_to_main(self, files):
        git("-C", self.clone, "checkout", "-q", "main")
        for file, text in files.items():
            self.write(file, text)
        sha = self.commit("Straight to main")
        self.push("main")
        return sha

    # --- pull requests

    def pull_request(self, files, who="stranger", also=None):
        """Opens a pull request of a fork with these files; plans and comments it. Returns it."""
        pull = self.open(files, who, also)
        self.plan(pull)
        return pull

    def open(self, files, who="stranger", also=None, title="Rooms"):
        """Opens a pull request, and no workflow runs for it."""
        git("-C", self.clone, "checkout", "-q", "-B", f"change-{self.number + 1}", "main")
        pull = self.open_commit(None, who)
        pull["title"] = title
        self.push_to(pull, files, also, plan=False)
        return pull

    def open_commit(self, sha, who="stranger"):
        self.number += 1
        branch = f"change-{self.number}"
        pull = {
            "number": self.number, "title": "Rooms", "state": "open", "merged_at": None, "labels": [], "commits": {},
            "base": {"ref": "main"}, "branch": branch, "user": {"login": who},
            "head": {"label": f"{who}:{branch}", "sha": sha, "repo": f"{who}/rooms"},
        }
        self.hub.pulls.append(pull)
        if sha is not None:
            # Never checked out: GitHub merges without a work tree, too.
            main = self.main()
            merge = git("-C", self.clone, "commit-tree", f"{sha}^{{tree}}", "-p", main, "-p", sha, "-m", "Merge")
            git("-C", self.clone, "push", "-q", "-f", "origin", f"{merge}:refs/pull/{self.number}/merge")
        return pull

    def push_to(self, pull, files, also=None, plan=True):
        """A further commit of a pull request, planned and commented."""
        git("-C", self.clone, "checkout", "-q", pull["branch"])
        for file, text in files.items():
            self.write(file, text)
        if also is not None:
            also(self.clone)
        head = self.commit(pull["title"])
        self.push(f"refs/pull/{pull['number']}/head")
        pull["head"]["sha"] = head
        pull["commits"][head] = 1
        if plan:
            self.plan(pull)

    def plan(self, pull):
        """What GitHub starts when a pull request moves: its own workflow, and then ours."""
        merge, head = self.trial_merge(pull), pull["head"]["sha"]
        self.first = self.commented = None
        if not self.runner.starts("plan.yml", merge, "pull_request", head, f"main...{head}"):
            return
        about = {"event": "pull_request", "head_branch": pull["branch"], "head_repository": pull["head"]["repo"]}
        self.first, _ = self.runner.job("plan.yml", merge, about, {"pull_request.number": pull["number"]})
        self.comment(pull)

    def trial_merge(self, pull):
        git("-C", self.clone, "checkout", "-q", "--detach", "main")
        git("-C", self.clone, "merge", "-q", "--no-ff", "-m", "Merge", pull["head"]["sha"])
        self.push(f"refs/pull/{pull['number']}/merge")
        sha = git("-C", self.clone, "rev-parse", "HEAD")
        git("-C", self.clone, "checkout", "-q", pull["branch"])
        return sha

    def comment(self, pull, sha=None, attempt=1):
        """The trusted workflow, for the newest commit of the default branch, or as it is started again for another."""
        event = {
            "workflow_run.event": "pull_request",
            "workflow_run.head_branch": pull["branch"],
            "workflow_run.head_sha": pull["head"]["sha"],
            "workflow_run.head_repository.full_name": pull["head"]["repo"],
            "workflow_run.head_repository.owner.login": pull["user"]["login"],
        }
        about, secrets = {"event": "workflow_run", "run_attempt": attempt}, {"ROOMCTL_STATE_CREDENTIALS": self.credentials}
        self.commented, self.run = self.runner.job("comment.yml", sha or self.main(), about, event, secrets)

    def comment_of(self, pull):
        """What our comment on a pull request says."""
        return self.comment_on(pull)["body"]

    def comment_on(self, pull):
        (one,) = [one for one in self.hub.comments if one["issue"] == pull["number"] and "roomctl:plan-for-apply" in one["body"]]
        return one

    def merge(self, pull):
        git("-C", self.clone, "checkout", "-q", "main")
        # As GitHub proposes it, with the title in the message.
        git("-C", self.clone, "merge", "-q", "--no-ff", "-m", f"Merge\n\n{pull['title']}", pull["head"]["sha"])
        self.push("main")
        sha = self.main()
        pull.update(state="closed", merged_at=self.hub.now())
        pull["commits"][sha] = 1
        return sha

    def go_on(self, before):
        """Puts the default branch back to `before`, or to what was applied since; with the configuration as it was."""
        git("-C", self.clone, "checkout", "-q", "-f", "main")
        git("-C", self.clone, "clean", "-q", "-f", "-d", "-x")
        config = git("-C", self.clone, "show", f"{before}:roomctl.yaml") + "\n"
        known = git("-C", self.clone, "rev-list", f"{before}..main").split()
        applied = base = self.state("applied")
        # A branch of before has no base of its own.
        if "base" in git("-C", self.origin, "ls-tree", "--name-only", "roomctl-state").split():
            base = self.state("base")
        # Nobody puts a branch back behind what a run went by; a run that left out a room leaves that to nobody else.
        git("-C", self.clone, "reset", "-q", "--hard", base if base in known else before)
        if base in known and base != applied:
            git("-C", self.clone, "rm", "-r", "-q", "rooms")
            git("-C", self.clone, "checkout", "-q", before, "--", "rooms")
        self.write("roomctl.yaml", config)
        git("-C", self.clone, "rm", "-r", "-q", "--ignore-unmatch", ".roomctl", ".gitattributes", "mutes.yaml")
        moved = git("-C", self.clone, "status", "--porcelain")
        if moved:
            self.commit("As it was, but for the rooms")
        self.push("main")
        if moved and base in known and base == applied:
            # What was stronger is applied, and goes by hand.
            check(self.apply(self.main(), allow="guard-weakened"), self.runner.log)

    # --- what runs with the key

    def apply(self, sha, **inputs):
        """The run for a push to the default branch, or by hand with inputs. Returns whether it succeeded; None if none starts."""
        if not inputs and not self.runner.starts("apply.yml", sha, "push", sha, f"{sha}^..{sha}"):
            return None
        secrets = {"METERED_SECRET_KEY": KEY, "ROOM_TICKETS_TOKEN": HOOK, "ROOMCTL_STATE_CREDENTIALS": self.credentials}
        about = {"event": "workflow_dispatch" if inputs else "push"}
        ok, self.run = self.runner.job("apply.yml", sha, about, {"inputs": inputs}, secrets)
        return ok

    def drift(self):
        secrets = {"METERED_SECRET_KEY": KEY, "ROOMCTL_STATE_CREDENTIALS": self.credentials}
        ok, self.run = self.runner.job("drift.yml", self.main(), {"event": "schedule"}, {}, secrets)
        return ok

    def adopt(self):
        about, event = {"event": "workflow_dispatch"}, {"inputs.adopt": "true"}
        secrets = {"METERED_SECRET_KEY": KEY}
        ok, self.run = self.runner.job("drift.yml", self.main(), about, event, secrets, "adopt")
        return ok

    def report(self):
        """The report of the last run that made one."""
        reports = sorted((self.work / "runs").glob("run-*/temp/roomctl/report.json"), key=lambda path: path.stat().st_mtime_ns)
        return json.loads(reports[-1].read_text())

    def state(self, file="state.json"):
        return git("-C", self.origin, "show", f"roomctl-state:{file}")

    def room(self, name):
        """What the service holds of a room; None if it is not there."""
        try:
            with urllib.request.urlopen(f"{self.service}/api/v1/room/{name}?secretKey={KEY}", timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError:
            return None

    def with_state(self, *arguments):
        """Runs the program in the clone, with the state of its branch."""
        environment = {**self.plain, "METERED_SECRET_KEY": KEY, "ROOM_TICKETS_TOKEN": HOOK, "BRANCH": "roomctl-state"}
        environment["RUNNER_TEMP"] = str(self.work / "hand")
        Path(environment["RUNNER_TEMP"]).mkdir(exist_ok=True)
        script = ROOT / ACTION / "state.sh"
        for command in (["bash", script, "take"], ["roomctl", *arguments], ["bash", script, "keep"]):
            done = subprocess.run(command, cwd=self.clone, env=environment, capture_output=True, text=True)
            check(done.returncode == 0, f"{command}: {done.stdout}{done.stderr}")
        shutil.rmtree(self.clone / ".roomctl")

    def by_itself(self, place, *arguments, environment=None):
        """Runs the program in a directory, with everything secret in its environment, as it may be run by hand."""
        environment = environment or {**self.plain, "METERED_SECRET_KEY": KEY, "ROOM_TICKETS_TOKEN": HOOK}
        return subprocess.run(
            ["roomctl", *arguments], cwd=place, env=environment, preexec_fn=bound, capture_output=True, text=True, timeout=60,
        )

    # --- what is left

    def no_secret_is_left(self, *others):
        texts = [self.runner.log, repr(self.hub.comments), repr(self.hub.issues)]
        for folder, _, files in os.walk(self.work):
            for file in files:
                path = Path(folder) / file
                # The service itself knows its settings, git packs hold what is looked at below, and links lead elsewhere.
                if path.name.startswith("service.json") or path.name == "roomctl" or ".git/" in str(path) or path.is_symlink():
                    continue
                texts.append(path.read_text(errors="replace"))
        # Artifacts are unpacked beside the runs, and so among the files.
        # Each object once: a walk over the history would not come to an end of what somebody pushed.
        every = ["git", "-C", self.origin, "cat-file", "--batch", "--batch-all-objects", "--unordered"]
        objects = subprocess.run(every, check=True, capture_output=True).stdout
        for secret in (KEY, HOOK, *others):
            check(all(secret not in text for text in texts), "a secret is left behind")
            check(secret.encode() not in objects, "a secret is in the history")
        check(not re.search(r"secretKey=(?!\*|canary)", self.runner.log), "an address of the service is shown")
        check(self.hub.leaks == [], "a token of ours went where artifacts lie")
