"""What the action's install.sh takes, and what it refuses: a release server on loopback has archives, right and wrong.

    python3 tests/rehearsal/installing.py

Needs bash, curl, tar and unzip, as a runner has them."""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

from loopback import ACTION, ROOT, Silent, check, serve, step

sys.path.insert(0, str(ROOT / "packaging"))
import package  # noqa: E402
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
VERSION = CARGO["version"]
TARGETS = {
    ("Linux", "x86_64"): "x86_64-unknown-linux-musl",
    ("Linux", "aarch64"): "aarch64-unknown-linux-musl",
    ("Darwin", "x86_64"): "x86_64-apple-darwin",
    ("Darwin", "arm64"): "aarch64-apple-darwin",
    ("MINGW64_NT-10.0", "x86_64"): "x86_64-pc-windows-msvc",
}
# As the release calls them: the folder inside, and the ending.
MACHINES = {
    machine: (package.folder_name(target), package.archive_name(target).removeprefix(package.folder_name(target) + "."))
    for machine, target in TARGETS.items()
}
LINUX = MACHINES["Linux", "x86_64"][0]
# As the action's step has it.
(RUN,) = re.findall(r"run: (.*install\.sh.*)", (ROOT / ACTION / "action.yml").read_text())


def program(text):
    return f"#!/bin/sh\necho '{text}'\n".encode()


def archive(folder, kind, body):
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as made:
            entry = zipfile.ZipInfo(f"{folder}/roomctl.exe")
            entry.external_attr = 0o755 << 16
            made.writestr(entry, body)
    else:
        with tarfile.open(fileobj=out, mode="w:gz") as made:
            entry = tarfile.TarInfo(f"{folder}/roomctl")
            entry.size, entry.mode = len(body), 0o755
            made.addfile(entry, io.BytesIO(body))
    return out.getvalue()


class Releases:
    """A server with the files of releases; remembers what it was asked for."""

    def __init__(self):
        self.files, self.asked = {}, []
        outer = self

        class Handler(Silent):
            def do_GET(self):
                outer.asked.append(self.path)
                body = outer.files.get(self.path)
                self.send(404 if body is None else 200, body or b"")

        _, self.url = serve(Handler)

    def put(self, folder, kind, body, repository="acme/roomctl"):
        made = archive(folder, kind, body)
        self.files[f"/{repository}/releases/download/v{VERSION}/{folder}.{kind}"] = made
        return hashlib.sha256(made).hexdigest()


# What gh does of `attestation verify`: it asks for what a repository signed, and holds the certificate's name (SAN) against
# what it was given, a workflow as the beginning of it and an identity as all of it. `signed` has a line for each attestation:
# the checksum, the repository, the name and the kind of runner.
GH = """#!/usr/bin/env python3
import argparse, hashlib, os, sys
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("words", nargs=3)
parser.add_argument("--repo", required=True)
only = parser.add_mutually_exclusive_group()
only.add_argument("--signer-workflow")
only.add_argument("--cert-identity")
parser.add_argument("--deny-self-hosted-runners", action="store_true")
given = parser.parse_args()
here = hashlib.sha256(open(given.words[2], "rb").read()).hexdigest()
def fits(checksum, repository, san, runner):
    named = san == given.cert_identity if given.cert_identity else san.startswith(f"https://github.com/{given.signer_workflow or given.repo + '/'}")
    return (checksum, repository) == (here, given.repo) and named and not (given.deny_self_hosted_runners and runner != "github-hosted")
ok = given.words[:2] == ["attestation", "verify"] and os.environ.get("GH_TOKEN") == "t"
sys.exit(not (ok and any(fits(*line.split()) for line in open("{signed}"))))
"""


class Machine:
    """A runner: its folders, and the programs that stand before those of this machine."""

    def __init__(self, work, releases):
        self.work, self.releases = work, releases
        self.bin = work / "bin"
        self.bin.mkdir(parents=True)
        self.is_a("Linux", "x86_64")
        self.has("gh", "exit 1")

    def has(self, name, code):
        (self.bin / name).write_text(f"#!/bin/bash\n{code}\n")
        (self.bin / name).chmod(0o755)

    def signs(self, *lines):
        """From now on gh is there, and knows of these attestations."""
        signed = self.work / "signed"
        signed.write_text("".join(f"{line}\n" for line in lines))
        (self.bin / "gh").write_text(GH.replace("{signed}", str(signed)))

    def is_at_github(self, url):
        """From now on what is asked of https://github.com is answered by the server at this address."""
        self.has("curl", f'exec {shutil.which("curl")} "${{@/#https:\\/\\/github.com/{url}}}" --proto =http')

    def is_a(self, system, processor):
        self.has("uname", f'if [ "$1" = -s ]; then echo {system}; else echo {processor}; fi')

    def install(self, fresh=True, **given):
        """Whether it succeeded, what it printed, and the program that is on the PATH behind it."""
        self.releases.asked.clear()
        temp = Path(tempfile.mkdtemp(dir=self.work))
        path = temp / "path"
        path.write_text("")
        environment = {
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin", "HOME": str(temp), "RUNNER_TEMP": str(temp),
            "RUNNER_TOOL_CACHE": str(temp if fresh else self.work / "cache"), "GITHUB_PATH": str(path),
            "GITHUB_SERVER_URL": self.releases.url, "GITHUB_REPOSITORY": "acme/rooms",
            "ACTION": str(ROOT / ACTION), "ACTION_REPOSITORY": "", "TOKEN": "", "SHA256": "",
            "VERSION": VERSION, "REPOSITORY": "acme/roomctl", **given,
        }
        done = subprocess.run(
            ["bash", "-c", RUN], cwd=temp, env=environment, capture_output=True, text=True, timeout=60,
        )
        added = path.read_text().strip()
        said = ""
        if added:
            (found,) = Path(added).iterdir()
            said = subprocess.run([found], capture_output=True, text=True).stdout.strip()
        return done.returncode == 0, done.stdout + done.stderr, said


def names():
    step("the release builds what is installed here, and cargo binstall looks for the same names")
    workflow = (ROOT / ".github/workflows/release.yml").read_text()
    built = re.findall(r"target: ([\w-]+)", workflow)
    check(sorted(built) == sorted(TARGETS.values()), built)
    binstall = CARGO["metadata"]["binstall"]
    for target in built:
        given = {**binstall, **binstall["overrides"].get(target, {})}
        filled = {"repo": "", "name": CARGO["name"], "bin": "roomctl", "version": VERSION, "target": target}
        filled["binary-ext"] = ".exe" if "windows" in target else ""
        fill = lambda text: re.sub(r"\{ ([\w-]+) \}", lambda one: filled[one[1]], text)  # noqa: E731
        check(fill(given["pkg-url"]) == f"/releases/download/v{VERSION}/{package.archive_name(target)}", given)
        check(fill(given["bin-dir"]) == f"{package.folder_name(target)}/roomctl{filled['binary-ext']}", given)
        check(given["pkg-fmt"] == ("zip" if "windows" in target else "tgz"), given)


def rehearse(work):
    releases = Releases()
    right = f"roomctl {VERSION}"
    sums = "".join(f"{releases.put(*one, program(right))}  {'.'.join(one)}\n" for one in MACHINES.values())
    mine = next(line.split()[0] for line in sums.splitlines() if LINUX in line)
    machine = Machine(work / "a", releases)
    machine.has("cargo", "echo called > $HOME/cargo; exit 1")

    step("each machine gets its archive, by the line of SHA256SUMS that names it")
    machine.has("cygpath", 'echo "$2"')
    for (system, processor), one in MACHINES.items():
        machine.is_a(system, processor)
        ok, text, said = machine.install(SHA256=sums)
        check(ok and said == right, text)
        check(releases.asked == [f"/acme/roomctl/releases/download/v{VERSION}/{'.'.join(one)}"], releases.asked)
    machine.is_a("Plan9", "mips")
    ok, text, _ = machine.install(SHA256=sums)
    check(not ok and "put roomctl" in text, text)
    machine.is_a("Linux", "x86_64")

    step("one checksum will do, in capital letters too")
    for given in (mine, mine.upper(), f"{mine} *{LINUX}.tar.gz\r\n"):
        ok, text, said = machine.install(SHA256=given)
        check(ok and said == right, text)

    step("another checksum, and one of another archive, are refused")
    for given in ("0" * 64, f"{mine}  other.tar.gz", "canary", f"canary  {LINUX}.tar.gz", mine[:63]):
        ok, text, said = machine.install(SHA256=given)
        check(not ok and not said and "checksum" in text and "canary" not in text, text)

    step("without a checksum, only what the release workflow made at the tag of the version is run")
    ok, text, said = machine.install()
    check(not ok and not said and "nothing vouches for it" in text, text)
    made = lambda repository, ref, runner="github-hosted", file="release.yml", checksum=mine: (  # noqa: E731
        f"{checksum} {repository} https://github.com/{repository}/.github/workflows/{file}@{ref} {runner}"
    )
    tag = f"refs/tags/v{VERSION}"
    machine.is_at_github(releases.url)
    github = {"TOKEN": "t", "GITHUB_SERVER_URL": "https://github.com"}
    machine.signs(made("acme/roomctl", tag))
    ok, text, said = machine.install(**github)
    check(ok and said == right and "warning" not in text, text)
    releases.put(LINUX, "tar.gz", program(right), "other/roomctl")
    ok, text, said = machine.install(REPOSITORY="other/roomctl", **github)
    check(not ok and "nothing vouches for it" in text, text)
    for other in (
        made("acme/roomctl", "refs/heads/topic"), made("acme/roomctl", "refs/pull/1/merge"), made("acme/roomctl", f"{tag}-x"),
        made("acme/roomctl", f"refs/heads/{tag}"), made("acme/roomctl", tag, file="other.yml"), made("acme/roomctl", tag, "self-hosted"),
    ):
        machine.signs(other)
        ok, text, said = machine.install(**github)
        check(not ok and not said and "nothing vouches for it" in text, (other, text))
    ok, text, said = machine.install(SHA256=mine, **github)
    check(ok and said == right and "::warning" in text, "a checksum is enough, and that there is no attestation is said")

    step("another server than https://github.com attests nothing: only a checksum counts there, and nobody is asked")
    machine.has("gh", 'touch "$HOME/asked"')
    ok, text, said = machine.install(TOKEN="t")
    check(not ok and not said and "nothing vouches for it" in text and "only https://github.com attests" in text and "release.sha256" in text, text)
    ok, text, said = machine.install(SHA256=mine, TOKEN="t")
    check(ok and said == right and "warning" not in text, text)
    check(not list(work.glob("a/tmp*/asked")), "gh is asked")

    step("the repository of the workflow releases nothing unless somebody says so, and then only by a checksum")
    own = releases.put(LINUX, "tar.gz", program(right), "acme/rooms")
    machine.signs(*(made("acme/rooms", ref, checksum=own) for ref in (tag, "refs/heads/topic")))
    for action in ("", "acme/rooms", "Acme/Rooms"):
        for checksum in ("", own):
            ok, text, said = machine.install(REPOSITORY="", ACTION_REPOSITORY=action, SHA256=checksum, **github)
            check(not ok and not said and releases.asked == [] and "which repository releases roomctl" in text, text)
    for named in ("acme/rooms", "ACME/rooms"):
        ok, text, said = machine.install(REPOSITORY=named, **github)
        check(not ok and not said, text)
    check("is not there" in text, text)
    ok, text, said = machine.install(REPOSITORY="acme/rooms", **github)
    check(not ok and "could sign it" in text and "release.sha256" in text, text)
    ok, text, said = machine.install(REPOSITORY="acme/rooms", SHA256=own, **github)
    check(ok and said == right, text)
    machine.has("gh", "exit 1")
    (machine.bin / "curl").unlink()

    step("what is not there is said, with what to do")
    for given in ({"VERSION": "9.9.9"}, {"REPOSITORY": "acme/nothing"}):
        ok, text, said = machine.install(SHA256=mine, **given)
        check(not ok and not said and "is not there" in text and "put roomctl" in text, text)
    check(not list(work.glob("a/tmp*/cargo")), "nothing is compiled")

    step("the repository is that of the action, where it is another's")
    other = releases.put(LINUX, "tar.gz", program(right), "of/action")
    ok, text, said = machine.install(REPOSITORY="", ACTION_REPOSITORY="of/action", SHA256=other)
    check(ok and said == right and releases.asked[0].startswith("/of/action/"), releases.asked)

    step("what is kept is looked at again, and loaded again when somebody changed it")
    for asked in (1, 0):
        ok, text, said = machine.install(fresh=False, SHA256=mine)
        check(ok and said == right and len(releases.asked) == asked, (text, releases.asked))
    (kept,) = (machine.work / "cache").rglob("*.tar.gz")
    kept.write_bytes(archive(LINUX, "tar.gz", program("evil")))
    ok, text, said = machine.install(fresh=False, SHA256=mine)
    check(ok and said == right and len(releases.asked) == 1, text)

    step("what is no file in its place is neither read nor written through, and is replaced")
    precious = work / "precious"
    other = work / "directory"
    other.mkdir()
    for put in (os.mkfifo, os.mkdir, *(lambda path, to=to: os.symlink(to, path) for to in ("/dev/zero", precious, other))):
        precious.write_text("precious")
        kept.unlink()
        put(kept)
        ok, text, said = machine.install(fresh=False, SHA256=mine)
        check(ok and said == right and len(releases.asked) == 1, text)
        check(precious.read_text() == "precious" and not list(other.iterdir()), "a link is written through")
        check(kept.is_file() and not kept.is_symlink() and list(kept.parent.iterdir()) == [kept], list(kept.parent.iterdir()))

    step("the version is the pinned one: on the PATH, and in the archive")
    machine.has("roomctl", f"echo roomctl {VERSION}")
    ok, text, said = machine.install()
    check(ok and not said and releases.asked == [], text)
    machine.has("roomctl", "echo roomctl 0.0.1")
    ok, text, said = machine.install(SHA256=mine)
    check(ok and said == right, text)
    other = releases.put(LINUX, "tar.gz", program("roomctl 0.0.1"))
    ok, text, said = machine.install(SHA256=other)
    check(not ok and not said and "is not roomctl" in text, text)

    step("what is loaded sees no secret of the job")
    looks = f'#!/bin/sh\n{{ env; tr "\\0" "\\n" < /proc/$PPID/environ; }} > "$HOME/seen"\necho {right}\n'
    other = releases.put(LINUX, "tar.gz", looks.encode())
    secrets = dict.fromkeys(("ROOM_TOKEN", "METERED_SECRET_KEY", "ANYTHING", "A.B", "npm-x", "PATH HOME", "REMOTE", "SSH_AUTH_SOCK"), "canary")
    of_bash = {"SHELLOPTS": "braceexpand:hashall", "BASHOPTS": "cmdhist", "UID": "1", "BASH_FUNC_f%%": "() { echo canary; }"}
    ok, text, said = machine.install(SHA256=other, **secrets, **of_bash)
    (seen,) = machine.work.glob("tmp*/seen")
    check(ok and said == right and "PATH=" in seen.read_text() and "canary" not in seen.read_text(), text)

    step("what asks a server gets what its git has for that")
    asks = {"PATH": os.environ["PATH"], "REMOTE": "a", "GIT_SSH_COMMAND": "b", "SSH_AUTH_SOCK": "c", "GIT_ASKPASS": "d", "BRANCH": "e"}
    given = subprocess.run(["bash", ROOT / ACTION / "alone.sh", "BRANCH", "env"], env=asks, capture_output=True, text=True)
    check({f"{name}={value}" for name, value in asks.items()} <= set(given.stdout.splitlines()), given)

    step("inputs are no code, no path and no address")
    marked = work / "marked"
    hostile = [
        "", " ", "0.1", f"$(touch {marked})", f"`touch {marked}`", f"0.1.0; touch {marked}", "../../1.0.0", "1.0.0/../x", "-o", "0.1.0\n::set-env::",
        "0.1.0 0.1.0", "０.1.0", "0.1.0-$(id)", "0.1.0?x", "0.1.0#",
    ]
    for text in hostile:
        ok, printed, said = machine.install(VERSION=text)
        check(not ok and not said and releases.asked == [] and "no version" in printed, (text, printed))
    hostile = [
        " ", "acme", "acme/", "/acme", "a/b/c", "acme/..", "acme/.", f"a/$(touch {marked})", f"a/b;touch {marked}", "a/b\nc/d", "evil.example/x",
        "@evil.example/x", "a/b?x", "a/b#", "-o/x y", "https://evil.example/a", "a\\b",
    ]
    for text in hostile:
        ok, printed, said = machine.install(REPOSITORY=text, SHA256=mine)
        check(not ok and not said and releases.asked == [] and "no repository" in printed, (text, printed))
    ok, printed, said = machine.install(SHA256=f"$(touch {marked})\n::error::x")
    check(not ok and "::error::x" not in printed and not marked.exists(), printed)
    for server in ("http://192.0.2.1", "http://127.0.0.1.evil.example:80", "ftp://127.0.0.1", "file:///tmp"):
        ok, printed, _ = machine.install(GITHUB_SERVER_URL=server, SHA256=mine)
        check(not ok and "curl ended with 1" in printed, printed)


def main():
    names()
    with tempfile.TemporaryDirectory() as work:
        rehearse(Path(work))
    step("all of it went as it should")


if __name__ == "__main__":
    main()
