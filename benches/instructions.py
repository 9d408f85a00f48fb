#!/usr/bin/env python3
"""Counts the instructions of what does no more than read, compare and print, which other work on the machine does not move.

    benches/instructions.py PROGRAM TARGET [--keep]

Fails when a command takes over 5 % more than benches/instructions.json says for that target, and when the commit that changed
that file last raised a figure by as much and its message says nothing of instructions. `--keep` writes what was counted.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
KEPT = HERE / "instructions.json"
ROOMS, MOST = 100, 1.05
sys.path.insert(0, str(HERE))
import run  # noqa: E402


def of(environment, *argv):
    """The instructions that a run takes, which has to end well."""
    count = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *argv]
    done = subprocess.run(count, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def counted(program):
    """Instructions for each room, by command."""
    tokens = {f"ROOM_HOOK_{number}": f"hook-token-{number}" for number in range(9)} | {"ROOM_STREAM_KEY": "stream-token"}
    environment = {"PATH": os.environ["PATH"], "HOME": os.getcwd(), "METERED_APP": "bench", **tokens}
    run.write("roomctl.yaml", "app: bench\n")
    run.write("rooms/_defaults.yaml", "privacy: private\nautoJoin: false\n")
    for number in range(ROOMS):
        run.write(*run.room(1, number, 0))
    plan = lambda *more: of(environment, program, "plan", "--sandbox", "--now", "2026-01-01T00:00:00Z", *more)
    by_itself = [program, "apply", "--sandbox", "--yes", "--rate", "unlimited", "--now", "2026-01-01T00:00:00Z"]
    subprocess.run(by_itself, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    counts = {
        "validate": of(environment, program, "validate"), "fmt --check": of(environment, program, "fmt", "--check"),
        "plan --no-cache": plan("--no-cache"), "plan, which keeps": plan(), "plan": plan(),
        "plan, all new": plan("--state", "none.json", "--report-file", "report.json"),
        "render --format markdown": of(environment, program, "render", "report.json", "--format", "markdown"),
    }
    for number in range(ROOMS):
        run.write(*run.room(1, number, 1))
    counts["plan, all changed"] = plan("--max-changes", "100%")
    return {command: count // ROOMS for command, count in counts.items()}


def unexplained():
    """What the last commit of the file raised without a word."""
    git = lambda *arguments: subprocess.run(["git", "-C", HERE, *arguments], capture_output=True, text=True).stdout
    commit = git("log", "-1", "--format=%H", "--", KEPT.name).strip()
    if "instruction" in git("log", "-1", "--format=%B", commit).lower():
        return []
    before, after = (json.loads(git("show", f"{at}:./{KEPT.name}") or "{}") for at in (f"{commit}^", commit))
    return [
        f"{target}, {command}: {before[target][command]} → {count}, and the message of {commit} does not say why"
        for target, counts in after.items() for command, count in counts.items()
        if count > MOST * before.get(target, {}).get(command, count)
    ]


def main():
    program, target = os.path.abspath(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        counts = counted(program)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    before, wrong = kept.get(target, {}), unexplained()
    for command, count in counts.items():
        known = before.get(command)
        print(f"{command}: {count} instructions a room" + (f", {100 * count / known - 100:+.1f} %" if known else ""))
        if known and count > MOST * known:
            wrong.append(f"{command} takes {count} instructions a room, and took {known}: see why, or --keep it and say why in the commit")
    if not before:
        print(f"nothing is kept for {target}")
    if "--keep" in sys.argv:
        KEPT.write_text(json.dumps(kept | {target: counts}, indent=2, sort_keys=True) + "\n")
    elif wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
