"""A GitHub of its own on loopback: pull requests, comments, issues and runs, as far as the workflows ask for them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class GitHub:
    """What the server knows. `pulls` and `runs` are set by the rehearsal."""

    def __init__(self):
        self.pulls = []
        self.runs = []
        self.comments = []
        self.issues = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(outer.get(self.path.split("/repos/acme/rooms", 1)[1]))

            def do_POST(self):
                self.answer(outer.write(self.path.split("/repos/acme/rooms", 1)[1], self.body()))

            do_PATCH = do_POST

            def body(self):
                return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, value):
                text = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def get(self, path):
        parts = path.split("?")[0].strip("/").split("/")
        if parts[0] == "commits":
            return [pull for pull in self.pulls if parts[1] in pull["commits"]]
        if parts[0] == "issues" and len(parts) == 3:
            return [one for one in self.comments if one["issue"] == int(parts[1])]
        if parts[0] == "issues":
            return [one for one in self.issues if one["state"] == "open"]
        head = path.split("head_sha=")[1].split("&")[0]
        return {"workflow_runs": [run for run in self.runs if run["head"] == head]}

    def write(self, path, body):
        parts = path.strip("/").split("/")
        if parts[:2] == ["issues", "comments"]:
            (one,) = [one for one in self.comments if one["id"] == int(parts[2])]
            one.update(body, edited=True)
        elif len(parts) == 3:
            user = {"type": "Bot"}
            self.comments.append({"id": len(self.comments) + 1, "issue": int(parts[1]), "user": user, **body})
        elif len(parts) == 2:
            (one,) = [one for one in self.issues if one["number"] == int(parts[1])]
            one.update(body)
        else:
            self.issues.append({"number": 100 + len(self.issues), "state": "open", **body})
        return {}
