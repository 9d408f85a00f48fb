"""Just enough of a workflow runner to execute the steps of our own workflows: their shell code is taken from the
YAML as it is. What GitHub's actions do (checkout, artifacts) is done with local copies."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import yaml


class Failed(Exception):
    """A step of a job failed."""


class Runner:
    """Runs jobs of workflows against a repository on this machine."""

    def __init__(self, origin, work, environment):
        self.origin = Path(origin)
        self.work = Path(work)
        self.environment = environment
        self.artifacts = {}
        self.runs = 0
        self.log = ""

    def job(self, workflow, sha, event, secrets=None):
        """Runs the only job of a workflow of the repository at `sha`. Returns whether it succeeded, and the id of
        the run."""
        self.runs += 1
        run = _Run(self, self.runs, sha, event, secrets or {})
        text = run.show(f".github/workflows/{workflow}")
        (job,) = yaml.safe_load(text)["jobs"].values()
        if "if" in job and not run.true(job["if"]):
            return None, run.id
        ok = run.steps(job["steps"], run.context())
        return ok, run.id


    def action(self, sha, event, given):
        """Runs our action by itself, as a workflow of somebody else would. Returns its outputs."""
        self.runs += 1
        run = _Run(self, self.runs, sha, event, {})
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
        self.outputs = {}
        self.ok = True

    def show(self, path):
        return subprocess.run(
            ["git", "-C", self.runner.origin, "show", f"{self.sha}:{path}"],
            check=True, capture_output=True, text=True,
        ).stdout

    def context(self):
        return {
            "github.token": "workflow-token",
            "runner.temp": str(self.temp / "temp"),
            **{f"github.event.{name}": value for name, value in self.event.items()},
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
            try:
                self.step(step, known, environment, directory)
            except Failed as failure:
                self.runner.log += f"\n{failure}\n"
                ok = False
        return ok

    def step(self, step, known, environment, directory):
        given = {name: self.text(value, known) for name, value in step.get("with", {}).items()}
        uses = step.get("uses", "").split("@")[0]
        if uses == "actions/checkout":
            git("clone", "-q", self.runner.origin, self.home)
            git("-C", self.home, "checkout", "-q", self.sha)
        elif uses == "actions/upload-artifact":
            kept = self.runner.work / f"artifact-{self.id}-{given['name']}"
            shutil.copytree(given["path"], kept)
            self.runner.artifacts[(str(self.id), given["name"])] = kept
        elif uses == "actions/download-artifact":
            kept = self.runner.artifacts.get((given["run-id"], given["name"]))
            if kept is None:
                raise Failed("no such artifact")
            shutil.copytree(kept, given["path"])
        elif uses.startswith("./"):
            self.action(step, uses, given, environment)
        else:
            folder = self.home / self.text(step.get("working-directory", directory or "."), known)
            self.shell(step, self.text(step["run"], known), environment, folder)

    def action(self, step, uses, given, environment):
        folder = self.home / uses
        action = yaml.safe_load((folder / "action.yml").read_text())
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
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", code],
            cwd=folder, capture_output=True, text=True,
            env={
                **self.runner.environment,
                "GITHUB_REPOSITORY": "acme/rooms",
                "GITHUB_SHA": self.sha,
                "RUNNER_TEMP": str(self.temp / "temp"),
                **{name: str(path) for name, path in files.items()},
                **environment,
            },
        )
        self.runner.log += done.stdout + done.stderr
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            name, value = line.split("=", 1)
            self.outputs[f"steps.{step.get('id')}.outputs.{name}"] = value
        if done.returncode != 0:
            raise Failed(f"step {step.get('name', step.get('id'))} ended with {done.returncode}")

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


def git(*arguments):
    """Runs git and gives out what it said."""
    done = subprocess.run(["git", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"git {arguments}: {done.stderr}")
    return done.stdout.strip()
