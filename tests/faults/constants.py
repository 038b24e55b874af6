"""Scenarios whose constants, text or bytes cannot be used."""

from tests.faults import Fault
from tests.processes import TINY, changed

NO_TEXTS = ("3", "None", "[]", "b'x'", r"'\0'", r"'\ud800'")
NO_LINES = (*NO_TEXTS, r"'a\nb'", r"'\x1b[2J'")
NO_WHOLES = ("0", "-1", "1.5", "True", "'1'", "None", "[1]", "10**3", "1" + "0" * 30)
NO_LATENCIES = ("0", "[]", "[-5]", "[1.5]", "['0']", "[True]", "[None]", "[3600001]", "{}", "(0,)")
NO_NAMES = (
    "3",
    "[]",
    "{1: 'x'}",
    "{'x': 1}",
    r"{'x': '\0'}",
    r"{'\ud800': 'x'}",
    "{'x': None}",
    "{**x}",
    "{[]: 1}",
    "{{}: 1}",
    r"{'x': '\x1b'}",
    r"{'a\nb': 'x'}",
)
NO_PORTS = (
    "8000",
    "{}",
    "{'x': 1}",
    "{'port': 0}",
    "{'port': -1}",
    "{'port': 65536}",
    "{'port': 99999}",
    "{'port': '1'}",
    "{'port': True}",
    "{1: 1}",
)
NO_SECONDS = ("0", "-1", "1e400", "-1e400", "'1'", "None", "True", "{'/': 0}", "{'/': 1e400}", "{1: 1}", "[1]", "0j")
NO_LISTS = ("'x'", "[]", "[3]", r"['\0']", r"['/\ud800']", "[None]", "{}", "('/',)")
NO_PATTERNS = ("['x']", "{'x': '('}", "{'x': 3}", r"{'x': '\0'}", "{'x': '*'}", "{'x': 'a{99999999999}'}", "{'x': '(?P<1>x)'}", "{3: 'x'}")
WRONG = {
    "STUDY": (*NO_TEXTS, "''", "' '", "'x' * 3", repr("x" * 101), r"'a\nb'", r"'\x1b[2J'"),
    "DIFFERS_FROM": NO_NAMES,
    **dict.fromkeys(("PROJECT", "PYTHON", "SETTINGS", "APP", "ENV_FILE"), NO_LINES),
    "ENV": (*NO_NAMES[:9], "{'A=B': 'x'}", "{'': 'x'}"),
    "LOGIN": (*NO_TEXTS, "''", "'anna'", "':'"),
    **dict.fromkeys(("LOGIN_PATH", "CSRF"), (*NO_TEXTS, "''", "'login/'", "'/a b'", r"'/\xfc'")),
    "NEEDS": (*NO_LISTS, r"['\x1b[2J']"),
    "PORTS": NO_PORTS,
    "SERVER": (*NO_TEXTS, r"'x {port} \x1b[2J'"),
    "LOAD": NO_LISTS,
    "LOAD_FULL": NO_LISTS,
    "LEAST_SECONDS": NO_SECONDS,
    "NGINX": NO_TEXTS,
    "MAX_CONNECTIONS": (*NO_WHOLES, "262144"),
    "TABLES": NO_TEXTS,
    "LATENCIES_MS": NO_LATENCIES,
    "LATENCIES_MS_FULL": NO_LATENCIES,
    "WARM_UP": (*NO_WHOLES, "1000001"),
    "COUNT_IN_LOG": NO_PATTERNS,
}
TEXTS = {  # of a whole file
    "an empty file": ("\n", "has no STUDY"),
    "only a comment": ("# x", "has no STUDY"),
    "a NUL": ("\0", "null bytes"),
    "half a line": ("x = (", ":1: "),
    "too deep": ("x = " + "(" * 5000, "fault_"),
    "too deep a sum": (f"STUDY = {'+'.join(['1'] * 20_000)}", "fault_"),
    "too deep a list": (f"STUDY = {'[' * 150}{']' * 150}", "fault_"),
    "too long a number": (f"STUDY = {'1' * 5000}", "fault_"),
    "no UTF-8": ("x = '\udcff'", "fault_"),
    "a byte order mark in the middle": (f"x\n\ufeff{TINY}", ":2: "),
    "a question that is half a letter": (TINY.replace("Is it answered?", r"\ud800?"), "question must be text"),
    "a question that moves the cursor": (TINY.replace("Is it answered?", r"\x1b[2J?"), "question must be text"),
    "a name that is assigned twice": (f"{TINY}\nSTUDY = 3\n", "STUDY must be"),
    "no SERVER": (TINY.replace("SERVER = ", "SERVING = "), "has no SERVER"),
    "no LOAD": (TINY.replace("LOAD = ", "LOADS = "), "has no LOAD"),
    "an annotated constant": (TINY.replace("LOAD = ", "LOAD: list = "), "has no LOAD"),
    "indented": (" x = 1\n  y = 2", "unexpected indent"),
    "tabs and blanks": ("if x:\n\ty = 1\n        z = 1", "fault_"),
    "Python 2": ("print 'x'", ":1: "),
    "ZIP": ("PK\x03\x04\x14\x00", "fault_"),
}
PUBLISHED = {  # of a study
    "3": "must be a dict",
    "{'x': 3}": "must be a dict",
    "{'x': []}": "must be a dict",
    "{'x': [3]}": "must be a dict",
    "{'x': [{'requests/s': 'abc'}]}": "must be a dict",
    "{'x': [{'requests/s': ['abc']}]}": "must be a dict",
    "{'x': [{'requests/s': 1e400}]}": "must be a dict",
    "{'x': [{'requests/s': True}]}": "must be a dict",
    "{'x': [{3: 4}]}": "must be a dict",
    "{'x': [{'path': 3}]}": "must be a dict",
    "{3: [{'path': '/'}]}": "must be a dict",
    "{'{name}': [{'path': '/', 'requests/s': [1, 2]}]}": "PUBLISHED must have 1 figures",
    "x": "must be written out",
}


def with_constant(name: str, value: str) -> str:
    """TINY with this constant in place of its own, or as one more."""
    lines = [line for line in TINY.splitlines() if not line.startswith(f"{name} = ")]
    return "\n".join([*lines, f"{name} = {value}\n"])


CONSTANTS = [
    *[
        Fault(
            f"{name} = {value[:40]!a}",
            "scenario",
            said=f": {name}" if name != "PORTS" else "PORTS",
            scenario=with_constant(name, value),
            pure=True,
        )
        for name, values in WRONG.items()
        for value in values
    ],
    *[Fault(f"a file of {name}", "suite --list {name}", (1,), said, text, pure=True) for name, (text, said) in TEXTS.items()],
    *[
        Fault(
            f"PUBLISHED = {value[:40]!a}",
            f'echo "PUBLISHED = {value}" >studies/{{name}}.py; scenario; code=$?; rm studies/{{name}}.py; exit $code',
            said=said,
            scenario=changed(('STUDY = "tests"', 'STUDY = "{name}"')),
        )
        for value, said in PUBLISHED.items()
    ],
    Fault(
        "a scenario whose name moves the cursor",
        r"name=$(printf '\033[2J'); cp scenarios/tiny.py scenarios/$name.py; suite --list; code=$?; rm scenarios/$name.py; exit $code",
        (1,),
        "rename it: a name may hold no control characters",
    ),
    Fault(
        "a scenario that is a folder",
        "mkdir scenarios/{name}.py; python -m common.bench; suite --list {name}; code=$?; rmdir scenarios/{name}.py; exit $code",
        (1,),
        "Is a directory",
    ),
    Fault(
        "a scenario that is a link to nothing",
        "ln -s /no/such scenarios/{name}.py; suite --list {name}; code=$?; rm scenarios/{name}.py; exit $code",
        (1,),
        "cannot be read: No such file",
    ),
    Fault(
        "a scenario that is a link to itself",
        "ln -s {name}.py scenarios/{name}.py; suite --list {name}; code=$?; rm scenarios/{name}.py; exit $code",
        (1,),
        "cannot be read: Too many levels",
    ),
    Fault(
        "a scenario that is a link to a device",
        "ln -s /dev/null scenarios/{name}.py; suite --list {name}; code=$?; rm scenarios/{name}.py; exit $code",
        (1,),
        "has no STUDY",
    ),
]
