"""What is made to fill the memory or to take for ever, in every place that the program reads from: files of each kind and answers
of a service. Each run ends by itself, with its documented code, within the time and the memory that it may take.

    python3 tests/rehearsal/bounds.py target/debug/roomctl [PART OF A NAME]

Everything happens in a temporary directory and on loopback."""

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from loopback import KEY, MEMORY, SECONDS, Silent, check, serve, step

# A debug build takes up to ten times as long as the program that people run.
SLOWER = 10
# Just what is still read: of data, of one text in it, of what people write, and of an answer.
DATA, LONGEST, TEXT, ANSWER = 64 * 2**20 - 4096, 8 * 2**20 - 256, 256 * 2**10 - 256, 2**20 - 4096
CHUNK = 10_000


class Many:
    """`one` as often as it fits into so many bytes; a `#` in it is a number. Never all of it at once: what a program takes is
    counted with what its parent took."""

    def __init__(self, one, size=DATA, between=","):
        self.one, self.between = one + between, between
        self.count = size // len(self.one.replace("#", "0" * 7))

    def __iter__(self):
        for begin in range(0, self.count, CHUNK):
            count = min(CHUNK, self.count - begin)
            chunk = self.one * count
            if "#" in self.one:
                # One call for all of a chunk: the numbers are most of what it takes to make one.
                marks, numbers = self.one.count("#"), range(begin, begin + count)
                numbers = numbers if marks == 1 else [n for n in numbers for _ in range(marks)]
                chunk = chunk.replace("%", "%%").replace("#", "%07d") % tuple(numbers)
            yield chunk if begin + count < self.count else chunk[: len(chunk) - len(self.between)]


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
    return [(name, small()[name]) for name in ("objects of one", "arrays in arrays")]


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
    yield "version of one text", ['{"version":', *small()["one text"], "}"]
    text = Many("x", DATA, "")
    yield "app of one text", ['{"version":2,"lineage":"7f0c","serial":0,"rooms":{},"app":"', text, '"}']
    yield "setting of one text", of('"a":{"settings":{"privacy":"', text, '"}}')
    one = [':{"settings":{"privacy":"', Many("x", LONGEST, ""), '"}}']
    yield "settings of long texts", of(*[part for n in range(22) for part in ("," * (n > 0), f'"r{n}"', *one)])
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


def report(kind, *rest):
    return ['{"format_version":"1.0","kind":"%s",' % kind, *rest, "}"]


def reports():
    finding = '{"rule":"x","severity":"error","file":"a","line":1,"column":1,"message":"","related":[],"help":""}'
    counts = '"summary":{"files":1,"errors":0,"warnings":0,"notes":0},"findings":['
    for size in (DATA, DATA // 8):
        yield f"findings, {size}", report("validate", counts, Many(finding, size), "]")
    for name, parts in small().items():
        yield f"changes of {name}", report("plan", '"changes":', *parts)
    begin, end = finding.split('"message":"')
    for name, length in (("one text", DATA), ("long texts", LONGEST)):
        one = [begin, '"message":"', Many("x", length, ""), end]
        yield f"findings of {name}", report("validate", counts, *([*one, ","] * (DATA // length - 1)), *one, "]")
    for name, one in (
        ("nothing", "null"), ("stacks", '{"format_version":"1.0","kind":"stacks","command":"plan","stacks":[]}'),
        ("findings", "".join(report("validate", counts, "]"))),
    ):
        stack = '{"stack":"s#","exit":0,"error":null,"report":%s}' % one
        yield f"stacks of {name}", report("stacks", '"command":"plan","stacks":[', Many(stack), "]")
    for name, parts in few():
        yield f"version of {name}", ['{"format_version":', *parts, "}"]
        yield name, parts


def saved_plans():
    for name, parts in small(DATA // 2).items():
        yield f"report and changes of {name}", report("saved-plan", '"report":', *parts, ',"changes":', *parts)


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


def stacks():
    for count in (200, 1000):
        yield f"{count}", ["app: acme\nstacks: [", ",".join(f"{{name: s{n}}}" for n in range(count)), "]\n"]


def values():
    """One value again and again, of those that the configuration gives."""
    yield "values in one text", ["privacy: private\nmeetingJoinWebhook: 'https://a.example/", Many("${var:long}", TEXT - 100, ""), "'\n"]
    yield "values in a list", ["tags: [", Many("'${var:long}'", TEXT - 100), "]\n"]


def products():
    """Lists of which each entry is held against each room, as long as they are still read."""
    for name, one, count in (
        ("names", "?*a*b", 4900), ("ways", "{" + "*a*b??c," * 28 + "}", 130), ("waits", "*a" + "?" * 60 + "c", 500),
        ("too many ways", "{a,b,c,d}" * 8, 500),
    ):
        patterns = ",".join([f"'{one}'"] * count)
        for key in ("owns", "protected"):
            yield f"{key} of {name}", [f"app: acme\n{key}: [{patterns},'*']\n"]
    for name, one in ("waits", "*a*b" * 14), ("names", "*"):
        policies = [f"- {{id: p{n}, rooms: '{one}?{n}', expression: 'true', message: m}}\n" for n in range(500)]
        yield f"policies of {name}", ["app: acme\npolicies:\n", *policies]


def inherited():
    """What each of the rooms has from one file above them."""
    references = "".join(f"${{env:ROOM_{n:05}}}" for n in range(8))
    for name, text in (
        ("one text", "x" * 200_000), ("one text, as long as it may be", "x" * (32 * 1024 * 1024 // MANY - 40)),
        ("references", references * 1_500), ("values", "${var:long}"), ("too many values", "${var:long}" * 100), ("as many references as may be", references),
    ):
        hooks = [f"meeting{what}Webhook: 'https://a.example/{text}'\n" for what in ("Join", "Left", "Started", "Ended")]
        yield name, hooks if "references" in name else hooks[:1]


def many_mutes():
    for count in (1000, 2000):
        yield f"{count}", ["mutes:\n", *["- {room: '?*a*b', attribute: '*', reason: r, until: 2100-01-01}\n"] * count]


# Where it lies, what is made of it, what reads it, and how that may end. Beside it there are FEW rooms, or where what it holds
# is asked about each of them, MANY: each with a name of some length.
FEW, MANY = 20, 400
FILES = [
    (".roomctl/state.json", states, ["plan"], (0, 3, 7)),
    (".roomctl/state.json.journal", journals, ["plan"], (0, 3, 7)),
    (".roomctl/state.json.lock", few, ["apply", "--yes"], (7,)),
    (".roomctl/sandbox.json", few, ["plan", "--live", "--sandbox"], (7,)),
    ("report.json", reports, ["render", "report.json"], (0, 3)),
    ("saved.json", saved_plans, ["apply", "saved.json", "--yes"], (3, 4)),
    ("key", few, ["drift", "--secret-key-file", "key"], (64,)),
    ("rooms/hostile.yaml", texts, ["validate"], (3,)),
    ("rooms/hostile.yaml", values, ["validate"], (3,)),
    ("rooms/_defaults.yaml", texts, ["validate"], (0, 3)),
    ("roomctl.yaml", texts, ["plan"], (0, 3, 64)),
    ("roomctl.yaml", stacks, ["validate"], (0, 3)),
    ("mutes.yaml", texts, ["plan"], (0, 3)),
    ("roomctl.yaml", products, ["plan"], (0, 3)),
    ("mutes.yaml", many_mutes, ["plan"], (0, 3)),
    ("rooms/_defaults.yaml", inherited, ["plan"], (0, 3)),
]


def cases():
    """What is tried: a name, the parts of a file or of an answer and where the file lies, a command, and how it may end."""
    for path, made, arguments, codes in FILES:
        for name, parts in made():
            yield f"{path}, {' '.join(arguments)}: {name}", parts, path, arguments, codes
    for arguments in (["drift"], ["import", "--all"], ["apply", "--yes"]):
        for name, parts in small(ANSWER).items():
            yield f"answers, {arguments[0]}: {name}", parts, None, arguments, (5, 6)


def fresh(place, rooms):
    (place / "rooms").mkdir(parents=True)
    (place / ".roomctl").mkdir()
    (place / "roomctl.yaml").write_text(f"app: acme\nvars: {{long: {'x' * 1000}}}\n")
    for n in range(rooms):
        (place / f"rooms/room-{n}-{'ba' * 50}.yaml").write_text("privacy: private\n")


def answering(parts):
    """The address of a service that answers everything with the same."""
    body = "".join(pieces(parts)).encode()

    class Handler(Silent):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send(200, body)

        do_PUT = do_POST = do_GET

    return serve(Handler)


def taken(program, case):
    """What was tried, how it ended, the KiB and the seconds that it took, and what it said if that was wrong."""
    what, parts, path, arguments, codes = case
    with tempfile.TemporaryDirectory() as work:
        place, server = Path(work), None
        is_product = arguments == ["plan"] and path in ("roomctl.yaml", "mutes.yaml", "rooms/_defaults.yaml")
        fresh(place, MANY if is_product else FEW)
        if path is None:
            server, url = answering(parts)
            arguments = ["--base-url", url, *arguments]
        else:
            written(parts, place / path)
        environment = {"PATH": os.environ["PATH"], "HOME": work, "METERED_SECRET_KEY": KEY}
        with open(place / "said", "w") as said:
            child = subprocess.Popen(
                [program, *arguments], cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (SECONDS * SLOWER, SECONDS * SLOWER)),
            )
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if server:
            server.shutdown()
        memory, seconds = used.ru_maxrss, used.ru_utime + used.ru_stime
        said = None
        # Fifty times as many rooms are read where strangers propose them.
        most = SECONDS if is_product else SECONDS * SLOWER
        if child.returncode not in codes or memory > MEMORY or seconds > most:
            said = (place / "said").read_text(errors="replace")[:300]
            said = f"{what}: ended with {child.returncode}, {memory} KiB, {seconds:.1f} s: {said}"
        return what.split(":")[0], memory, seconds, said


def main():
    program, *named = sys.argv[1:]
    # Without what is hostile it is planned: otherwise all of it would be refused for something else.
    with tempfile.TemporaryDirectory() as work:
        fresh(Path(work), MANY)
        subprocess.run([Path(program).resolve(), "plan"], cwd=work, env={"HOME": work}, check=True, stdout=subprocess.DEVNULL)
    chosen = [case for case in cases() if all(part in case[0] for part in named)]
    worst, wrong = {}, []
    # Side by side: each is a process of its own, and so are those that make its texts.
    with Pool() as pool:
        for kind, memory, seconds, said in pool.imap_unordered(partial(taken, str(Path(program).resolve())), chosen):
            before = worst.get(kind, (0, 0))
            worst[kind] = (max(before[0], memory), max(before[1], seconds))
            wrong += [said] if said else []
    for kind, (memory, seconds) in sorted(worst.items()):
        step(f"{kind}: at most {memory // 1024} MiB and {seconds:.1f} s")
    check(wrong == [], "\n".join(wrong))


if __name__ == "__main__":
    main()
