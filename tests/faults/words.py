"""What a person may type: names, options and folders that are not there or cannot be."""

import shlex

from tests.faults import Fault
from tests.processes import TINY

SUITE = {  # words, and what is said
    "nobody": "there is no scenario 'nobody'",
    "''": "there is no scenario ''",
    "'['": "there is no scenario '['",
    "'[!'": "there is no scenario",
    "tin": "did you mean tiny?",
    "/": "there is no scenario",
    "../tiny": "there is no scenario",
    "'a\nb'": "there is no scenario",
    "'\x1b[2J'": "there is no scenario",
    "tiny --rounds 0": "argument --rounds",
    "tiny --rounds x": "argument --rounds",
    "tiny --rounds 1e9": "argument --rounds",
    "tiny --rounds 10001": "argument --rounds",
    "tiny --seed x": "argument --seed",
    "tiny --seed -1": "argument --seed",
    "tiny --seed 1" + "0" * 30: "argument --seed",
    "tiny --minutes 0": "argument --minutes",
    "tiny --minutes nan": "argument --minutes",
    "tiny --minutes 5": "--minutes is the time limit of side by side",
    "tiny --within 5%": "--within is what counts as the same",
    "tiny --side-by-side --rounds 3": "side by side has restarts in place of --rounds",
    "tiny --side-by-side --serve": "--serve only serves",
    "tiny --within 0": "argument --within",
    "tiny --within 2": "argument --within",
    "tiny --within x%": "argument --within",
    "tiny -n 0": "argument -n",
    "tiny -n 5 -c 6": "-c 6 is greater than -n 5",
    "tiny -t inf": "argument -t",
    "tiny --host 127.0.0.1 --serv": "unrecognized arguments",
    "tiny --host 0.0.0.0": "--host needs --serve",
    "tiny --serve --host ::1": "--host ::1: no IPv4 address",
    "tiny --serve --host nowhere.invalid": "--host nowhere.invalid: no IPv4 address",
    "tiny --serve --host ''": "--host",
    "tiny --serve --host ...": "--host ...: no IPv4 address",
    "tiny --baseline nobody": "there is no scenario 'nobody'",
    "tiny --side-by-side": "--side-by-side needs two scenarios",
    "tiny --against /no/such": "--against /no/such",
    "tiny --against {here}": "has no scenarios/tiny.py",
    "tiny --against ''": "--against",
    "tiny --against --": "--against",
    "--resume {here} tiny": "--resume reuses the original run's",
    "--resume {here} --rounds 5": "--resume reuses the original run's",
    "--new": "expected one argument",
    "--new '' --like tiny": "cannot name a Python module",
    "--new 1x --like tiny": "cannot name a Python module",
    "--new a-b --like tiny": "cannot name a Python module",
    "--new class --like tiny": "cannot name a Python module",
    "--new ../x --like tiny": "cannot name a Python module",
    "--new /x --like tiny": "cannot name a Python module",
    "--new a//b --like tiny": "cannot name a Python module",
    "--new __init__ --like tiny": "cannot name a Python module",
    "--new 'a\nb' --like tiny": "cannot name a Python module",
    "--new django --like tiny": "Python already has a module 'django'",
    "--new common --like tiny": "Python already has a module",
    "--new tiny --like tiny": "already exists",
    f"--new {'x' * 300} --like tiny": "File name too long",
    "--new mine --like nobody": "there is no scenario 'nobody'",
    "--new mine --rounds 5": "combine it with --like only",
    "--like tiny": "--new NAME writes a scenario",
    "--nonsense": "unrecognized arguments: --nonsense",
}
NO_RUNS = {  # of --resume, compare and page
    "{here}": "",
    "{here}/nobody": "nobody",
    "{here}/file": "file",
    "/dev/null": "/dev/null",
    "''": "it is empty: name a directory",
    "'\x1b'": "",
    "'" + "x" * 300 + "'": "",
    "/proc/1/root/x": "",
}
COMPARE = {
    "": "required: DIR",
    "a b c": "compare takes one directory, or two",
    "{here}": "there is nothing to compare with",
    "{here} --gate x": "",
    "{here} {here} --tolerance x": "argument --tolerance",
    "{here} {here} --tolerance -5%": "argument --tolerance",
    "{here} {here} --tolerance 100%": "argument --tolerance",
    "{here} {here} --tolerance nan": "argument --tolerance",
    "{here} {here} --tolerance 5": "write 5% or 0.05",
    "--nonsense": "required: DIR",
}
PAGE = {
    "": "required: DIR",
    "a b": "unrecognized arguments: b",
    "--svg": "expected one argument",
    "--nonsense {here}": "unrecognized arguments",
}
SCENARIO = {
    "-n 0": "argument -n",
    "-n 5 -c 6": "-c 6 is greater than -n 5",
    "-t nan": "argument -t",
    "x": "unrecognized arguments: x",
    "--host 127.0.0.2": "--host needs --serve",
    "--serve --host ::1": "--host ::1: no IPv4 address",
    "--find-rate x": "",
    "--find-rate ''": "",
    "--target x": "not a URL",
    "--target ftp://x": "not a URL",
    "--target http://no-such-host.invalid": "no address for host",
    "--target ''": "",
    "--target http://127.0.0.1:1 --find-rate 'p99<=1s'": "--find-rate and --target are different things to do",
    "--serve --locust-web": "--serve and --locust are different things to do",
    "--locust-web=5": "ignored explicit argument",
}
NAMES = ("a b", "ü", "名", "[x]", "-x", "'", '"', "$(touch x)", "`x`", ";", "#", "%s", "{port}", "x" * 200, "&", "~", "1", "None")
RUN_NAMED = """
    mkdir scenarios/{name}; file=scenarios/{name}/{quoted}.py; cp scenarios/tiny.py "$file"
    suite -q {name}/{quoted} -n 5 -c 1
    code=$?; rm -r scenarios/{name}; exit $code
"""
ANY = ": "  # every line begins with the name of its command
WORDS = [
    *[
        Fault(f"suite {words[:50]!a}", f"suite {words}", (1, 2), said, pure="--against" not in words and "--new" not in words)
        for words, said in SUITE.items()
    ],
    *[
        Fault(f"{command} {words[:40]!a}", f"{command} {words}", (1, 2), said or ANY, files={"file": b""}, pure=True)
        for words, said in NO_RUNS.items()
        for command in ("suite --resume", "page", "compare --gate 'x p99<=1s'")
    ],
    *[Fault(f"compare {words!a}", f"compare {words}", (1, 2), said or ANY, pure=True) for words, said in COMPARE.items()],
    *[Fault(f"page {words!a}", f"page {words}", (1, 2), said or ANY, pure=True) for words, said in PAGE.items()],
    *[
        Fault(
            f"scenario {words!a}",
            f"scenario {words}",
            (1, 2),
            said or ANY,
            TINY.replace('"tests"', '"{name}"'),
            pure="--target" not in words,
        )
        for words, said in SCENARIO.items()
    ],
    Fault(
        "a scenario named so that Python cannot import it",
        RUN_NAMED.replace("{quoted}", "x.y"),
        (1,),
        "ended with exit code 1 while it was needed",
        explains=True,
    ),
    Fault("a host that is not ours", "suite tiny --serve --host 192.0.2.1", (2,), "cannot listen on 192.0.2.1, port 8099: Cannot assign"),
    Fault("a target where nobody listens", "scenario -n 5 --target http://127.0.0.1:1", (1,), "", TINY),
    *[Fault(f"a scenario named {name[:20]!a}", RUN_NAMED.replace("{quoted}", shlex.quote(name)), (0,)) for name in NAMES],
]
