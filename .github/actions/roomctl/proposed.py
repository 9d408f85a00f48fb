"""The room files of a pull request, as data.

What somebody proposes is fetched as git objects and written byte by byte into a directory of its own: nothing of it is
checked out, so no filter, hook, link, submodule or action of it comes to life. Only regular room files and the mutes are
taken, and not more of them than fit. The configuration, which holds the guards, is the default branch's.

The directory is a repository with the merge commit as its HEAD, so that `plan --base HEAD^1 --proposed HEAD` sees what the
pull request is merged onto, and which guards it would weaken: its own configuration is compared, and decides nothing."""

import argparse
import base64
import os
import re
import resource
import shutil
import subprocess
import urllib.parse

from github import call, default_branch, git_at, keep, outputs, plain, refuse, surroundings
from reviewed import ACTION, GUARDS, TRUSTED

# A byte of a room file becomes up to sixty of a plan, which has 300 MiB.
MOST_FILES = 10_000
MOST_BYTES = 4 * 1024 * 1024
MOST_OF_ONE = 256 * 1024
MOST_LISTED = 16 * 1024 * 1024
MOST_MEMORY = 2 * 1024 * 1024 * 1024
# Of what a program keeps beside the files that it maps; and seconds of the processor.
MOST_DATA, MOST_SECONDS = 300 * 1024 * 1024, 20
# No settings of the machine either.
SETTINGS = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
CONFIGS = ("roomctl.yaml", "roomctl.yml")
MUTES = "mutes.yaml"
# They change what a checkout writes, so that the files of a checkout are others than those that were planned.
CHECKOUT = (".gitattributes", ".gitmodules")


class Refused(Exception):
    """The pull request holds what is not planned."""


def git(folder, *arguments, most=MOST_LISTED, environment=None):
    """What git says, as bytes; more than `most` of them are refused without waiting for their end."""
    with subprocess.Popen(git_at(folder, *arguments), env=surroundings(**SETTINGS, **(environment or {})), stdout=subprocess.PIPE) as child:
        said = child.stdout.read(most + 1)
        if len(said) > most:
            child.kill()
            raise Refused("it holds more files than can be listed")
    if child.returncode != 0:
        raise SystemExit(f"git {arguments[0]} failed")
    return said


def fetch(folder, number, head):
    """Fetches what GitHub merged for trial, and gives out that commit and the one that the head was merged onto."""
    remote = os.environ.get("REMOTE") or f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    git(folder, "init", "-q", "--template=", os.path.abspath(folder))
    git(folder, "remote", "add", "origin", remote)
    server = urllib.parse.urlsplit(remote)
    asking = {"GIT_ALLOW_PROTOCOL": server.scheme if server.scheme in ("https", "http") else "file"}
    if os.environ.get("TOKEN"):
        # In the environment of this one process, not in its arguments, which every process of the machine can see.
        basic = base64.b64encode(f"x-access-token:{os.environ['TOKEN']}".encode()).decode()
        here = f"http.{server.scheme}://{server.netloc}/"
        asking |= {"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": f"{here}.extraHeader", "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}"}
        # Git would take it along to wherever the server redirects.
        asking |= {"GIT_CONFIG_KEY_1": f"{here}.followRedirects", "GIT_CONFIG_VALUE_1": "false"}
    limit = f"--filter=blob:limit={MOST_OF_ONE + 1}"
    reference = f"+refs/pull/{number}/merge:refs/roomctl/proposed"
    git(folder, "fetch", "-q", "--no-tags", "--depth=2", limit, "origin", reference, environment=asking)
    git(folder, "remote", "remove", "origin")
    line = git(folder, "rev-list", "--parents", "-n", "1", "refs/roomctl/proposed").decode().split()
    if len(line) != 3 or line[2] != head:
        raise SystemExit("the pull request moved meanwhile; a later run plans it")
    git(folder, "update-ref", "--no-deref", "HEAD", line[0])
    return line[0], line[1]


def entries(listed):
    """`MODE KIND ID SIZE\\tPATH\\0` each."""
    for entry in listed.split(b"\0")[:-1]:
        head, path = entry.split(b"\t", 1)
        mode, _, blob, size = head.decode().split()
        try:
            yield mode, blob, size, path.decode()
        except UnicodeDecodeError:
            raise Refused("a path is not UTF-8") from None


def is_safe(path):
    parts = path.split("/")
    return path.isprintable() and len(path) < 1024 and all(part not in ("", ".", "..") for part in parts)


def wanted(folder, commit, rooms):
    """The blobs to take, each with its path."""
    listed = git(folder, "ls-tree", "-r", "-l", "-z", "--full-tree", commit, "--", rooms, MUTES)
    taken, size = [], 0
    for mode, blob, length, path in entries(listed):
        hidden = any(part.startswith(".") for part in path.split("/"))
        if not is_safe(path):
            raise Refused("a path leads elsewhere or holds control characters")
        if path.split("/")[-1] in CHECKOUT:
            raise Refused(f"{path} changes what a checkout writes")
        if mode != "100644":
            kind = {"120000": "a link", "160000": "a submodule", "100755": "executable"}.get(mode, "no regular file")
            raise Refused(f"{path} is {kind}")
        # As src/files/discover.rs has it: what is read after the merge is planned before it.
        if hidden or not path.lower().endswith((".yaml", ".yml")):
            continue
        if not length.isdigit() or int(length) > MOST_OF_ONE:
            raise Refused(f"{path} is larger than {MOST_OF_ONE} bytes")
        size += int(length)
        taken.append((path, blob))
        if len(taken) > MOST_FILES or size > MOST_BYTES:
            raise Refused(f"it holds more than {MOST_FILES} room files or {MOST_BYTES} bytes of them")
    return taken


def write(folder, files):
    """Writes the blobs, each as a new file."""
    with subprocess.Popen(
        git_at(folder, "cat-file", "--batch"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=surroundings(**SETTINGS),
    ) as child:
        for path, blob in files:
            child.stdin.write(f"{blob}\n".encode())
            child.stdin.flush()
            _, kind, length = child.stdout.readline().decode().split()
            content = child.stdout.read(int(length))
            child.stdout.read(1)
            if kind != "blob":
                raise Refused(f"{path} is no file")
            target = os.path.join(folder, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "xb") as opened:
                opened.write(content)
        child.stdin.close()


def moved(folder, base, merge, paths):
    """Which of these files at the top the pull request moves. Git is never asked for all differences: of a tree that holds
    itself many times it would keep them all in memory."""

    def ids(commit):
        return {path: (mode, blob) for mode, blob, _, path in entries(git(folder, "ls-tree", "-l", "-z", commit, "--", *paths))}

    before, after = ids(base), ids(merge)
    return [path for path in paths if before.get(path) != after.get(path)]


def newest():
    """The last commit of the default branch. By its short name, a tag could be meant."""
    return call("GET", f"/git/ref/heads/{urllib.parse.quote(default_branch())}")["object"]["sha"]


def is_in(commit, whole):
    """Whether a commit holds another, as GitHub says."""
    # In this direction: what is behind has no files of its own to list.
    found = call("GET", f"/compare/{whole}...{commit}?per_page=1", absent={"status": "unknown"})
    return found["status"] in ("behind", "identical")


def is_older(folder, base):
    """Whether this run has code, guards or mutes of before those that the pull request is merged onto, as one that waited: apply.yml
    would take no plan of it."""
    ours, theirs = (git(place, "ls-tree", commit, "--", TRUSTED, ACTION, *GUARDS) for place, commit in ((".", "HEAD"), (folder, base)))
    return ours != theirs and not is_in(base, git(".", "rev-parse", "HEAD").decode().strip())


def take(arguments):
    folder = arguments.into
    merge, base = fetch(folder, arguments.pull_request, arguments.head)
    # A pull request may have gone into another branch before, and then is on top of whatever is there.
    if not is_in(base, newest()):
        raise Refused("GitHub merged it for trial onto a commit that is not of the default branch: push to it, or close and open it again")
    if is_older(folder, base):
        raise Refused("scripts, configuration or mutes of the default branch moved while it waited to be planned: push to it, or close and open it again")
    for path in moved(folder, base, merge, CHECKOUT):
        raise Refused(f"it moves {path}, which changes what a checkout writes")
    write(folder, wanted(folder, merge, arguments.rooms))
    for config in filter(os.path.isfile, CONFIGS):
        shutil.copyfile(config, os.path.join(folder, config), follow_symlinks=False)
    notes = [
        f"> `{config}` moves here. This plan was made with the one of the default branch, whose guards count, and names those that would be weaker.\n"
        for config in moved(folder, base, merge, CONFIGS)
    ]
    with open(arguments.notes, "w", encoding="utf-8") as opened:
        opened.writelines(notes)
    keep(arguments.source, base=base, merge=merge)
    outputs(base=base)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pull-request", type=int, required=True)
    parser.add_argument("--head", required=True)
    parser.add_argument("--rooms", default="rooms")
    for name in ("--into", "--source", "--notes", "--refusal"):
        parser.add_argument(name, required=True)
    arguments = parser.parse_args()
    if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", arguments.head):
        refuse("the head is not a commit")
    # Whatever git is led to do, it does not take the machine with it.
    for limit, most in ((resource.RLIMIT_AS, MOST_MEMORY), (resource.RLIMIT_DATA, MOST_DATA), (resource.RLIMIT_CPU, MOST_SECONDS)):
        already = resource.getrlimit(limit)[1]
        most = most if already == resource.RLIM_INFINITY else min(most, already)
        resource.setrlimit(limit, (most, most))
    try:
        take(arguments)
    except Refused as why:
        with open(arguments.refusal, "w", encoding="utf-8") as opened:
            opened.write(f"<!-- roomctl:plan -->\n### This pull request is not planned\n\n{plain(why)}.\n")
        refuse(f"not planned: {why}")


if __name__ == "__main__":
    main()
