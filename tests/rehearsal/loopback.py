"""What each rehearsal begins with: a server on loopback, the program with the simulator as its service, and a repository
with an origin. Canaries are in the place of secrets."""

import atexit
import os
import resource
import shutil
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ACTION = ".github/actions/roomctl"
KEY = "canary-key-of-the-account"
HOOK = "canary-token-of-a-webhook"
# What any program of a run may take, whatever somebody wrote: seconds of the processor, and KiB.
SECONDS, MEMORY = 5, 300 * 1024


def check(truth, message):
    if not truth:
        sys.exit(f"{Path(sys.argv[0]).stem}: not so: {str(message)[-4000:]}")


def step(text):
    print(f"{Path(sys.argv[0]).stem}: {text}", flush=True)


def bound():
    """Before a program starts: it, and each that it starts, ends at so many seconds of the processor."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def largest():
    """What the largest program took of the memory that ran here until now, in KiB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


class Failed(Exception):
    """A step of a job failed, or git."""


def git(*arguments, given=None):
    """Runs git and gives out what it said."""
    done = subprocess.run(["git", *map(str, arguments)], capture_output=True, text=True, input=given)
    if done.returncode != 0:
        raise Failed(f"git {arguments}: {done.stderr}")
    return done.stdout.strip()


class Silent(BaseHTTPRequestHandler):
    """Says nothing about what it is asked."""

    def send(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(handler):
    """A server on loopback, and its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}"


def redirected():
    """The address of a server that sends whoever asks it on to another, and what that one is asked."""
    asked = []

    class There(Silent):
        def do_GET(self):
            asked.append(self.path)
            self.send(404, b"")

    _, there = serve(There)

    class Here(Silent):
        def do_GET(self):
            self.send(302, b"", Location=there + self.path)

    return serve(Here)[1], asked


class Place:
    """A service, a repository with its origin, and the program on the PATH of what runs here."""

    # What git adds of the work tree.
    added = ("-A",)

    def __init__(self, program, work):
        self.work, self.program = work, program
        work.mkdir(exist_ok=True)
        self.service = self.serve("127.0.0.1:0")
        # Also when something is not so.
        atexit.register(lambda: self.simulator.kill())
        self.origin, self.clone = work / "origin.git", work / "clone"
        git("init", "-q", "--bare", "-b", "main", self.origin)
        git("clone", "-q", self.origin, self.clone)
        for name, value in (("user.name", "Rehearsal"), ("user.email", "rehearsal@example.com")):
            git("-C", self.clone, "config", name, value)
        self.binary = work / "bin"
        self.binary.mkdir()
        shutil.copy(program, self.binary / "roomctl")
        # Itself, and no script that looks for one: it is started a thousand times.
        python = work / "python"
        python.mkdir()
        (python / "python3").symlink_to(Path(sys.executable).resolve())
        # What is set on a runner without any secret.
        self.plain = {
            "PATH": f"{self.binary}:{python}:{os.environ['PATH']}", "HOME": str(work), "REMOTE": str(self.origin),
            "GIT_CONFIG_NOSYSTEM": "1", "PYTHONDONTWRITEBYTECODE": "1",
        }

    def serve(self, address, *quirks):
        """Starts the service, with the rooms that it held, and gives out its address."""
        self.simulator = subprocess.Popen(
            [self.program, "simulate", "--listen", address, "--data", self.work / "service.json", *(f"--quirk={one}" for one in quirks)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "METERED_SECRET_KEY": KEY},
        )
        return self.simulator.stdout.readline().strip()

    def becomes(self, *quirks):
        """From now on the service has these traits."""
        Place.end(self)
        check(self.serve(self.service.removeprefix("http://"), *quirks) == self.service, "it is where it was")

    def write(self, file, text):
        path = self.clone / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, message):
        git("-C", self.clone, "add", *self.added)
        git("-C", self.clone, "commit", "-q", "-m", message)
        return git("-C", self.clone, "rev-parse", "HEAD")

    def by_hand(self, room, body):
        """Somebody changes a room on the dashboard."""
        url = f"{self.service}/api/v1/room/{room}?secretKey={KEY}"
        request = urllib.request.Request(url, data=body.encode(), method="PUT", headers={"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()

    def end(self):
        self.simulator.kill()
        self.simulator.wait()
