"""What a person sees at a terminal of 80 and of 200 columns: the program runs on a pseudo terminal, and a model of a screen
reads what it writes. Needs pyte.

    python3 tests/terminal/check.py target/debug/roomctl [--show]"""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import pyte

PROGRAM = os.path.abspath(sys.argv[1])
SHOW = "--show" in sys.argv
ROOMS = 24
NAMES = [f"meeting-of-team-number-{number:02}" for number in range(ROOMS)]
FAST = ["--rate", "unlimited", "--parallelism", "2"]


class Terminal:
    """A run of the program, and its screen."""

    def __init__(self, site, columns, *args):
        self.title = f"{' '.join(args)} at {columns} columns"
        self.screen = pyte.HistoryScreen(columns, 60, history=9999, ratio=1)
        self.stream = pyte.ByteStream(self.screen)
        self.process, self.file = pty.fork()
        if self.process == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
            os.chdir(site.directory)
            os.execve(PROGRAM, [PROGRAM, *args], site.variables)

    def read(self, until=None):
        """Up to a text on the screen, or to the end of the run."""
        end = time.monotonic() + 60
        while until is None or not re.search(until, self.text()):
            if time.monotonic() > end:
                self.fail(f"waited in vain for {until!r}")
            if not select.select([self.file], [], [], 1)[0]:
                continue
            try:
                output = os.read(self.file, 4096)
            except OSError:  # What Linux says at the end.
                output = b""
            if not output and until:
                self.fail(f"ended without {until!r}")
            if not output:
                break
            self.stream.feed(output)
        return self.text()

    def text(self):
        columns = range(self.screen.columns)
        above = ["".join(line[column].data for column in columns) for line in self.screen.history.top]
        return "\n".join(line.rstrip() for line in [*above, *self.screen.display]).rstrip()

    def type(self, keys):
        os.write(self.file, keys)

    def end(self, code):
        text = self.read()
        ended = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        os.close(self.file)
        if SHOW:
            print(f"\n--- {self.title}: {ended}\n{text}")
        self.holds(ended == code, f"ended with {ended}, not with {code}")
        self.holds(not re.search("[█░]", text), "a bar is left")
        return text

    def holds(self, is_so, otherwise):
        if not is_so:
            self.fail(otherwise)

    def fail(self, why):
        sys.exit(f"terminal: {self.title}: {why}\n{self.text()}")


class Site:
    """Rooms in files, and a simulator that holds them."""

    def __init__(self, directory, *faults):
        self.directory = Path(directory)
        (self.directory / "rooms").mkdir()
        for number, name in enumerate(NAMES):
            (self.directory / f"rooms/{name}.yaml").write_text(f"privacy: private\nmaxParticipants: {number + 2}\n")
        command = [PROGRAM, "simulate", *[f"--fault={fault}" for fault in faults]]
        self.simulator = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        url = self.simulator.stdout.readline().strip()
        if not url:
            sys.exit(f"terminal: no simulator with {faults}")
        self.variables = {
            "METERED_APP": "demo", "METERED_SECRET_KEY": "simulated-key", "METERED_BASE_URL": url, "TERM": "xterm",
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.simulator.kill()
        self.simulator.wait()
        shutil.rmtree(self.directory)


def site(*faults):
    return Site(tempfile.mkdtemp(), *faults)


def each_once(run, text, names=NAMES):
    """After the plan, which names all of them before anything is done."""
    done = text[text.rindex("Posture:"):]
    for name in names:
        run.holds(done.count(name) == 1, f"{name} is named {done.count(name)} times")


def whole(run, text):
    """No name is parted, and no word but for those that are longer than a line."""
    for line in text.splitlines():
        for part in re.findall(r"meeting-of[a-z0-9-]*|\b[a-z-]*number-\d*", line):
            run.holds(part in NAMES, f"{part!r} is parted")


def one_run(columns):
    """From the first apply to an import of everything."""
    with site("slow=ms:10") as here:
        run = Terminal(here, columns, "apply", *FAST)
        run.read("Only `yes` will do")
        run.type(b"yes\r")
        run.read(f"/{ROOMS} rooms")
        text = run.end(0)
        each_once(run, text)
        run.holds(re.search(r"\nTook [\d.]+ s\.$", text), "does not say how long it took")
        for args in (["drift"], ["plan", "--live"]):
            run = Terminal(here, columns, *args, *FAST)
            run.read(f"░ 0/{ROOMS} rooms")
            run.holds("Took" in run.end(0), "does not say how long it took")
        run = Terminal(here, columns, "drift", "--now", "2026-11-26T09:00:00Z", *FAST)
        run.holds("Took" not in run.end(0), "says how long it took, though it has to say the same each time")
        shutil.rmtree(here.directory / "rooms")
        shutil.rmtree(here.directory / ".roomctl")
        run = Terminal(here, columns, "import", "--all", *FAST)
        run.read(f"░ 0/{ROOMS} rooms")
        text = run.end(0)
        run.holds("Took" in text, "does not say how long it took")
        whole(run, text)


def failures(columns):
    """What was not done is named once, at the end, with its reason."""
    with site(*[f"reflect-key=method:POST,room:{name}" for name in NAMES[3:9]]) as here:
        run = Terminal(here, columns, "apply", "--yes", *FAST)
        text = run.end(5)
        each_once(run, text)
        whole(run, text)


def interrupts(columns):
    """An interrupt is said above the bar, which goes on; the second one leaves at once, and leaves nothing behind."""
    said = "interrupted: finishing what is under way; interrupt again to leave at once"
    for keys in (1, 2):
        slow = "slow=ms:150,method:GET" if keys == 1 else "slow=ms:60000,method:POST,skip:4"
        with site(slow) as here:
            run = Terminal(here, columns, "apply", "--yes", *FAST)
            run.read(f"[1-9]/{ROOMS} rooms")
            run.type(b"\x03")
            text = run.read("interrupt again")
            line = next(line for line in text.splitlines() if "interrupted: " in line)
            run.holds(re.search(r"^\s*WARN interrupted", line), f"in the bar: {line}")
            if keys == 2:
                run.type(b"\x03")
            text = run.end(130)
            run.holds(said in " ".join(text.split()), "is not said")
            each_once(run, text)
            whole(run, text)
    with site() as here:
        for key, code, said in ((b"\x03", 130, "interrupted; nothing was done"), (b"\x04", 4, "not approved; nothing was done")):
            run = Terminal(here, columns, "apply", *FAST)
            run.read("Only `yes` will do:")
            run.type(key)
            text = run.end(code)
            run.holds(f"\nerror: {said}" in text, "is not said in a line of its own")
            run.holds("ended" not in text, "the run before this one left its lock")
        Terminal(here, columns, "apply", "--yes", *FAST).end(0)
    with site("slow=ms:60000,method:GET") as here:
        run = Terminal(here, columns, "plan", "--live", *FAST)
        run.read(f"░ 0/{ROOMS} rooms")
        run.type(b"\x03")
        run.read("interrupt again")
        run.type(b"\x03")
        run.end(130)


def homes():
    """Who makes a repository is asked where the state is kept, and each answer is gone by."""
    with site() as here:
        for answer, ends in ((b"\r", "/.roomctl/"), (b".roomctl/state.json\r", "!/.roomctl/state.json")):
            run = Terminal(here, 80, "init", f"home-{len(answer)}", "--app", "acme")
            run.read("committed beside the rooms")
            run.type(answer)
            run.end(0)
            ignored = (here.directory / f"home-{len(answer)}" / ".gitignore").read_text()
            run.holds(ignored.endswith(f"\n{ends}\n"), f"the answer is not gone by: {ignored}")


def without():
    """Nobody who reads a file sees a bar or a time in it."""
    with site() as here:
        for args in (["apply", "--yes"], ["drift"]):
            command = [PROGRAM, *args, *FAST]
            ran = subprocess.run(command, cwd=here.directory, env=here.variables, capture_output=True, check=True)
            output = (ran.stdout + ran.stderr).decode()
            if re.search("[█░\x1b]|Took", output):
                sys.exit(f"terminal: {args} without one:\n{output}")


for wide in (80, 200):
    one_run(wide)
    failures(wide)
    interrupts(wide)
without()
homes()
print("terminal: bars, interrupts and names at 80 and 200 columns")
