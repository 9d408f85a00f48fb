"""What the workflows ask of GitHub: one comment that is edited in place, one issue of each kind that is opened, updated
and closed, one pull request of what was adopted, and the calls that the other scripts make; and how they start git. Standard
library only.

Titles, labels, names and texts are data here: they go into JSON or into files, never into a command."""

import argparse
import hashlib
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

API = os.environ.get("GITHUB_API_URL", "https://api.github.com")
REPOSITORY = os.environ.get("GITHUB_REPOSITORY", "")
# Who writes our comments and issues: whoever GITHUB_TOKEN speaks for.
BOT = os.environ.get("ROOMCTL_BOT") or "github-actions[bot]"
# Of the comment with the plan that counts. The action by itself, in a workflow of somebody else's, has another: that one moves
# without this one.
MARKER = "<!-- roomctl:plan-for-apply -->"
MOST_BYTES = 32 * 1024 * 1024
MOST_PAGES, MOST_NEWEST = 100, 250
REFUSED = 4
# GitHub takes 65,536; a marker stands before it, and `EDITED` may.
MOST_TEXT = 65_100
EDITED = (
    "> **This commit is not applied**, however often it is planned: what was read or approved may have been something else. The comment that was\n"
    "> here was edited or deleted, or an approval stands that is older than it. Push another commit, also an empty one, when no approval stands any\n"
    "> more; or open another pull request.\n"
)
WRITERS = ("admin", "write")
# As in state.sh: no setting starts a program, and a directory of the checkout that looks like a bare repository is none.
HARMLESS = (
    "--no-pager --literal-pathspecs -c safe.bareRepository=explicit -c core.fsmonitor=false -c core.hooksPath=/dev/null -c core.sshCommand=false"
    " -c log.showSignature=false -c commit.gpgsign=false -c gpg.program=false"
).split()
PROXIES = "https_proxy http_proxy no_proxy HTTPS_PROXY HTTP_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR GIT_SSL_CAINFO".split()

# An issue of each kind: its label, its title, and what is said when all is well.
ISSUES = {
    "drift": ("roomctl-drift", "Meeting rooms are not as they were applied", "All rooms are as they were applied again."),
    "apply": ("roomctl-apply", "What was merged is not applied to the meeting rooms", "All that was merged is applied."),
}


class TooMany(SystemExit):
    """A list that has no end. Ends the run with a sentence, unless whoever asked can go on without it."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is followed by whoever asked, without the token."""

    def redirect_request(self, *_):
        return None


def refuse(why):
    """Ends the run: something is not as it has to be."""
    print(f"::error title=roomctl::{plain(why)}")
    sys.exit(REFUSED)


def plain(text, most=300):
    """A text of somebody else's for a log or a comment: nothing in it can end a line, a word of ours or a fence."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in " ._-/:,+'") else "?" for c in str(text))
    return kept.replace("::", ":?")[:most]


def inert(text):
    """All of a text of somebody else's on one line of a comment: each mark in it is written as an entity."""
    return "".join(c if c.isascii() and c.isalnum() or c in " -,()" else f"&#{ord(c)};" for c in text.rstrip("\n"))


def git_at(folder, *arguments):
    """The command for git, beside the nearest `.git`: files of a pull request below it are no repository, with settings of theirs."""
    place = os.path.realpath(folder)
    while not os.path.lexists(os.path.join(place, ".git")) and place != os.path.dirname(place):
        place = os.path.dirname(place)
    return ["git", "-C", place, *HARMLESS, *arguments]


def surroundings(**more):
    """The environment of git: what it needs to find its settings, proxies and certificates, no token, and no way to a server but the
    one that is given."""
    needed = ["PATH", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_NOSYSTEM", "SYSTEMROOT", "USERPROFILE", *PROXIES]
    alone = {name: os.environ[name] for name in needed if name in os.environ}
    nothing = {"GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_TERMINAL_PROMPT": "0"}
    return {**alone, **nothing, **more}


def request(method, url, body=None, token=True):
    """One request: its status, headers and body. Its errors name the path, and never the token."""
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    if token:
        headers["Authorization"] = f"Bearer {os.environ.get('GITHUB_TOKEN', '')}"
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body).encode()
    asked = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.build_opener(_NoRedirect).open(asked, timeout=60) as answer:
            return answer.status, answer.headers, answer.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, b""
    except (OSError, ValueError) as error:
        sys.exit(f"{method} {urllib.parse.urlsplit(url).path} failed: {error}")


def call(method, path, body=None, absent=None):
    """What the API answers about this repository. `absent` is given out in place of what is not there (404)."""
    status, _, text = request(method, f"{API}/repos/{REPOSITORY}{path}", body)
    if status == 404 and absent is not None:
        return absent
    if status not in (200, 201) or len(text) > MOST_BYTES:
        sys.exit(f"GitHub answered {status} with {len(text)} bytes to {method} {path}")
    return json.loads(text)


def download(path):
    """A file that the API redirects to. Where it lies gets no token of ours."""
    status, headers, text = request("GET", f"{API}/repos/{REPOSITORY}{path}")
    if status in (301, 302, 303, 307, 308):
        status, _, text = request("GET", headers["Location"], token=False)
    if status != 200 or len(text) > MOST_BYTES:
        sys.exit(f"GitHub answered {status} with {len(text)} bytes to GET {path}")
    return text


def pages(path, key=None, newest=False):
    """All elements of a list that comes in pages, each asked for when it is wanted. One without an end is no list to believe
    a part of, but for the `newest`, which hide nothing that came after them."""
    mark = "&" if "?" in path else "?"
    for page in range(1, (MOST_NEWEST if newest else MOST_PAGES) + 1):
        found = call("GET", f"{path}{mark}per_page=100&page={page}")
        found = found if key is None else found[key]
        if newest:
            if len(found) == 100 and found[0]["created_at"] < found[-1]["created_at"]:
                sys.exit(f"GitHub lists {path} in another order than the newest first")
            found.sort(key=lambda one: (one["created_at"], one["id"]), reverse=True)
        yield from found
        if len(found) < 100:
            return
    if newest:
        print(f"::warning title=roomctl::there are more than {MOST_NEWEST * 100} elements in {path}, and only the newest are looked at")
        return
    raise TooMany(f"more than {MOST_PAGES * 100} elements in {path}")


def may_write(login):
    answer = call("GET", f"/collaborators/{urllib.parse.quote(login, safe='')}/permission", absent={"permission": "none"})
    return answer["permission"] in WRITERS


def default_branch():
    return call("GET", "")["default_branch"]


def outputs(**values):
    """Outputs of the step: numbers, commits and words of ours, so that none of them brings a line of its own."""
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as opened:
        opened.writelines(f"{name}={value}\n" for name, value in values.items())


def text_of(file, notes=None):
    """A report with its marker, and behind that what else there is to say. Nothing of it is cut: a part that is not shown may
    be what somebody would have objected to."""
    with open(file, encoding="utf-8") as opened:
        text = opened.read(MOST_TEXT + 1)
    marker, _, rest = text.partition("\n")
    if not marker.startswith("<!-- roomctl:"):
        sys.exit(f"{file} is not a report of roomctl")
    if notes and os.path.exists(notes):
        with open(notes, encoding="utf-8") as opened:
            rest = f"{opened.read(MOST_TEXT + 1)}\n{rest}"
    if len(rest.encode()) > MOST_TEXT:
        sys.exit(f"{file} is longer than a comment may be")
    return marker, f"{marker}\n{rest}"


def is_ours(one):
    """Anybody can write a comment or open an issue that begins like ours."""
    # Nobody, where the account is gone.
    who = one["user"] or {}
    return who.get("type") == "Bot" and who.get("login") == BOT


def seal(comment):
    """What moves when somebody edits a comment, also when it is put back."""
    return {"id": comment["id"], "digest": hashlib.sha256(comment["body"].encode()).hexdigest(), "updated_at": comment["updated_at"]}


def is_sealed(noted):
    """Whether a comment of ours is as it was when this was noted. Every workflow of the repository, on any branch, can ask for a token
    that speaks for the same bot, and edit what the bot wrote."""
    there = call("GET", f"/issues/comments/{int(noted['id'])}", absent={}) if noted else {}
    return bool(there) and is_ours(there) and seal(there) == noted


def standing(number, until):
    """The approvals that stand, of whatever commit, as far as they were given by a moment: GitHub dismisses none where a push leaves the
    difference as it was. One stands behind a later request for changes, too, which somebody may dismiss."""
    reviews = pages(f"/pulls/{number}/reviews")
    last = {one["user"]["login"]: one for one in reviews if one["user"] and one["state"] == "APPROVED"}
    # Of a public repository anybody may review a pull request; what an App may, nobody can ask for.
    counts = lambda login, one: one["submitted_at"] <= until and (one["user"].get("type") == "Bot" or may_write(login))
    return [one for login, one in last.items() if counts(login, one)]


def keep(file, **more):
    """Adds to what a file says of a plan: what it is of, and what the comment was."""
    source = {**kept(file), **more}
    with open(file, "w", encoding="utf-8") as opened:
        json.dump(source, opened)


def kept(file):
    if not os.path.exists(file):
        return {}
    with open(file, encoding="utf-8") as opened:
        return json.load(opened)


def comment(arguments, is_shown=None):
    """Writes the comment that begins with the marker, or edits the one that is there. Leaves it as it is once the pull request is not open
    any more, or ends with another commit than was planned.

    Notes in the source of a plan what it is then, and whether the plan counts: nobody can have read anything but what comment.yml wrote, and
    each approval that stands was given when `is_shown` says that all of the plan was there. It begins anew with another commit, and with the
    first, when there is no approval yet: what that was given to, nobody knows. No approval and no dismissal after that changes it."""
    marker, text = text_of(arguments.file, arguments.notes)
    if arguments.source:
        # Whatever it is a report of, it takes the place of the one before.
        marker, text = MARKER, MARKER + text.removeprefix(marker)
    found = pages(f"/issues/{arguments.pull_request}/comments")
    there = next((one for one in found if one["body"].startswith(marker) and is_ours(one)), None)
    if arguments.head:
        # The last thing before it is written: what was reviewed and merged stays as it was shown.
        pull = call("GET", f"/pulls/{arguments.pull_request}")
        if (pull["state"], pull["head"]["sha"]) != ("open", arguments.head):
            print("::notice title=roomctl::the pull request is closed or has another last commit by now: its comment stays as it is")
            outputs(late="yes")
            return
    if not arguments.source:
        write(arguments.pull_request, there, text)
        return
    source = kept(arguments.source)
    may_count = (there and seal(there)) == source["comment"] and (source["unbroken"] or source["anew"])
    written = write(arguments.pull_request, there, text if may_count else edited(text))
    # Asked when it is there: whoever approved something until then had read what was there before.
    approvals = standing(arguments.pull_request, written["updated_at"]) if may_count else []
    are_of_this = source["unbroken"] and all(is_shown(one["submitted_at"]) for one in approvals)
    counts = may_count and (are_of_this or not approvals)
    if may_count and not counts:
        written = write(arguments.pull_request, written, edited(text))
    keep(arguments.source, comment=seal(written), before=source["comment"], unbroken=counts, anew=False)


def edited(text):
    return text.replace(MARKER, f"{MARKER}\n{EDITED}", 1)


def write(number, there, text):
    if there is not None:
        return call("PATCH", f"/issues/comments/{there['id']}", {"body": text})
    return call("POST", f"/issues/{number}/comments", {"body": text})


def issue(arguments):
    """Keeps one issue: open with the report while something is wrong, closed when it is not."""
    label, title, well = ISSUES[arguments.kind]
    found = pages(f"/issues?state=open&labels={label}")
    there = next((one for one in found if is_ours(one) and "pull_request" not in one), None)
    if arguments.close:
        if there is not None:
            call("POST", f"/issues/{there['number']}/comments", {"body": well})
            call("PATCH", f"/issues/{there['number']}", {"state": "closed"})
        return
    _, text = text_of(arguments.file)
    if there is not None:
        call("PATCH", f"/issues/{there['number']}", {"body": text})
        return
    call("POST", "/issues", {"title": title, "body": text, "labels": [label]})


def adopted(arguments):
    """Keeps one pull request from a branch of ours: open while there is something to adopt."""
    owner = REPOSITORY.partition("/")[0]
    base = default_branch()
    asked = urllib.parse.urlencode({"state": "open", "head": f"{owner}:{arguments.branch}", "base": base})
    there = next(iter(call("GET", f"/pulls?{asked}")), None)
    if arguments.close:
        if there is not None:
            call("PATCH", f"/pulls/{there['number']}", {"state": "closed"})
        return
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    run = f"{server}/{REPOSITORY}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}"
    text = f"Somebody changed rooms on the service, and these are the lines of their files for it. {run} says what could not be adopted."
    if there is not None:
        call("PATCH", f"/pulls/{there['number']}", {"body": text})
        return
    title = "Adopt what was changed on the service"
    call("POST", "/pulls", {"title": title, "body": text, "head": arguments.branch, "base": base})


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("comment")
    one.add_argument("--file", required=True)
    one.add_argument("--notes")
    one.add_argument("--pull-request", type=int, required=True)
    one.set_defaults(run=comment, source=None, head=None)
    one = commands.add_parser("issue")
    one.add_argument("--kind", choices=ISSUES, required=True)
    one.add_argument("--file")
    one.add_argument("--close", action="store_true")
    one.set_defaults(run=issue)
    one = commands.add_parser("adopted")
    one.add_argument("--branch", required=True)
    one.add_argument("--close", action="store_true")
    one.set_defaults(run=adopted)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
