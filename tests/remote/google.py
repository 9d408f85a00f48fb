"""A fake of Google Cloud Storage, ours: of the XML interface what object_store uses, with generations that hold under races, and of the
JSON interface the list of versions, all of which are kept. The emulators that there are do not look at `x-goog-if-generation-match`, which our
lock stands on.

    tests/remote/google.py PORT [DIRECTORY]

In the directory it keeps what it holds, for one that is started after it. As long as there is a file `busy` in it, every second question is
answered with 503, and slowly; as long as there is one `expired`, all are with 401."""
import hashlib
import itertools
import json
import os
import pickle
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

OBJECTS, VERSIONS, LOCK, GENERATIONS = {}, [], threading.Lock(), itertools.count(1)
WHEN = "2026-01-01T00:00:00.000Z"


# Where it keeps what it holds; nothing, unless it was named.
KEPT, ASKED = None, itertools.count()


def has(mark):
    return KEPT is not None and os.path.exists(f"{KEPT}/{mark}")


def keep():
    """Whole or not at all: it may be killed at any moment."""
    if KEPT is None:
        return
    with open(f"{KEPT}/new", "wb") as file:
        pickle.dump((OBJECTS, VERSIONS, next(GENERATIONS)), file)
    os.replace(f"{KEPT}/new", f"{KEPT}/objects")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def parse_request(self):
        """Answers what nobody gets an answer to now."""
        if not super().parse_request():
            return False
        busy = has("busy") and next(ASKED) % 2
        if not busy and not has("expired"):
            return True
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if busy:
            time.sleep(0.2)
            self.answer(503, b"<Error><Code>ServiceUnavailable</Code><Message>Busy.</Message></Error>")
        else:
            self.answer(401, b"<Error><Code>AuthenticationRequired</Code><Message>The token has expired.</Message><Token>canary-token</Token></Error>")
        return False

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.pop("length", None) or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def meta(self, data, generation):
        return {"ETag": f'"{hashlib.md5(data).hexdigest()}"', "x_goog_generation": str(generation),
                "Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}

    def do_PUT(self):
        data, key = self.rfile.read(int(self.headers.get("Content-Length", 0))), urllib.parse.unquote(self.path)
        wanted = self.headers.get("x-goog-if-generation-match")
        with LOCK:
            there = OBJECTS.get(key, (b"", 0))[1]
            if wanted is not None and int(wanted) != there:
                return self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            generation = next(GENERATIONS)
            OBJECTS[key] = (data, generation)
            VERSIONS.append((key, generation, time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), data))
            keep()
        self.answer(200, **self.meta(data, generation))

    def do_GET(self):
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        if "list-type" in query:
            return self.list(path.strip("/"), query.get("prefix", ""))
        if path.startswith("/storage/v1/b/"):
            return self.versions(path.split("/")[4], query["prefix"])
        path = urllib.parse.unquote(path)
        there = [(data, number) for key, number, _, data in list(VERSIONS) if key == path and str(number) == query.get("generation")]
        if "generation" not in query and path in OBJECTS:
            there = [OBJECTS[path]]
        if not there:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        data, generation = there[0]
        self.answer(200, data, **self.meta(data, generation))

    do_HEAD = do_GET

    def versions(self, bucket, prefix):
        kept = sorted((key.removeprefix(f"/{bucket}/"), number, when) for key, number, when, _ in list(VERSIONS)
                      if key.startswith(f"/{bucket}/{prefix}"))
        items = [{"name": key, "generation": str(number), "timeCreated": when} for key, number, when in kept]
        self.answer(200, json.dumps({"items": items}).encode())

    def list(self, bucket, prefix):
        found = {key.removeprefix(f"/{bucket}/"): it for key, it in list(OBJECTS.items()) if key.startswith(f"/{bucket}/{prefix}")}
        rows = (f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size><LastModified>{WHEN}</LastModified>"
                f"<ETag>{self.meta(data, 0)['ETag']}</ETag></Contents>" for key, (data, _) in sorted(found.items()))
        self.answer(200, f"<ListBucketResult>{''.join(rows)}</ListBucketResult>".encode())

    def do_DELETE(self):
        with LOCK:
            there = OBJECTS.pop(urllib.parse.unquote(self.path), None)
            keep()
        self.answer(204 if there else 404)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        KEPT = sys.argv[2]
        if os.path.exists(f"{KEPT}/objects"):
            with open(f"{KEPT}/objects", "rb") as kept:
                OBJECTS, VERSIONS, generation = pickle.load(kept)
                GENERATIONS = itertools.count(generation + 1)
    ThreadingHTTPServer.allow_reuse_address = True
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
