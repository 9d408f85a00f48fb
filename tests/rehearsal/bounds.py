"""What is made to fill the memory or to take for ever, in every place that the program reads from: files of each kind and answers
of a service. Each run ends by itself, with its documented code, within the time and the memory that it may take.

    python3 tests/rehearsal/bounds.py target/debug/roomctl [PART OF A NAME]

Everything happens in a temporary directory and on loopback."""

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from loopback import KEY, MEMORY, SECONDS, Silent, check, serve, step

# A debug build takes up to ten times as long as the program that people run.
SLOWER = 10
# Just what is still read: of data, of what people write, and of an answer.
DATA, TEXT, ANSWER = 64 * 2**20 - 4096, 256 * 2**10 - 256, 2**20 - 4096
CHUNK = 10_000


class Many:
    """`one` as often as it fits into so many bytes; a `#` in it is a number. Never all of it at once: what a program takes is
    counted with what its parent took."""

    def __init__(self, one, size=DATA, between=","):
        self.one, self.between = one, between
        self.count = size // (len(one.replace("#", "0" * 7)) + len(between))

    def __iter__(self):
        for begin in range(0, self.count, CHUNK):
            ends = range(begin, min(begin + CHUNK, self.count))
            chunk = self.between.join(self.one.replace("#", f"{n:07}") for n in ends)
            yield chunk if ends[-1] + 1 == self.count else chunk + self.between


def pieces(parts):
    for part in parts:
        yield from [part] if isinstance(part, str) else part


def written(parts, path):
    with open(path, "w") as opened:
        opened.writelines(pieces(parts))


def line(parts):
    """A line of a journal, with its checksum."""
    digest = hashlib.sha256()
    for piece in pieces(parts):
        digest.update(piece.encode())
    return [f"{digest.hexdigest()[:16]} ", *parts, "\n"]


class Lines:
    """So many bytes of journal lines, each with another number in the place of a `#`."""

    def __init__(self, one):
        self.one = one

    def __iter__(self):
        for n in range(DATA // (len(self.one) + 24)):
            yield "".join(line([self.one.replace("#", f"{n:07}")]))


def small(size=DATA):
    """Values of JSON of which each byte becomes as much as it can."""
    return {
        "numbers": ["[", Many("0", size), "]"],
        "arrays": ["[", Many("[]", size), "]"],
        "objects": ["[", Many("{}", size), "]"],
        "objects of one": ["[", Many('{"":0}', size), "]"],
        "objects in objects": ["[", Many('{"":' * 50 + "0" + "}" * 50, size), "]"],
        "arrays in arrays": ["[", Many("[" * 50 + "]" * 50, size), "]"],
        "depth": [Many("[", size // 2, ""), Many("]", size // 2, "")],
        "one text": ['"', Many("x", size, ""), '"'],
        "escapes": ['"', Many(r"\u0041", size, ""), '"'],
        "texts": ["[", Many('"x"', size), "]"],
        "keys": ["{", Many('"#":0', size), "}"],
        "keys of objects": ["{", Many('"#":{"":0}', size), "}"],
    }


def few():
    return [(name, small()[name]) for name in ("objects of one", "arrays in arrays", "one text")]


def states():
    def of(*rooms):
        return ['{"version":2,"lineage":"7f0c","serial":0,"app":"acme","rooms":{', *rooms, "}}"]

    maps = '"settings":{"a":0},"observed":{"a":0},"overridden":{"a":0},"unconfirmed":{"a":[0]},"unseen":["a"]'
    for size in (DATA, DATA // 16):
        yield f"rooms, {size}", of(Many('"r#":{}', size))
        yield f"rooms of one setting, {size}", of(Many('"r#":{"settings":{"a":0}}', size))
        yield f"rooms of all maps, {size}", of(Many('"r#":{%s}' % maps, size))
        forty = ",".join(f'"k{n}":0' for n in range(40))
        yield f"rooms of forty settings, {size}", of(Many('"r#":{"settings":{%s}}' % forty, size))
        yield f"one room of settings, {size}", of('"a":{"settings":{', Many('"k#":0', size), "}}")
        yield f"one room of doubts, {size}", of('"a":{"unconfirmed":{', Many('"k#":[0]', size), "}}")
        yield f"one doubt, {size}", of('"a":{"unconfirmed":{"a":[', Many("1#", size), "]}}")
        yield f"one room, unseen, {size}", of('"a":{"unseen":[', Many('"#"', size), "]}")
    yield "one room again", of(Many('"a":{"settings":{"a":0}}'))
    for name, parts in few():
        yield f"version of {name}", ['{"version":', *parts, "}"]
        yield f"settings of {name}", of('"a":{"settings":', *parts, "}")


def journals():
    header = line(['{"journal":2,"app":"acme","lineage":"7f0c","serial":0}'])
    yield "one event", [*header, *line(['{"intent":{"room":"a","settings":{', Many('"k#":[0]'), "}}}"])]
    yield "events of one room", [*header, Lines('{"intent":{"room":"a","settings":{"a":[#]}}}'.replace("[#", "[1#"))]
    yield "missing rooms", [*header, Lines('{"missing":{"room":"r#"}}')]
    yield "applied rooms", [*header, Lines('{"applied":{"room":"r#","applied":{"settings":{"a":0}}}}')]
    yield "empty rooms", [*header, Lines('{"applied":{"room":"r#","applied":{}}}')]
    for name, parts in few():
        yield f"header of {name}", line(['{"journal":', *parts, "}"])


def reports():
    def of(kind, *rest):
        return ['{"format_version":"1.0","kind":"%s",' % kind, *rest, "}"]

    finding = '{"rule":"x","severity":"error","file":"a","line":1,"column":1,"message":"","related":[],"help":""}'
    counts = '"summary":{"files":1,"errors":0,"warnings":0,"notes":0},"findings":['
    for size in (DATA, DATA // 8):
        yield f"findings, {size}", of("validate", counts, Many(finding, size), "]")
    for name, parts in small().items():
        for kind in ("plan", "saved-plan"):
            yield f"{kind} of {name}", of(kind, '"report":', *parts, ',"changes":', *parts)
        yield name, parts
    for name, parts in few():
        yield f"version of {name}", ['{"format_version":', *parts, "}"]


def texts():
    """What people write, in YAML."""
    letters = "bcdefghijklmnopqrstuvw"
    yield "aliases", ["a: &a [x,x,x]\n", *[f"{n}: &{n} [*{chr(ord(n) - 1)},*{chr(ord(n) - 1)}]\n" for n in letters]]
    for one in ("k#: 1", "k#: &a# x", "- a", "---", "# a", "a: 1", "", "a:", "? a"):
        yield f"lines of {one!r}", [Many(one, TEXT, "\n"), "\n"]
    for one in ("[]", "{}", "[[]]", "x", "{a: 1}", "1"):
        yield f"a list of {one}", ["a: [", Many(one, TEXT), "]\n"]
    for one in ("[", "{a: ", "- ", "? ", "!x ", "a: |\n ", "'", '"', "&a ", "*a ", "<<: "):
        yield f"{one!r} again", [Many(one, TEXT, "")]
    yield "escapes", ['a: "', Many(r"\x41", TEXT, ""), '"\n']
    yield "steps", [" " * n + "a:\n" for n in range(700)]
    for name in ("mutes", "policies", "owns", "protected", "guard", "privacy", "tags"):
        yield f"{name} of objects", [f"{name}: [", Many('{"a":"b"}', TEXT), "]\n"]
        yield f"{name} of words", [f"{name}: [", Many("w#", TEXT), "]\n"]
        yield f"{name} of patterns", [f"{name}: [", Many('"[!a-y]?*{b,c}#"', TEXT // 3), "]\n"]


# Where it lies, what is made of it, what reads it, and how that may end.
FILES = [
    (".roomctl/state.json", states, ["plan"], (0, 3, 7)),
    (".roomctl/state.json.journal", journals, ["plan"], (0, 3, 7)),
    (".roomctl/state.json.lock", few, ["apply", "--yes"], (7,)),
    (".roomctl/sandbox.json", few, ["plan", "--live", "--sandbox"], (7,)),
    ("report.json", reports, ["render", "report.json"], (0, 3)),
    ("saved.json", reports, ["apply", "saved.json", "--yes"], (3, 4)),
    ("key", few, ["drift", "--secret-key-file", "key"], (64,)),
    ("rooms/hostile.yaml", texts, ["validate"], (3,)),
    ("rooms/_defaults.yaml", texts, ["validate"], (0, 3)),
    ("roomctl.yaml", texts, ["plan"], (0, 3, 64)),
    ("mutes.yaml", texts, ["plan"], (0, 3)),
]


def taken(program, place, arguments, **more):
    """How a run ended, and the KiB and the seconds that it took."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(place), "METERED_SECRET_KEY": KEY, **more}
    with open(place / "said", "w") as said:
        child = subprocess.Popen(
            [program, *arguments], cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (SECONDS * SLOWER, SECONDS * SLOWER)),
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, used.ru_maxrss, used.ru_utime + used.ru_stime


class Bounds:
    def __init__(self, program, work, named):
        self.program, self.work, self.named = program, work, named
        self.wrong, self.worst = [], {}

    def fresh(self, name="place"):
        place = self.work / name
        shutil.rmtree(place, ignore_errors=True)
        (place / "rooms").mkdir(parents=True)
        (place / ".roomctl").mkdir()
        (place / "roomctl.yaml").write_text("app: acme\n")
        (place / "rooms/a.yaml").write_text("privacy: private\n")
        return place

    def run(self, what, place, arguments, codes, **more):
        code, memory, seconds = taken(self.program, place, arguments, **more)
        kind = what.split(":")[0]
        before = self.worst.get(kind, (0, 0))
        self.worst[kind] = (max(before[0], memory), max(before[1], seconds))
        if code not in codes or memory > MEMORY:
            said = (place / "said").read_text(errors="replace")[:300]
            self.wrong.append(f"{what}: ended with {code}, {memory} KiB, {seconds:.1f} s: {said}")
            print(self.wrong[-1], flush=True)

    def files(self):
        for path, made, arguments, codes in FILES:
            for name, parts in made():
                what = f"{path}, {' '.join(arguments)}: {name}"
                if self.named not in what:
                    continue
                place = self.fresh()
                written(parts, place / path)
                self.run(what, place, arguments, codes)

    def answers(self):
        """A service that answers everything with the same."""
        for name, parts in small(ANSWER).items():
            body = "".join(pieces(parts)).encode()

            class Handler(Silent):
                def do_GET(self):
                    self.rfile.read(int(self.headers.get("Content-Length", 0)))
                    self.send(200, body)

                do_PUT = do_POST = do_GET

            for arguments, codes in ((["drift"], (5, 6)), (["import", "--all"], (5, 6)), (["apply", "--yes"], (5, 6))):
                what = f"answers, {arguments[0]}: {name}"
                if self.named not in what:
                    continue
                place = self.fresh()
                for n in range(20):
                    (place / f"rooms/room-{n}.yaml").write_text("privacy: private\n")
                server, url = serve(Handler)
                self.run(what, place, ["--base-url", url, *arguments], codes)
                server.shutdown()


def main():
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as work:
        bounds = Bounds(program, Path(work), *(sys.argv[2:] or [""]))
        bounds.files()
        bounds.answers()
    for kind, (memory, seconds) in bounds.worst.items():
        step(f"{kind}: at most {memory // 1024} MiB and {seconds:.1f} s")
    check(bounds.wrong == [], "\n".join(bounds.wrong))


if __name__ == "__main__":
    main()
