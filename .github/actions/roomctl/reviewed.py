"""What was reviewed, and by whom it may go further.

A plan counts only if comment.yml of the default branch made it. Anybody may upload an artifact of any name from a pull
request, so each is held against the run that it comes from: which workflow, of which repository, on which branch, for
which event. A label counts only if somebody with write access set it after the commit had been planned."""

import argparse
import io
import json
import os
import re
import subprocess
import urllib.parse
import zipfile

from github import call, default_branch, download, outputs, pages, plain, refuse, REPOSITORY

TRUSTED = ".github/workflows/comment.yml"
LABEL = "roomctl:allow/"
EFFECTS = ("privacy-widened", "recording-on", "ejects-participants", "billing-changed", "archived", "guard-weakened")
WRITERS = ("admin", "write")
MOST_PLAN = 64 * 1024 * 1024
MOST_COMMITS = 500
# What a plan is made of, beside the state.
PATHS = ("rooms", "roomctl.yaml", "roomctl.yml", "mutes.yaml")


def pull_request(arguments):
    """The open pull request into the default branch whose last commit was planned, as outputs."""
    owner, branch, sha = (os.environ[name] for name in ("HEAD_OWNER", "HEAD_BRANCH", "HEAD_SHA"))
    head = urllib.parse.quote(f"{owner}:{branch}", safe="")
    base = urllib.parse.quote(default_branch(), safe="")
    for one in pages(f"/pulls?state=open&head={head}&base={base}"):
        if one["head"]["sha"] == sha and is_commit(sha):
            allowed, said = permissions(one, sha)
            with open(arguments.notes, "w", encoding="utf-8") as opened:
                opened.writelines(f"> {line}\n" for line in [f"For the commit {sha[:12]}.", *said])
            outputs(number=int(one["number"]), head=sha, args=flags(allowed))
            return
    print("there is no open pull request into the default branch that ends with this commit")


def is_commit(text):
    return re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", text) is not None


def flags(effects):
    return " ".join(f"--allow {effect}" for effect in sorted(effects))


# --- plans


def trusted_plans(number, head):
    """The plans that the trusted workflow made of this commit of a pull request, oldest first."""
    branch, found = default_branch(), []
    for one in pages(f"/actions/artifacts?name=roomctl-plan-{int(number)}-{head}", "artifacts"):
        run = call("GET", f"/actions/runs/{int(one['workflow_run']['id'])}")
        if not one["expired"] and is_trusted(run, branch):
            found.append(one)
    return sorted(found, key=lambda one: one["created_at"])


def is_trusted(run, branch):
    """Whether a run is of our workflow, of this repository, as the default branch has it. In a fork's or another branch's
    run all of these could only be so if GitHub said so."""
    path, _, reference = run["path"].partition("@")
    return (
        path == TRUSTED
        and reference in ("", branch, f"refs/heads/{branch}")
        and run["event"] == "workflow_run"
        and run["head_branch"] == branch
        and run["head_repository"]["full_name"] == REPOSITORY
        and run["repository"]["full_name"] == REPOSITORY
    )


def opened(artifact):
    """The plan and its source. Two names are read, nothing is unpacked."""
    with zipfile.ZipFile(io.BytesIO(download(f"/actions/artifacts/{int(artifact['id'])}/zip"))) as packed:
        plan, source = packed.getinfo("plan.roomctl"), packed.getinfo("source.json")
        if plan.file_size > MOST_PLAN or source.file_size > 4096:
            refuse("a plan is too large")
        return packed.read(plan), json.loads(packed.read(source))


# --- permissions


def permissions(pull, head):
    """The effects that labels of a pull request allow for its commit `head`, and what there is to say about each."""
    labels = [one["name"] for one in pull["labels"] if one["name"].startswith(LABEL)]
    if not labels:
        return set(), []
    plans = trusted_plans(pull["number"], head)
    since = plans[0]["created_at"] if plans else None
    last = {}
    for event in pages(f"/issues/{int(pull['number'])}/events"):
        if event["event"] == "labeled":
            last[event["label"]["name"]] = event
    allowed, said = set(), []
    for label in sorted(labels):
        effect, event = label.removeprefix(LABEL), last.get(label)
        why = doubt(effect, event, since)
        who = plain(event["actor"]["login"], 40) if event else "nobody"
        if why is None:
            allowed.add(effect)
            said.append(f"`{effect}` is allowed by a label that {who} set.")
        else:
            said.append(f"The label for `{plain(effect, 40)}`, set by {who}, does not count: {why}.")
    return allowed, said


def doubt(effect, event, since):
    """Why a label allows nothing, if it does not."""
    if effect not in EFFECTS:
        return "there is no such effect"
    if event is None or since is None or event["created_at"] <= since:
        return "it was set before the last commit was planned; take it off and set it again"
    login = urllib.parse.quote(event["actor"]["login"], safe="")
    answer = call("GET", f"/collaborators/{login}/permission", absent={"permission": "none"})
    if answer["permission"] not in WRITERS:
        return "who set it has no write access"
    return None


# --- what was merged and is not applied yet


def git(*arguments):
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def contains(commit, older):
    """Whether `older` is `commit`, or in its history."""
    return git("merge-base", "--is-ancestor", older, commit)[0] == 0


def merged_since(since, sha):
    """The commits of the default branch that touched what plans are made of, oldest first."""
    if since and not contains(sha, since):
        refuse(f"{since} was applied last, and is not in the history of {sha}: that was rewritten")
    span = [f"{since}..{sha}"] if since else ["-n", "1", sha]
    code, text = git("rev-list", "--first-parent", "--reverse", f"--max-count={MOST_COMMITS + 1}", *span, "--", *PATHS)
    commits = text.split()
    if code != 0 or len(commits) > MOST_COMMITS:
        refuse("the history since the last applied commit cannot be walked")
    return commits


def reviewed_plan(commit, branch):
    """The last plan that was there when the pull request of a commit was merged."""
    for pull in pages(f"/commits/{commit}/pulls"):
        if not pull["merged_at"] or pull["base"]["ref"] != branch:
            continue
        head = pull["head"]["sha"]
        plans = [one for one in trusted_plans(pull["number"], head) if one["created_at"] <= pull["merged_at"]]
        if plans:
            text, source = opened(plans[-1])
            if (source["pull_request"], source["head"]) == (pull["number"], head):
                return {"pull": pull, "head": head, "base": source["base"], "text": text, "commits": [commit]}
    return None


def collect(arguments):
    """Writes the plans that cover all that was merged and not applied, and says what their labels allow."""
    branch = default_branch()
    if os.environ.get("GITHUB_REF") != f"refs/heads/{branch}":
        refuse("only the default branch is applied")
    if arguments.since not in ("", arguments.sha) and contains(arguments.since, arguments.sha):
        print(f"a later commit is applied already: {arguments.since}")
        outputs(behind="yes")
        return
    commits = merged_since(arguments.since, arguments.sha)
    plans = {}
    for commit in commits:
        plan = reviewed_plan(commit, branch)
        if plan is None:
            continue
        number = plan["pull"]["number"]
        if number in plans:
            plans[number]["commits"].append(commit)
        else:
            plans[number] = plan
    uncovered = [one for one in commits if not is_covered(one, plans.values())]
    explain(uncovered, arguments.issue)
    kept = [one for one in plans.values() if not is_superseded(one, plans.values())]
    os.makedirs(arguments.into, exist_ok=True)
    for one in kept:
        with open(os.path.join(arguments.into, f"{one['pull']['number']}.roomctl"), "xb") as file:
            file.write(one["text"])
    outputs(plans=len(kept), args=f"{flags(allowed_for(kept))} {most_changes()}".strip())


def report_of(plan):
    return json.loads(plan["text"])["report"]


def is_covered(commit, plans):
    """A commit is covered by the plan of its own pull request, and by one that was made on top of it."""
    return any(commit in one["commits"] or contains(one["base"], commit) for one in plans)


def is_superseded(plan, plans):
    """Whether another plan was made on top of all that this one was merged as: it shows what was left to do. Not what guards
    were there before: they count until the change that weakens them is applied."""
    if report_of(plan).get("weakened"):
        return False
    later = (one for one in plans if one is not plan)
    return any(all(contains(one["base"], commit) for commit in plan["commits"]) for one in later)


def explain(uncovered, file):
    """What an issue says if the run does not end well. What nobody reviewed may still change nothing, such as a comment
    in a file; roomctl decides."""
    run = f"{os.environ.get('GITHUB_SERVER_URL', '')}/{REPOSITORY}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}"
    text = f"<!-- roomctl:apply -->\nNot all that was merged is applied to the meeting rooms: [the run]({run}) says why.\n\n"
    if uncovered:
        shown = ", ".join(one[:12] for one in uncovered[:20])
        print(f"::warning title=roomctl::no plan was reviewed for {len(uncovered)} commits: {shown}")
        text += (
            f"No plan was reviewed for these commits: {shown}. A pull request that touches a room file has a plan that covers\n"
            "all that was merged before, and is applied when it is merged.\n\n"
        )
    with open(file, "w", encoding="utf-8") as opened_file:
        opened_file.write(text)


def allowed_for(plans):
    """The effects that are allowed: each by a label on every pull request whose plan has it, or by whoever started the
    run by hand."""
    allowed, denied = set(), set()
    for one in plans:
        labelled, said = permissions(one["pull"], one["head"])
        for line in said:
            print(f"::notice title=roomctl, pull request {one['pull']['number']}::{plain(line)}")
        report = report_of(one)
        shown = {effect for change in report["changes"] for effect in change["effects"]}
        if report.get("weakened"):
            shown.add("guard-weakened")
        allowed |= labelled & shown
        denied |= shown - labelled
    by_hand = set(os.environ.get("ALLOW", "").split())
    if not by_hand <= set(EFFECTS):
        refuse(f"the effects are {', '.join(EFFECTS)}")
    return (allowed - denied) | by_hand


def most_changes():
    """What whoever started the run by hand says of the most changes at once."""
    most = os.environ.get("MAX_CHANGES", "")
    if not re.fullmatch("([0-9]{1,6}%?)?", most):
        refuse("the most changes are a number or a percentage")
    return f"--max-changes {most}" if most else ""


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("pull-request")
    one.add_argument("--notes", required=True)
    one.set_defaults(run=pull_request)
    one = commands.add_parser("collect")
    one.add_argument("--sha", required=True)
    one.add_argument("--since", default="")
    one.add_argument("--into", required=True)
    one.add_argument("--issue", required=True)
    one.set_defaults(run=collect)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
