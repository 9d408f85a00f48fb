"""Just enough of a workflow runner to execute the steps of our own workflows: their shell code is taken from the
YAML as it is. What GitHub's actions do (checkout, artifacts) is done with local copies."""

import fnmatch
import io
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import yaml

from github import READ, REPOSITORY, WRITE
from loopback import Failed, bound, git

# A last commit with one of these starts nothing that a push or a pull request would start; and of a difference, filters by
# paths see so many files.
SKIPPED = re.compile(r"\[(skip ci|ci skip|no ci|skip actions|actions skip)\]|^skip-checks: ?true$", re.I | re.M)
FILTERED = 300


def read(text):
    """The YAML of a workflow; by the library in C where there is one, as Python's own takes the tenth of a second for each."""
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class Runner:
    """Runs jobs of workflows against a repository on this machine."""

    def __init__(self, origin, work, environment, hub):
        self.origin = Path(origin)
        self.work = Path(work)
        self.environment = environment
        self.hub = hub
        self.log = ""
        # Called with a process that runs roomctl: somebody cancels the job.
        self.cancel = None
        # Whether a checkout begins with nothing, or with what a job before left: then no template of git is read.
        self.begins_anew = True
        # Of the repository or an environment.
        self.variables = {}
        # By the names of steps, what is called before: what others do meanwhile.
        self.before = {}

    def starts(self, workflow, sha, event, head, span):
        """Whether GitHub starts a workflow as it is at `sha` for an event with this last commit and this difference."""
        show = lambda *arguments: git("-C", self.origin, *arguments)
        on = read(show("show", f"{sha}:.github/workflows/{workflow}"))[True][event]
        files = show("diff", "--name-only", span).splitlines()[:FILTERED] if "paths" in on else []
        fits = "paths" not in on or any(fnmatch.fnmatch(file, one) for file in files for one in on["paths"])
        return fits and not SKIPPED.search(show("log", "-1", "--format=%B", head))

    def job(self, workflow, sha, about, event=None, secrets=None, name=None):
        """Runs the first job of a workflow of the repository at `sha`, or the one of that name. `about` is what GitHub knows of the run: its
        event, its branch, and the repository that the commit comes from. Returns whether it succeeded, and the run."""
        number = len(self.hub.runs) + 1
        about = {"event": "push", "head_branch": "main", "head_repository": REPOSITORY, **about}
        self.hub.runs[number] = {
            "id": number, "path": f".github/workflows/{workflow}", "event": about["event"],
            "head_branch": about["head_branch"], "head_repository": {"full_name": about["head_repository"]},
            "repository": {"full_name": REPOSITORY}, "head_sha": sha, "run_attempt": about.get("run_attempt", 1),
        }
        run = _Run(self, number, sha, event or {}, secrets or {})
        run.workflow = workflow
        run.token = READ if about["event"] == "pull_request" else WRITE
        text = run.show(f".github/workflows/{workflow}")
        jobs = read(text)["jobs"]
        job = jobs[name or next(iter(jobs))]
        if "if" in job and not run.true(job["if"]):
            return None, run
        return run.steps(job["steps"], run.context()), run

    def action(self, sha, event, given):
        """Runs our action by itself, as a workflow of somebody else would. Returns its outputs."""
        number = len(self.hub.runs) + 1
        self.hub.runs[number] = {}
        run = _Run(self, number, sha, event, {})
        run.step({"uses": "actions/checkout"}, {}, {}, None)
        run.action({"id": "roomctl"}, "./.github/actions/roomctl", given, {})
        return {name.split(".")[-1]: value for name, value in run.outputs.items()}


class _Run:
    def __init__(self, runner, number, sha, event, secrets):
        self.runner = runner
        self.id = number
        self.sha = sha
        self.temp = runner.work / f"run-{number}"
        self.home = self.temp / "repository"
        self.temp.mkdir(parents=True)
        self.event = event
        self.secrets = secrets
        self.token = WRITE
        self.outputs = {}
        # The first step that failed, and its exit code.
        self.failed = None
        self.workflow = ""
        self.begins = len(runner.log)

    def log(self):
        return self.runner.log[self.begins:]

    def show(self, path):
        return subprocess.run(
            ["git", "-C", self.runner.origin, "show", f"{self.sha}:{path}"],
            check=True, capture_output=True, text=True,
        ).stdout

    def context(self):
        return {
            "github.token": self.token,
            "github.sha": self.sha,
            "github.workspace": str(self.home),
            "runner.temp": str(self.temp / "temp"),
            **{f"github.event.{name}": value for name, value in self.event.items()},
            **{f"inputs.{name}": value for name, value in self.event.get("inputs", {}).items()},
            **{f"vars.{name}": value for name, value in self.runner.variables.items()},
            **{f"secrets.{name}": value for name, value in self.secrets.items()},
        }

    def steps(self, steps, context, inputs=None, directory=None, base=None):
        """Runs steps in order; those behind a failed one only when they ask for it."""
        ok = True
        for step in steps:
            known = {**context, **(inputs or {}), **self.outputs}
            condition = step.get("if", "success()")
            if not ok and "always()" not in condition:
                continue
            if not self.true(condition, known):
                continue
            environment = {**(base or {}), **{k: self.text(v, known) for k, v in step.get("env", {}).items()}}
            self.runner.before.get(step.get("name"), lambda: None)()
            outcome = f"steps.{step.get('id')}.outcome"
            try:
                self.step(step, known, environment, directory)
                self.outputs[outcome] = "success"
            except Failed as failure:
                self.outputs[outcome] = "failure"
                self.runner.log += f"\n{failure}\n"
                self.failed = self.failed or str(failure)
                ok = False
        return ok

    def step(self, step, known, environment, directory):
        given = {name: self.text(value, known) for name, value in step.get("with", {}).items()}
        uses = step.get("uses", "").split("@")[0]
        if uses == "actions/checkout":
            # Without copies of the objects, which would be most of the files that go away at the end.
            template = environment.get("GIT_TEMPLATE_DIR", "") if self.runner.begins_anew else ""
            git("clone", "-q", "--shared", f"--template={template}", self.runner.origin, self.home)
            git("-C", self.home, "checkout", "-q", self.sha)
        elif uses == "actions/upload-artifact":
            kept = self.runner.work / f"artifact-{self.id}-{given['name']}"
            shutil.copytree(given["path"], kept)
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                for file in sorted(kept.iterdir()):
                    archive.write(file, file.name)
            self.runner.hub.artifact(self.id, given["name"], packed.getvalue())
        elif uses.startswith("./"):
            self.action(step, uses, given, environment)
        else:
            self.home.mkdir(exist_ok=True)
            folder = self.home / self.text(step.get("working-directory", directory or "."), known)
            self.shell(step, self.text(step["run"], known), environment, folder)

    def action(self, step, uses, given, environment):
        folder = self.home / uses
        action = read((folder / "action.yml").read_text())
        inputs = {
            f"inputs.{name}": given.get(name, str(one.get("default", "")))
            for name, one in action["inputs"].items()
        }
        inputs["github.action_path"] = str(folder)
        before, self.outputs = self.outputs, {}
        ok = self.steps(action["runs"]["steps"], self.context(), inputs, base=environment)
        inner, self.outputs = self.outputs, before
        for name, one in action["outputs"].items():
            value = self.text(one["value"], inner)
            self.outputs[f"steps.{step.get('id')}.outputs.{name}"] = value
        if not ok:
            raise Failed(f"{uses} failed")

    def shell(self, step, code, environment, folder):
        files = {name: self.temp / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        files["GITHUB_OUTPUT"].write_text("")
        (self.temp / "temp").mkdir(exist_ok=True)
        script = self.temp / "script.sh"
        script.write_text(code)
        log = self.temp / "log"
        with open(log, "w+") as opened:
            # As GitHub does: a file, which the shell reads while it runs.
            child = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
                cwd=folder, preexec_fn=bound, stdin=subprocess.DEVNULL, stdout=opened, stderr=subprocess.STDOUT,
                env={
                    **self.runner.environment,
                    "GITHUB_REPOSITORY": REPOSITORY,
                    "GITHUB_REF": "refs/heads/main",
                    "GITHUB_EVENT_NAME": self.runner.hub.runs[self.id].get("event", ""),
                    "GITHUB_SHA": self.sha,
                    "GITHUB_RUN_ID": str(self.id),
                    "RUNNER_TEMP": str(self.temp / "temp"),
                    **{name: str(path) for name, path in files.items()},
                    **environment,
                },
            )
            if self.runner.cancel is not None and step.get("name") == "Run":
                self.runner.cancel(child)
            child.wait()
        self.runner.log += log.read_text(errors="replace")
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            name, value = line.split("=", 1)
            self.outputs[f"steps.{step.get('id')}.outputs.{name}"] = value
        if child.returncode != 0:
            raise Failed(f"step {step.get('name', step.get('id'))} ended with {child.returncode}")

    def text(self, value, known):
        """A value with its expressions put in. Unknown ones are empty, as on GitHub."""
        return re.sub(r"\$\{\{(.+?)\}\}", lambda one: str(known.get(one[1].strip(), "")), str(value))

    def true(self, condition, known=None):
        """A condition of the few forms that our workflows use."""
        known = known if known is not None else self.context()

        def one(part):
            part = part.strip()
            if part in ("always()", "success()"):
                return True
            name, operator, value = re.fullmatch(r"([\w.-]+) (==|!=) '([^']*)'", part).groups()
            return (str(known.get(name, "")) == value) == (operator == "==")

        return any(all(one(part) for part in side.split("&&")) for side in condition.split("||"))
