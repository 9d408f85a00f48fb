"""What was reviewed, and by whom it may go further.

A plan counts only if comment.yml of the default branch made it. Anybody may upload an artifact of any name from a pull
request, so each is held against the run that it comes from: which workflow, of which repository, on which branch, for
which event. Whatever comment.yml showed last counts, and nothing that it showed before of another commit: what is merged has to
be that. A label counts only if somebody with write access set it after that, for what was shown then.

Guards that forbid less than at the base, which is the last commit that a run went by (`state.sh base`), are held against the
plans as well: they decide what the rest may do."""

import argparse
import functools
import io
import itertools
import json
import os
import re
import resource
import secrets
import subprocess
import sys
import urllib.parse
import zipfile

from github import call, comment, default_branch, download, git_at, inert, is_sealed, keep, kept, may_write, outputs, pages, plain, refuse, standing, surroundings, REPOSITORY, TooMany

TRUSTED = ".github/workflows/comment.yml"
LABEL = "roomctl:allow/"
EFFECTS = ("privacy-widened", "recording-on", "ejects-participants", "billing-changed", "archived", "guard-weakened")
MOST_PLAN = 64 * 1024 * 1024
MOST_COMMITS = 500
# Of what git lists for one commit: memory, and seconds of the processor.
MOST_LISTED, MOST_SECONDS = 128 * 1024 * 1024, 10
EVERYTHING = "more than can be listed"
# Of an issue, which has a report behind that.
MOST_SAID = 5_000
# What is said of another state that runs go by: as state.sh.
KEPT = re.compile("another state is believed: `[^`]*` → `((s3|az|gs)://[A-Za-z0-9._/-]+|\\.roomctl/state\\.json)`")
# Where guards are, and all that a plan is made of, beside the state.
GUARDS = ("roomctl.yaml", "roomctl.yml", "mutes.yaml")
PATHS = ("rooms", *GUARDS)
ACTION = ".github/actions/roomctl"
NEXT = (
    "\nPerhaps nobody was told: for a commit that says `[skip ci]` GitHub starts no workflow. Start apply.yml by hand (*Actions*, *apply*,\n"
    "*Run workflow*): it applies what reviewed plans show, and an issue says what none of them shows. Or revert these commits.\n\n"
)


def pull_request(arguments):
    """The open pull request into the default branch whose last commit was planned, as outputs."""
    owner, branch, sha = (os.environ[name] for name in ("HEAD_OWNER", "HEAD_BRANCH", "HEAD_SHA"))
    head = urllib.parse.quote(f"{owner}:{branch}", safe="")
    base = urllib.parse.quote(default_branch(), safe="")
    for one in pages(f"/pulls?state=open&head={head}&base={base}"):
        if one["head"]["sha"] == sha and is_commit(sha):
            allowed, said = permissions(one, functools.partial(shown_of, one["number"], sha))
            with open(arguments.notes, "w", encoding="utf-8") as opened:
                opened.writelines(f"> {line}\n" for line in [f"For the commit {sha[:12]}.", *said])
            keep(arguments.source, pull_request=one["number"], head=sha, **noted(one["number"], sha))
            outputs(number=int(one["number"]), head=sha, args=flags(allowed))
            return
    print("there is no open pull request into the default branch that ends with this commit")


def is_commit(text):
    return re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", text) is not None


def flags(effects):
    return " ".join(f"--allow {effect}" for effect in sorted(effects))


# --- plans


SHOWN = {}


def shown(number):
    """What the trusted workflow showed of a pull request, newest first: each time its plan, or that there is none. Each page of it is asked
    for once."""
    known, more = SHOWN.setdefault(number, ([], looked_up(number)))
    for at in itertools.count():
        if at == len(known):
            one = next(more, None)
            if one is None:
                return
            known.append(one)
        yield known[at]


def looked_up(number):
    branch = default_branch()
    for one in pages(f"/actions/artifacts?name=roomctl-plan-{int(number)}", "artifacts", newest=True):
        # However many a fork uploads under that name, none of them costs a question of its own.
        if is_of_branch(one["workflow_run"], branch):
            run = call("GET", f"/actions/runs/{int(one['workflow_run']['id'])}")
            if is_trusted(run, branch):
                yield {**one, "run": run}


def shown_of(number, head, until=None):
    """What was shown of this commit since another was shown, newest first; nothing if the last, up to a moment, was another."""
    for one in shown(number):
        if until is not None and one["created_at"] > until:
            continue
        source = source_of(one)
        if (source.get("pull_request"), source.get("head")) != (number, head):
            return
        of_source = {name: source.get(name) for name in ("base", "comment", "unbroken")}
        yield {"at": one["created_at"], "text": opened(one["id"], "plan.roomctl", MOST_PLAN), "run": one["run"], **of_source}


@functools.cache
def shown_last(number, head, until):
    return next(shown_of(number, head, until), None)


def noted(number, head):
    """What our comment was when it was written last, whether it was never another meanwhile, and whether it was never written for this
    commit. What cannot be read any more says neither."""
    last = next(shown(number), None)
    source = source_of(last) if last else {"anew": True}
    anew = source.get("anew") is True or source.get("head") not in (None, head)
    return {"comment": source.get("comment"), "unbroken": source.get("unbroken") is True, "anew": anew}


def is_outdated(plan, sha):
    """Whether a plan was made with code or guards older than those of the commit that it was made on top of. GitHub starts a run with
    the commit that the default branch was at the event, however long the run waits and whenever it is started again."""
    of_run, base = plan["run"]["head_sha"], plan["base"]
    return not contains(sha, of_run) or not contains(of_run, base) and differs(of_run, base, (TRUSTED, ACTION, *GUARDS))


def is_of_branch(run, branch):
    """Whether the run of an artifact was on this branch of this repository, as far as the list of artifacts says."""
    head, own = run.get("head_repository_id"), run.get("repository_id")
    return run.get("head_branch", branch) == branch and (head is None or own is None or head == own)


def is_trusted(run, branch):
    """Whether a run is of our workflow, of this repository, as the default branch has it. In a fork's or another branch's
    run all of these could only be so if GitHub said so."""
    path, _, reference = run["path"].partition("@")
    return (
        path == TRUSTED
        and reference in ("", branch, f"refs/heads/{branch}")
        and run["event"] == "workflow_run"
        and run["head_branch"] == branch
        and (run["head_repository"] or {}).get("full_name") == REPOSITORY
        and run["repository"]["full_name"] == REPOSITORY
    )


def source_of(artifact):
    return {} if artifact["expired"] else json.loads(opened(artifact["id"], "source.json", 4096) or "{}")


def opened(artifact, name, most):
    """One file of an artifact, if it is there. Nothing is unpacked."""
    with zipfile.ZipFile(io.BytesIO(packed(artifact))) as files:
        if name not in files.namelist():
            return None
        if files.getinfo(name).file_size > most:
            refuse("a plan is too large")
        return files.read(name)


@functools.cache
def packed(artifact):
    return download(f"/actions/artifacts/{int(artifact)}/zip")


def report_of(plan):
    return json.loads(plan["text"])["report"]


def bearing(plan, effect):
    """What of a plan has this effect, each in a form that moves when it does."""
    report = report_of(plan)
    if effect == "guard-weakened":
        return guards_in(report)
    return {(one["room"], one["action"], one["digest"]) for one in report["changes"] if effect in one["effects"]}


def guards_in(report):
    """The guards that are weaker, each with how."""
    return {(one["what"], one["message"]) for one in report.get("weakened", [])}


def comment_plan(arguments):
    """Writes the comment with a plan. A plan says more than before when it was made again after something was merged and not applied: a label
    has that done, and a push that leaves the difference as it was, and neither dismisses an approval."""
    text = None
    if arguments.plan:
        with open(arguments.plan, "rb") as opened_file:
            text = opened_file.read()
    said = all_said(text)
    newest = kept(arguments.source).get("comment")
    comment(arguments, lambda moment: said <= shown_at(arguments.pull_request, newest, moment))


def shown_at(number, newest, moment):
    """All that the comment showed at a moment; of one that could not be written again, what it still showed. Each plan says what the comment was
    before it: nothing, if one of them is not there, since what it showed then, nobody knows."""
    seen, expected = None, newest
    for one in shown(number):
        source = source_of(one)
        noted_then = source.get("comment")
        if noted_then != expected:
            return set()
        expected = source.get("before", noted_then)
        if seen is None and noted_then and noted_then["updated_at"] <= moment:
            seen = noted_then
        if seen is not None and noted_then != seen:
            break
        text = opened(one["id"], "plan.roomctl", MOST_PLAN) if seen else None
        if text:
            return all_said(text)
    return set()


def all_said(text):
    """What a plan does to each room and guard, each in a form that moves when it does."""
    report = report_of({"text": text}) if text else {}
    return {(one["room"], one["action"], one["digest"]) for one in report.get("changes", [])} | guards_in(report)


# --- permissions


def permissions(pull, shown):
    """The effects that labels of a pull request allow of what was shown of it last, and what there is to say about each, which
    is short however many there are. What `shown` gives out is read as far as a label is old."""
    named = [one["name"].removeprefix(LABEL) for one in pull["labels"] if one["name"].startswith(LABEL)]
    labels = sorted({*named} & {*EFFECTS})
    others = len(named) - len(labels)
    said = [f"{others} labels do not count: there are no such effects."] if others else []
    if not labels:
        return set(), said
    last = {}
    try:
        for event in pages(f"/issues/{int(pull['number'])}/events"):
            if event["event"] == "labeled":
                last[event["label"]["name"]] = event
    except TooMany as why:
        return set(), [*said, f"No label counts: {why}. Another pull request has none yet."]
    allowed = set()
    for effect in labels:
        event = last.get(LABEL + effect)
        why = doubt(effect, event, shown)
        who = plain(event["actor"]["login"], 40) if event and event["actor"] else "nobody"
        if why is None:
            allowed.add(effect)
            said.append(f"`{effect}` is allowed by a label that {who} set, for what was shown then.")
        else:
            said.append(f"The label for `{effect}`, set by {who}, does not count: {why}.")
    return allowed, said


def doubt(effect, event, shown):
    """Why a label allows nothing, if it does not."""
    plans = shown() if event is not None else iter(())
    now = seen = next(plans, None)
    while seen is not None and seen["at"] >= event["created_at"]:
        seen = next(plans, None)
    if seen is None or seen["text"] is None:
        return "it was set before the last commit was planned; take it off and set it again"
    # The label itself starts a new plan: it may show less, and not more.
    if now["text"] is not None and not bearing(now, effect) <= bearing(seen, effect):
        return "the plan shows more since it was set; take it off and set it again"
    if event["actor"] is None:
        return "the account that set it is gone"
    if not may_write(event["actor"]["login"]):
        return "who set it has no write access"
    return None


# --- what was merged and is not applied yet


def git(*arguments, fine=(0,), given=""):
    """How git ended, and what it said. One that fails or is killed ends the run: what it did not say is not nothing."""
    # A path may be any bytes, which are kept as they are.
    done = subprocess.run(git_at(".", *arguments), input=os.fsencode(given), env=surroundings(), capture_output=True, check=False)
    if done.returncode not in fine:
        quote(done.stderr.decode(errors="replace"))
        refuse(f"git {arguments[0]} ended with {done.returncode}")
    return done.returncode, os.fsdecode(done.stdout)


def contains(commit, older):
    """Whether `older` is `commit`, or in its history."""
    # What was put back or rewritten need not be here at all.
    if any(git("cat-file", "-e", one, fine=(0, 1))[0] for one in (commit, older)):
        return False
    return git("merge-base", "--is-ancestor", older, commit, fine=(0, 1))[0] == 0


def merged_since(since, sha):
    """The commits of the default branch that touched what plans are made of, oldest first."""
    # The oldest one stands for all before it: a plan that was made on top of it was made on top of those, too.
    return touching(PATHS, since, sha)[-MOST_COMMITS - 1:]


def touching(paths, since, sha):
    """All commits of the default branch since another that touched these files, oldest first."""
    # As long as nothing is applied, none of it is: that a run was refused makes nothing reviewed.
    _, text = git("rev-list", "--first-parent", "--parents", "--reverse", f"{since}..{sha}" if since else sha)
    # Each with its first parent. No directory is walked: one that holds itself many times has no end.
    pairs = "".join(" ".join(line.split()[:2]) + "\n" for line in text.splitlines())
    _, text = git("diff-tree", "--stdin", "--root", "--name-only", "--", *paths, given=pairs)
    return [line for line in text.splitlines() if is_commit(line)]


def differs(before, after, paths=PATHS):
    """Whether these files are others at a commit than at another."""
    return git("diff-tree", "--quiet", before, after, "--", *paths, fine=(0, 1))[0] == 1


def unapplied(arguments):
    """Puts the files of the base where a check reads them, and says what was merged since: it may have started no workflow,
    and then nobody was shown what it does, least of all to the guards and mutes that a check believes."""
    base, sha = arguments.base, arguments.sha
    commits, is_back = [], not contains(sha, base)
    if not is_back and differs(base, sha):
        # What first parents do not lead to came with the last one.
        commits = merged_since(base, sha) or [sha]
    text = "<!-- roomctl:drift -->\n"
    if is_back:
        text += f"### Applied, and gone from the default branch\n\n{put_back(base)}.\n\n"
        print(f"::warning title=roomctl::{put_back(base)}")
    if commits:
        text += "### Merged, and not applied\n\n" + "".join(map(moved_by, commits[-10:])) + NEXT
        print(f"::warning title=roomctl::{len(commits)} commits are merged and not applied, the last {commits[-1]}")
    with open(arguments.issue, "w", encoding="utf-8") as opened_file:
        opened_file.write(text + f"Compared with the files of `{base[:12]}`, whose guards and mutes count.\n\n")
    git("worktree", "add", "-q", "--detach", arguments.into, base)
    os.chdir(arguments.into)
    as_committed(arguments.issue)
    outputs(commit=base, merged=len(commits) + is_back)


def put_back(applied):
    return f"{applied} was applied, and is no longer in the history of the default branch, which was put back or rewritten: docs/github.md says the way out"


def moved_by(commit):
    """A line about what a commit moved."""
    files = sorted(files_of(commit))
    more = f" and {len(files) - 5} more" if len(files) > 5 else ""
    return f"- `{commit[:12]}`: " + ", ".join(f"`{plain(file, 60)}`" for file in files[:5]) + more + "\n"


def as_committed(issue):
    """Ends the run if a checkout wrote files otherwise than they are committed, which attributes of git can ask for where the
    directory was there before the job: what was planned and compared is what is committed."""
    _, text = git("ls-files", "-s", "-z", "--", *PATHS, ACTION)
    listed = (entry.split("\t", 1) for entry in text.split("\0") if entry.startswith("100"))
    blobs = {path: head.split()[1] for head, path in listed}
    if any("\n" in path for path in blobs):
        refuse("a path holds the end of a line")
    code, text = git("hash-object", "--no-filters", "--stdin-paths", given="\n".join(blobs), fine=(0, 128))
    written = text.split()
    if code != 0 or len(written) != len(blobs):
        refuse("the checkout lacks files that are committed")
    for (path, blob), now in zip(blobs.items(), written):
        if blob != now:
            stop(f"the checkout wrote {plain(path)} otherwise than it is committed: see .gitattributes", issue)


def stop(why, issue):
    """Ends the run, and the issue says why."""
    with open(issue, "a", encoding="utf-8") as opened_file:
        opened_file.write(f"It stopped: {why}.\n\n")
    refuse(why)


@functools.cache
def own_commits(sha):
    """What the default branch was, each time. What was merged into it is in its history as well, and may be anything."""
    return frozenset(git("rev-list", "--first-parent", sha)[1].split())


def reviewed_plan(commit, branch, sha):
    """The plan of the commit of a pull request that was merged, if it is what was shown last until then, and is shown still. That has to be
    so of each that was merged with this commit: nobody knows which one was read and approved."""
    found = None
    warn = lambda pull, why: print(f"::warning title=roomctl::the plan of pull request {int(pull['number'])} does not count: {why}")
    for pull in pages(f"/commits/{commit}/pulls"):
        if not pull["merged_at"] or pull["base"]["ref"] != branch:
            continue
        about = pull["number"], pull["head"]["sha"], pull["merged_at"]
        last = shown_last(*about)
        now = shown_last(*about[:2], None) or last
        why = objection(last, now, sha) or disagreement(pull["number"], now)
        if not why and found and (said_by(found), found["base"]) != (said_by(last), last["base"]):
            why = f"it is not the one of pull request {int(found['pull']['number'])}, which was merged with the same commit"
        if why:
            warn(pull, why)
            return None
        if found:
            # What one of them allows, whoever approved another one has not seen.
            both = {one["name"] for one in pull["labels"]}
            found["pull"] = {**found["pull"], "labels": [one for one in found["pull"]["labels"] if one["name"] in both]}
        found = found or {"pull": pull, "shown": functools.partial(shown_of, *about), **last, "commits": [commit]}
    return found


def objection(last, now, sha):
    """Why what was shown last when a pull request was merged does not count, if it does not. What is shown now may have been made in the
    midst of that, as for a label: then it has to say the same."""
    if last is None or last["text"] is None:
        return "there is none"
    each = [last] if now["comment"] == last["comment"] else [last, now]
    if not now["unbroken"]:
        return "its comment was edited or deleted before comment.yml wrote it again, or shows more than one of its approvals was given to, and only another push would have lifted that"
    if not is_sealed(now["comment"]) or any(said_by(one) != said_by(last) for one in each):
        return "its comment is gone, or was edited after comment.yml wrote it"
    if any(one["base"] not in own_commits(sha) for one in each):
        return "it was made on top of a commit that is not of the default branch"
    if any(is_outdated(one, sha) for one in each):
        return "a run of comment.yml that waited, or was started again, made it with code or guards of before"
    return None


def disagreement(number, now):
    """Why an approval that counts by now, and did not when the plan was written, is of something else, if so: its author may write since."""
    said = all_said(now["text"])
    approvals = standing(number, now["comment"]["updated_at"])
    if all(said <= shown_at(number, now["comment"], one["submitted_at"]) for one in approvals):
        return None
    return "it shows more than one of its approvals was given to"


def said_by(plan):
    report = report_of(plan) if plan["text"] else {}
    return report.get("changes"), report.get("weakened")


# --- guards


def weaker(base, proposed=None):
    """The guards that forbid less than at a commit: here, or at another one."""
    command = ["roomctl", "plan", "--format", "json", "--base", base]
    # Guards are of the configuration: no state is asked, least of all one that came with the checkout.
    command += ["--state", os.path.join(os.environ["RUNNER_TEMP"], "roomctl-no-state", "state.json")]
    command += ["--proposed", proposed] if proposed else []
    alone = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(command, env=alone, capture_output=True, check=False)
    if done.returncode != 0:
        quote(done.stderr.decode(errors="replace"))
        sys.exit(done.returncode)
    return guards_in(json.loads(done.stdout))


def quote(text):
    """Prints what was merged, which could look like a command of the workflow."""
    stop = secrets.token_hex(16)
    print(f"::stop-commands::{stop}\n{text}\n::{stop}::", flush=True)


def unreviewed_guards(base, sha, plans):
    """The guards that are weaker here than before a commit whose own reviewed plan does not say so. A plan that was made on
    top says nothing of it: its base was the weaker one."""
    # Last, what was merged as a whole: its first parents need not lead to the base.
    commits, found, before = [*touching(GUARDS, base, sha), sha], set(), base
    own = {commit: one for one in plans for commit in one["commits"]}
    unread = False
    for commit, following in zip(commits, [*commits[1:], None]):
        plan = own.get(commit)
        # The commits of one pull request are one step.
        if plan is not None and own.get(following) is plan:
            continue
        if not differs(before, commit, GUARDS):
            unread = False
            continue
        new = weaker(before, commit)
        # The guards that were there before a configuration that nobody can read, or that no run goes by, count until there is another.
        unread = any(what in ("configuration", "rooms") or what == "state" and not KEPT.fullmatch(words) for what, words in new)
        if unread:
            continue
        new -= guards_in(report_of(plan)) if plan else set()
        still = {what for what, _ in weaker(before)} if new else set()
        found |= {one for one in new if one[0] in still}
        before = commit
    return found | ({("configuration", "what it forbids cannot be compared")} if unread else set())


def refuse_weaker(guards, file):
    """Ends the run if guards are weaker that nobody reviewed, unless whoever started it by hand allows that."""
    if not guards:
        return
    print(f"::warning title=roomctl::{len(guards)} guards are weaker, and in no reviewed plan")
    lines = [f"{what}: {words}\n" for what, words in sorted(guards)]
    quote("".join(lines))
    if "guard-weakened" in os.environ.get("ALLOW", "").split():
        return
    with open(file, "a", encoding="utf-8") as opened_file:
        opened_file.write("These guards forbid less, and no reviewed plan said so:\n\n")
        said = "".join(f"- {inert(line)}\n" for line in lines)
        opened_file.write(said if len(said) <= MOST_SAID else f"{len(lines)}, too long to be shown here: the log has them.\n")
        opened_file.write("\nPut them back, or start apply.yml by hand and allow `guard-weakened`.\n")
    refuse("guard-weakened: no reviewed plan says which guards forbid less")


def collect(arguments):
    """Writes the plans that cover all that was merged and not applied, and says what their labels allow."""
    branch = default_branch()
    if os.environ.get("GITHUB_REF") != f"refs/heads/{branch}":
        refuse("only the default branch is applied")
    base, since, head = arguments.base, arguments.since, arguments.head
    explain([], arguments.issue)
    for one in filter(None, (since, base)):
        if not contains(head, one):
            stop(put_back(one), arguments.issue)
    later = later_than(arguments.sha, base, head)
    if later:
        print(f"::warning title=roomctl::{later}")
        outputs(done="yes")
        return
    as_committed(arguments.issue)
    commits = merged_since(since, arguments.sha)
    if os.environ.get("GITHUB_EVENT_NAME") == "push" and since and not commits and not differs(since, arguments.sha):
        print("nothing that concerns rooms was pushed")
        outputs(done="yes")
        return
    plans = {}
    for commit in reversed(commits):
        # The newest first: of what one was made on top of, only guards are asked for.
        if is_covered(commit, plans.values()) and not files_of(commit) & {*GUARDS, EVERYTHING}:
            continue
        plan = reviewed_plan(commit, branch, arguments.sha)
        if plan is None:
            continue
        number = plan["pull"]["number"]
        if number in plans:
            plans[number]["commits"].append(commit)
        else:
            plans[number] = plan
    uncovered = [one for one in commits if not is_covered(one, plans.values())]
    explain(uncovered, arguments.issue)
    refuse_weaker(unreviewed_guards(base, arguments.sha, plans.values()), arguments.issue)
    kept = [one for one in plans.values() if not is_over(one, plans.values(), uncovered)]
    # The guards that were there before count until a run went by the change that weakens them.
    guarding = [one for one in plans.values() if not all(contains(base, commit) for commit in one["commits"])]
    guarding = [one for one in guarding if one in kept or report_of(one).get("weakened")]
    for folder, some in ((arguments.into, kept), (os.path.join(arguments.into, "guards"), guarding)):
        os.makedirs(folder, exist_ok=True)
        for one in some:
            with open(os.path.join(folder, f"{one['pull']['number']}.roomctl"), "xb") as file:
                file.write(one["text"])
    outputs(plans=len(kept), args=f"{flags(allowed_for(kept, guarding))} {most_changes()}".strip())


def later_than(sha, base, head):
    """Why a commit is not applied any more, if it is not: what it did may have been undone since, and nobody has to look at
    the run of an older one that waited for approval, or was started again."""
    if base != sha and contains(base, sha):
        return f"a later commit is applied already: {base}"
    if not contains(head, sha) or differs(sha, head):
        return f"a later commit is on its way: {head}"
    return None


def is_covered(commit, plans):
    """A commit is covered by the plan of its own pull request, and by one that was made on top of it."""
    return any(commit in one["commits"] or contains(one["base"], commit) for one in plans)


def is_over(plan, plans, uncovered):
    """Whether what a plan shows is not what is left to do: another was made on top of all that this one was merged as, or
    something that nobody reviewed came later and touched the same files. What was undone in between is not done again by it."""
    later = (one for one in plans if one is not plan)
    if any(all(contains(one["base"], commit) for commit in plan["commits"]) for one in later):
        return True
    own = {file for commit in plan["commits"] for file in files_of(commit)}
    after = (one for one in uncovered if all(contains(one, commit) for commit in plan["commits"]))
    return any(EVERYTHING in own or own & files or not files <= own and moves_many(files) for files in map(files_of, after))


@functools.cache
def files_of(commit):
    """What of all that plans are made of a commit of the default branch moved; `EVERYTHING` if that cannot be listed."""
    command = git_at(".", "show", "--first-parent", "-m", "--no-renames", "--format=", "--name-only", "-z", commit, "--", *PATHS)
    done = subprocess.run(command, env=surroundings(), stdout=subprocess.PIPE, preexec_fn=bound, check=False)
    if done.returncode != 0:
        print(f"::warning title=roomctl::what {commit} moved cannot be listed, and counts as everything: docs/github.md says the way out")
        return {EVERYTHING}
    return {file for file in os.fsdecode(done.stdout).split("\0") if file}


def bound():
    """Before git lists what may have no end, all of which it keeps in memory."""
    for limit, most in ((resource.RLIMIT_DATA, MOST_LISTED), (resource.RLIMIT_CPU, MOST_SECONDS)):
        most = min([most, *(one for one in resource.getrlimit(limit) if one != resource.RLIM_INFINITY)])
        resource.setrlimit(limit, (most, most))


def moves_many(files):
    """Whether one of them is about rooms of other files."""
    return any(file in (*GUARDS, EVERYTHING) or file.split("/")[-1].startswith("_defaults.") for file in files)


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


def allowed_for(plans, guarding):
    """The effects that are allowed: each by a label on every pull request whose plan has it, or by whoever started the
    run by hand. That guards are weaker is asked of those whose guards count, and nothing else of those that are over."""
    allowed, denied = set(), set()
    for one in [*plans, *(one for one in guarding if one not in plans)]:
        labelled, said = permissions(one["pull"], one["shown"])
        for line in said:
            print(f"::notice title=roomctl, pull request {one['pull']['number']}::{plain(line)}")
        report = report_of(one)
        shown = {effect for change in report["changes"] for effect in change["effects"]} if one in plans else set()
        if one in guarding and report.get("weakened"):
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
    one.add_argument("--source", required=True)
    one.set_defaults(run=pull_request)
    one = commands.add_parser("comment")
    for option in ("--file", "--notes", "--source", "--head"):
        one.add_argument(option, required=True)
    one.add_argument("--pull-request", type=int, required=True)
    one.add_argument("--plan", help="nothing where none is kept")
    one.set_defaults(run=comment_plan)
    for name, run in (("collect", collect), ("unapplied", unapplied)):
        one = commands.add_parser(name)
        one.add_argument("--since", default="")
        one.add_argument("--head", default="")
        for option in ("--base", "--sha", "--into", "--issue"):
            one.add_argument(option, required=True)
        one.set_defaults(run=run)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
