"""A GitHub of its own on loopback: pull requests, comments, issues, labels, runs and artifacts, as far as the workflows
ask for them. Who may write is held against the token, and time moves by a second with everything that happens."""

import itertools
import json
import urllib.parse

from loopback import Failed, Silent, git, serve

REPOSITORY = "acme/rooms"
BOT = {"type": "Bot", "login": "github-actions[bot]"}
# What a job gets: one that runs the code of a pull request may read.
READ, WRITE = "token-that-reads", "token-that-writes"


class GitHub:
    """What the server knows. Pull requests are opened, labelled and merged by the rehearsal."""

    def __init__(self, origin):
        self.origin = origin
        self.pulls, self.runs, self.artifacts = [], {}, {}
        self.comments, self.issues, self.events, self.reviews = [], [], [], []
        self.permissions = {"maintainer": "write"}
        # Who comments with the token that writes.
        self.bot = BOT
        self.leaks, self.asked = [], []
        self.seconds, self.ids = itertools.count(), itertools.count(1)
        outer = self

        class Handler(Silent):
            def do_GET(self):
                self.handle_with(lambda path: outer.get(path))

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.handle_with(lambda path: outer.write(path, body), writes=True)

            do_PATCH = do_POST

            def handle_with(self, answer, writes=False):
                given = self.headers.get("Authorization")
                if self.path.startswith("/storage/"):
                    # Where artifacts lie is not GitHub: whatever comes there is known to others.
                    outer.leaks.extend([given] if given else [])
                    return self.send(200, outer.artifacts[int(self.path.split("/")[2])]["content"])
                path = self.path.removeprefix(f"/repos/{REPOSITORY}")
                outer.asked.append(path)
                if writes and given != f"Bearer {WRITE}":
                    return self.send(403, b"{}")
                if path.endswith("/zip"):
                    return self.send(302, b"", Location=f"{outer.url}/storage/{path.split('/')[3]}")
                found = answer(path)
                return self.send(404 if found is None else 200, json.dumps(found).encode())

        _, self.url = serve(Handler)

    def now(self):
        second = next(self.seconds)
        return f"2026-11-24T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"

    def artifact(self, run, name, content):
        number = len(self.artifacts) + 1
        of = self.runs.get(run, {})
        # A number for each repository, as the list of artifacts has it.
        ids = [of.get(which, {}).get("full_name", REPOSITORY) for which in ("repository", "head_repository")]
        ids = [sum(name.encode()) for name in ids]
        about = {"id": run, "head_branch": of.get("head_branch", "main"), "repository_id": ids[0], "head_repository_id": ids[1]}
        self.artifacts[number] = {
            "id": number, "name": name, "expired": False, "created_at": self.now(),
            "workflow_run": about, "content": content,
        }

    def label(self, pull, name, who):
        """Somebody sets a label."""
        pull["labels"].append({"name": name})
        event = {"event": "labeled", "label": {"name": name}, "actor": {"login": who}, "created_at": self.now()}
        self.events.append((pull["number"], event))

    def get(self, path):
        path, _, query = path.partition("?")
        asked = {name: values[0] for name, values in urllib.parse.parse_qs(query).items()}
        match path.strip("/").split("/"):
            case [""]:
                return {"default_branch": "main"}
            case ["pulls"]:
                return [pull for pull in self.pulls if ("open", asked["head"]) == (pull["state"], pull["head"]["label"]) and asked.get("base", pull["base"]["ref"]) == pull["base"]["ref"]]
            case ["pulls", number]:
                return next(pull for pull in self.pulls if pull["number"] == int(number))
            case ["pulls", number, "reviews"]:
                return [review for pull, review in self.reviews if pull == int(number)]
            case ["compare", span]:
                return self.compare(*span.split("..."))
            case ["git", "ref", "heads", name]:
                return {"object": {"sha": git("-C", self.origin, "rev-parse", f"refs/heads/{name}")}}
            case ["commits", sha, "pulls"]:
                return [pull for pull in self.pulls if sha in pull["commits"]]
            case ["issues"]:
                return [one for one in self.issues if one["state"] == "open" and asked["labels"] in one["labels"]]
            case ["issues", "comments", number]:
                return next((one for one in self.comments if one["id"] == int(number)), None)
            case ["issues", number, "comments"]:
                return [one for one in self.comments if one["issue"] == int(number)]
            case ["issues", number, "events"]:
                begin = (int(asked.get("page", 1)) - 1) * 100
                return [event for issue, event in self.events if issue == int(number)][begin:begin + 100]
            case ["collaborators", login, "permission"]:
                return {"permission": self.permissions[login]} if login in self.permissions else None
            case ["actions", "artifacts"]:
                kept = [one for one in self.artifacts.values() if one["name"] == asked["name"]]
                shown = [{name: value for name, value in one.items() if name != "content"} for one in kept]
                # The newest first, in pages.
                begin = (int(asked.get("page", 1)) - 1) * 100
                return {"artifacts": shown[::-1][begin:begin + 100]}
            case ["acme", "rooms", "releases", *_]:
                return None
            case ["actions", "runs", number]:
                return self.runs[int(number)]
        raise AssertionError(f"nobody asks for {path}")

    def compare(self, base, head):
        """How the second stands to the first; nothing if one is unknown."""
        try:
            there, tip = (git("-C", self.origin, "rev-parse", f"{one}^{{commit}}") for one in (base, head))
            common = git("-C", self.origin, "merge-base", there, tip)
        except Failed:
            return None
        return {"status": {(True, True): "identical", (True, False): "ahead", (False, True): "behind"}.get((common == there, common == tip), "diverged")}

    def write(self, path, body):
        match path.strip("/").split("/"):
            case ["pulls"]:
                # Numbers far from those that the rehearsal gives.
                about = {"number": 1000 + len(self.pulls), "state": "open", "merged_at": None, "labels": [], "commits": {}}
                head = {"label": f"{REPOSITORY.partition('/')[0]}:{body['head']}", "sha": None, "repo": REPOSITORY}
                self.pulls.append({**body, **about, "user": BOT, "base": {"ref": body["base"]}, "head": head})
            case ["pulls", number]:
                next(pull for pull in self.pulls if pull["number"] == int(number)).update(body)
            case ["issues", "comments", number]:
                there = next(one for one in self.comments if one["id"] == int(number))
                there.update(body, edited=True, updated_at=self.now())
                return there
            case ["issues", number, "comments"]:
                made = {"id": next(self.ids), "issue": int(number), "user": self.bot, "updated_at": self.now(), **body}
                self.comments.append(made)
                return made
            case ["issues", number]:
                self.issues[int(number) - 100].update(body)
            case ["issues"]:
                self.issues.append({"number": 100 + len(self.issues), "state": "open", "user": BOT, **body})
        return {}
