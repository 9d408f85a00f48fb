"""The whole way of a change, with the workflows' own shell code: a pull request is planned and commented, merged, and
applied as it was reviewed; somebody moves a room by hand, the drift check opens an issue; the room is put back, and the
issue is closed. Then strangers attack it, see attacks.py. At the end nothing that was left behind holds a secret.

    python3 tests/rehearsal/rehearse.py target/debug/roomctl [PART OF AN ATTACK'S NAME]

Needs git and PyYAML. Everything happens in a temporary directory and on loopback."""

import json
import multiprocessing
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import attacks
from loopback import KEY, ROOT, check, git, serve, step
from stage import Stage

sys.path.append(str(ROOT / "tests/remote"))
import google  # noqa: E402 our stand-in for Google Cloud Storage


def a_change_is_planned_and_applied(s):
    step("a pull request is planned without a secret, and commented once")
    hook = "meetingEndedWebhook: https://hooks.example.com/${env:ROOM_TICKETS_TOKEN}\n"
    pull = s.pull_request({"rooms/tea.yaml": "maxParticipants: 5\n", "rooms/board.yaml": hook})
    check(s.first and s.commented, s.runner.log)
    check("**2** to add" in s.comment_of(pull) and "this change" in s.comment_of(pull), s.comment_of(pull))

    step("merged, it is applied as it was reviewed, and the branch of the state says up to where")
    sha = s.merge(pull)
    check(s.apply(sha), s.runner.log)
    check(s.report()["summary"]["confirmed"] == 2, s.report())
    check('"tea"' in s.state() and "canary" not in s.state(), s.state())
    check(s.state("applied") == sha, s.state("applied"))

    step("the action by itself, in a workflow that may comment, keeps one of its own beside that")
    pull = s.pull_request({"rooms/tea.yaml": "maxParticipants: 5\nprivacy: public\n"})
    check("privacy-widened" in s.comment_of(pull), s.comment_of(pull))
    given = {"command": "plan", "comment": "true", "state": "roomctl-state", "github-token": s.run.token}
    for _ in range(2):
        outputs = s.runner.action(pull["head"]["sha"], {"pull_request.number": pull["number"]}, given)
    check(s.hub.comments[-1]["edited"] and len(s.hub.comments) == 3 and "edited" not in s.comment_on(pull), s.hub.comments)
    expected = {"changes": "1", "drift": "0", "pending": "0", "effects": "privacy-widened", "exitcode": "0"}
    check({name: outputs[name] for name in expected} == expected, outputs)
    check(all(Path(outputs[name]).is_file() for name in ("plan-file", "report", "markdown", "html")), outputs)
    check(s.apply(s.merge(pull)), s.runner.log)


def several_merges_are_applied_by_the_last_run(s):
    step("of three quick merges the last run applies all, also from plans that knew nothing of each other")
    pulls = [s.pull_request({f"rooms/quick-{n}.yaml": f"maxParticipants: {n}\n"}) for n in (2, 3, 4)]
    shas = [s.merge(pull) for pull in pulls]
    # GitHub cancels the runs of the first two, which wait.
    check(s.apply(shas[2]), s.runner.log)
    check(all(s.room(f"quick-{n}") for n in (2, 3, 4)), s.runner.log)
    check(s.state("applied") == shas[2], s.state("applied"))
    before = s.state()
    check(s.apply(shas[0]) and "is applied already" in s.runner.log and s.state() == before, "what is older is not applied over it")


def drift_is_an_issue(s):
    step("a room that is moved by hand opens an issue, which is kept up to date")
    check(s.drift() and s.hub.issues == [], s.hub.issues)
    s.by_hand("tea", '{"privacy": "private"}')
    check(s.drift() and s.drift(), s.runner.log)
    (issue,) = [one for one in s.hub.issues if one["labels"] == ["roomctl-drift"]]
    check(issue["state"] == "open" and "<code>tea</code> drifted" in issue["body"], issue)

    step("put back, the issue is closed")
    git("-C", s.clone, "checkout", "-q", "main")
    s.with_state("apply", "--drift-only", "--yes")
    check(s.drift() and issue["state"] == "closed", issue)

    step("rooms that wait for an apply are an issue, too")
    pull = s.pull_request({"rooms/tea.yaml": "maxParticipants: 9\nprivacy: public\n"})
    sha = s.merge(pull)
    check(s.drift(), s.runner.log)
    issue = s.hub.issues[-1]
    check(issue["state"] == "open" and f"`{sha[:12]}`: `rooms/tea.yaml`" in issue["body"], issue)
    check(s.apply(sha) and s.drift() and issue["state"] == "closed", s.runner.log)

    step("a push that concerns no room is seen, and ends before anything is asked for with the key")
    sha = s.straight_to_main({"README.md": "Rooms\n"})
    check(s.apply(sha) and "nothing that concerns rooms" in s.run.log() and s.state("applied") != sha, s.run.log())
    check(s.drift() and issue["state"] == "closed" and s.hub.issues[-1] is issue, s.hub.issues)


def a_change_in_the_dashboard_is_a_pull_request(s):
    step("what was changed by hand becomes a pull request where that is asked for, one that is kept up to date")
    secrets = {"METERED_SECRET_KEY": KEY}
    ran, _ = s.runner.job("drift.yml", s.main(), {"event": "schedule"}, {}, secrets, "adopt")
    check(ran is None, "nobody asked for it")
    s.by_hand("tea", '{"maxParticipants": 7}')
    s.by_hand("board", '{"meetingEndedWebhook": "https://hooks.example.com/of-somebody-else"}')
    # Somebody's own, from the same branch into another.
    s.hub.pulls.append({"number": 999, "state": "open", "head": {"label": "acme:roomctl-adopt"}, "base": {"ref": "other"}, "merged_at": None, "commits": {}})
    theirs = [pull for pull in s.hub.pulls if pull["number"] < 1000]
    tip = lambda: git("-C", s.origin, "rev-parse", "roomctl-adopt")
    check(s.adopt(), s.runner.log)
    first = tip()
    check(s.adopt() and tip() == first, "the same again is no other commit")
    (pull,) = [pull for pull in s.hub.pulls if pull not in theirs]
    check(pull["state"] == "open" and pull["base"] == {"ref": "main"} and "/actions/runs/" in pull["body"], pull)
    check(git("-C", s.origin, "rev-parse", "roomctl-adopt^") == s.main(), "it is on top of the default branch")
    moved = git("-C", s.origin, "diff", "--unified=0", "main", "roomctl-adopt")
    check([line for line in moved.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")]
          == ["-maxParticipants: 9", "+maxParticipants: 7"], moved)

    step("moved again, its branch follows; put back, it is closed")
    s.by_hand("tea", '{"maxParticipants": 6}')
    check(s.adopt() and tip() != first, s.runner.log)
    s.by_hand("tea", '{"maxParticipants": 9}')
    git("-C", s.clone, "checkout", "-q", "main")
    s.with_state("apply", "--drift-only", "--yes")
    check(s.adopt() and pull["state"] == "closed", pull)


def a_state_in_an_object_store(program, work):
    """The same way, where roomctl.yaml names an object as the state: the branch has the commits alone. And a move there."""
    s = Stage(program, work)
    try:
        _, store = serve(google.Handler)
        account = {"gcs_base_url": store, "disable_oauth": True, "client_email": "", "private_key": "canary-store", "private_key_id": ""}
        credentials = f"GOOGLE_BASE_URL={store}\nGOOGLE_SERVICE_ACCOUNT_KEY={json.dumps(account)}\n"
        s.begin()
        kept = lambda: set(git("-C", s.origin, "ls-tree", "--name-only", "roomctl-state").split())
        objects = lambda: {key: data.decode() for key, (data, _) in google.OBJECTS.items()}

        step("who names an object store before the state is there has nothing applied that nobody saw, and the branch keeps what it had")
        check(s.apply(s.merge(s.pull_request({"rooms/tea.yaml": "maxParticipants: 5\n"}))), s.runner.log)
        s.credentials = credentials
        pull = s.pull_request({"roomctl.yaml": f"app: acme\nbase_url: {s.service}\nstate: gs://rooms/state.json\n"})
        check("another state is believed" in s.comment_of(pull), s.comment_of(pull))
        sha = s.merge(pull)
        check(not s.apply(sha) and "covered by no reviewed plan" in s.run.log() and "state.json" in kept(), s.run.log())

        step("when it is, the run goes by it, and only commits are left on the branch")
        s.write(".roomctl/state.json", s.state() + "\n")
        environment = {**s.plain, **dict(line.split("=", 1) for line in credentials.splitlines())}
        moved = s.by_itself(s.clone, "--state", ".roomctl/state.json", "state", "migrate", "gs://rooms/state.json", environment=environment)
        shutil.rmtree(s.clone / ".roomctl")
        check(moved.returncode == 0 and '"tea"' in objects()["/rooms/state.json"], moved.stderr)
        check(s.apply(sha) and kept() == {"applied", "base"} and s.state("applied") == sha, s.run.log())

        step("from then on each pull request is planned against it; who has no credentials sees the files looked at")
        pull = s.pull_request({"rooms/tea.yaml": "maxParticipants: 6\n"})
        check(s.first and "no credentials" in s.runner.log, s.runner.log)
        check("**1** to update" in s.comment_of(pull), s.comment_of(pull))
        sha = s.merge(pull)
        check(s.apply(sha) and s.state("applied") == sha and kept() == {"applied", "base"}, s.runner.log)
        check(set(objects()) == {"/rooms/state.json", "/rooms/state.json.lock"} and ": 6" in objects()["/rooms/state.json"], objects())
        s.by_hand("tea", '{"privacy": "public"}')
        check(s.drift() and s.hub.issues[-1]["state"] == "open", s.hub.issues)

        step("a store that cannot be asked ends the run with 7, and leaves what was applied as it was")
        s.credentials = credentials.replace("GOOGLE_BASE_URL=", "GOOGLE_BASE_URL=http://127.0.0.1:9/")
        later = s.merge(s.pull_request({"rooms/tea.yaml": "maxParticipants: 7\n"}))
        check(not s.apply(later) and s.state("applied") == sha, s.runner.log)
        s.no_secret_is_left("canary-store")
    finally:
        s.end()


def named(parts):
    return [one for one in attacks.ATTACKS if all(part in one[-1].__name__ for part in parts)]


def on_a_stage(program, number, stages):
    """The way of a change on a stage of its own, and each attack whose turn it is there."""
    with tempfile.TemporaryDirectory() as work:
        if number == stages - 1:
            a_state_in_an_object_store(program, Path(work) / "objects")
        stage = Stage(program, Path(work) / "stage")
        try:
            stage.begin()
            a_change_is_planned_and_applied(stage)
            several_merges_are_applied_by_the_last_run(stage)
            drift_is_an_issue(stage)
            a_change_in_the_dashboard_is_a_pull_request(stage)
            attacks.all_of(stage, named(sys.argv[2:])[number::stages])
            step("nothing that is left holds a secret")
            stage.no_secret_is_left()
        finally:
            stage.end()


def main():
    # A shell's job in the background, or one under nohup, ignores them, and all that it starts would, too.
    for one in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(one, signal.SIG_DFL)
    program = Path(sys.argv[1]).resolve()
    if not named(sys.argv[2:]):
        sys.exit(f"rehearse: no attack has the name {' '.join(sys.argv[2:])}")
    # No attack needs another. Two stages, however many processors there are: what follows what is the same everywhere.
    stages = min(2, len(named(sys.argv[2:])))
    running = [multiprocessing.Process(target=on_a_stage, args=(program, number, stages)) for number in range(stages)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    if any(one.exitcode for one in running):
        sys.exit(1)
    step("all of it went as it should")


if __name__ == "__main__":
    main()
