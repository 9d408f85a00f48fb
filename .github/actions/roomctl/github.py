"""The few calls to GitHub that the workflows need: one comment that is edited in place, one issue that is opened,
updated and closed, and the run whose plan was reviewed. Standard library only; texts come from files."""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request

API = os.environ.get("GITHUB_API_URL", "https://api.github.com")
REPOSITORY = os.environ.get("GITHUB_REPOSITORY", "")
LABEL = "roomctl-drift"


def call(method, path, body=None):
    """One request. Its errors name the path, and never the token."""
    request = urllib.request.Request(
        f"{API}/repos/{REPOSITORY}{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ.get('GITHUB_TOKEN', '')}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"GitHub answered {error.code} to {method} {path}")
    except (OSError, ValueError) as error:
        sys.exit(f"{method} {path} failed: {error}")


def pages(path):
    """All elements of a list that comes in pages."""
    mark = "&" if "?" in path else "?"
    for page in range(1, 100):
        found = call("GET", f"{path}{mark}per_page=100&page={page}")
        yield from found
        if len(found) < 100:
            return


def text_of(file):
    with open(file, encoding="utf-8") as opened:
        text = opened.read()
    marker = text.split("\n", 1)[0]
    if not marker.startswith("<!-- roomctl:"):
        sys.exit(f"{file} is not a report of roomctl")
    return marker, text


def comment(arguments):
    """Writes the comment that begins with the marker, or edits the one that is there."""
    marker, text = text_of(arguments.file)
    number = arguments.pull_request or pull_request_of(arguments.sha)
    if number is None:
        print("there is no open pull request for this commit")
        return
    for one in pages(f"/issues/{int(number)}/comments"):
        # Only our own: anybody can write a comment that begins like this.
        if one["body"].startswith(marker) and one["user"]["type"] == "Bot":
            call("PATCH", f"/issues/comments/{one['id']}", {"body": text})
            return
    call("POST", f"/issues/{int(number)}/comments", {"body": text})


def pull_request_of(sha):
    """The open pull request whose last commit is `sha`. Asked, not taken from what a fork could have written."""
    for one in pages(f"/commits/{sha}/pulls"):
        if one["state"] == "open" and one["head"]["sha"] == sha:
            return one["number"]
    return None


def issue(arguments):
    """Keeps one issue: open with the report while rooms drift, closed when they do not."""
    there = next(iter(pages(f"/issues?state=open&labels={LABEL}")), None)
    if arguments.close:
        if there is not None:
            call("POST", f"/issues/{there['number']}/comments", {"body": "All rooms are as they were applied again."})
            call("PATCH", f"/issues/{there['number']}", {"state": "closed"})
        return
    _, text = text_of(arguments.file)
    if there is not None:
        call("PATCH", f"/issues/{there['number']}", {"body": text})
        return
    title = "Meeting rooms are not as they were applied"
    call("POST", "/issues", {"title": title, "body": text, "labels": [LABEL]})


def reviewed_run(arguments):
    """Prints the run that planned what was merged as `sha`; nothing when it was not planned in a pull request."""
    merged = [one for one in pages(f"/commits/{arguments.sha}/pulls") if one["merged_at"]]
    if len(merged) != 1:
        return
    head = merged[0]["head"]["sha"]
    found = call("GET", f"/actions/workflows/{arguments.workflow}/runs?head_sha={head}&event=pull_request&status=success")
    if found["workflow_runs"]:
        print(max(found["workflow_runs"], key=lambda run: run["id"])["id"])


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("comment")
    one.add_argument("--file", required=True)
    one.add_argument("--pull-request", default="")
    one.add_argument("--sha", default="")
    one.set_defaults(run=comment)
    one = commands.add_parser("issue")
    one.add_argument("--file")
    one.add_argument("--close", action="store_true")
    one.set_defaults(run=issue)
    one = commands.add_parser("reviewed-run")
    one.add_argument("--sha", required=True)
    one.add_argument("--workflow", default="plan.yml")
    one.set_defaults(run=reviewed_run)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
