"""Machines that lack something: programs, folders, space, memory, permissions, a locale."""

from tests.faults import Fault
from tests.processes import changed

MOUNTS = ("unshare -m true",)  # may we mount a small disk that only this shell sees?


def on_a_disk(options: str, where: str, does: str) -> str:
    return f"unshare -m bash -c {quoted(f'mkdir -p {where}; mount -t tmpfs -o {options} full {where} && {does}')}"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


READS = "from common.results import files; files.read_directory(files.Path(sys.argv[1]))"
# what ended well has left a record
AND_A_RECORD = f'python -c "import sys; {READS}" $(ls -td results/*/ | head -1)'
SMALL = "-n 5 -c 1"
TINY_ALONE, TINY_IN_SUITE = f"python scenarios/tiny.py {SMALL}", f"python -m common.suite -q tiny {SMALL}"
VARIABLES = (
    *(
        "HOME=",
        "HOME=/no/such",
        "LANG=xx_XX",
        "LC_ALL=C",
        "TZ=No/Such",
        "TERM=no-such",
        "COLUMNS=0",
        "COLUMNS=-5",
        "NO_COLOR=1",
    ),
    *(
        "PYTHONHASHSEED=0",
        "PYTHONOPTIMIZE=2",
        "PYTHONWARNINGS=error",
        "PYTHONDEVMODE=1",
        "PYTHONASYNCIODEBUG=1",
        "PYTHONUTF8=0",
        "PYTHONSAFEPATH=1",
    ),
    *("WEB_CONCURRENCY=x", "GUNICORN_CMD_ARGS=--no", "UVICORN_PORT=x", "DJANGO_SETTINGS_MODULE=no.such", "CORES_AFTER_THE_LOAD="),
    *(
        "http_proxy=http://127.0.0.1:1",
        "HTTPS_PROXY=x",
        "ALL_PROXY=socks5://x",
        "no_proxy=*",
        "SSL_CERT_FILE=/no/such",
        "LD_PRELOAD=",
        "IFS=x",
        "CARRIED_HEADERS=x",
    ),
)
FULL = "No space left on device"
ON_A_SOCKET = changed(
    ("--host {host} --port {port}", "--uds {socket}"),
    ('STUDY = "tests"', 'STUDY = "{name}"\nNGINX = "proxy_pass http://unix:{socket};"'),
)
NO_CARRIED = (
    "x",
    "3",
    "[]",
    '{"{url}": 3}',
    '{"{url}": [3]}',
    '{"{url}": [["A"]]}',
    '{"{url}": [["A", 3]]}',
    '{"{url}": [["A", "\u20ac"]]}',
)
SURROUNDINGS = [
    *[Fault(f"{variable}: a scenario", f"{variable} {TINY_ALONE}", (0,)) for variable in VARIABLES],
    Fault("WAIT_FOR_QUIET that is no number", f"WAIT_FOR_QUIET=x {TINY_ALONE}", (1, 2), "WAIT_FOR_QUIET is not a number of seconds: 'x'"),
    Fault("CORES_AFTER_THE_LOAD that names none", "CORES_AFTER_THE_LOAD=x loadgen -q -n 5 {url}/ok", (0,)),
    *[
        Fault(
            f"CARRIED_HEADERS={value}",
            f"CARRIED_HEADERS='{value}' loadgen -q -n 5 {{url}}/ok",
            said="CARRIED_HEADERS in the environment",
            cheap=value == "x",
        )
        for value in NO_CARRIED
    ],
    Fault(
        "TMPDIR with a colon",
        "mkdir {here}/a:b; TMPDIR={here}/a:b scenario; code=$?; rmdir {here}/a:b; exit $code",
        (1,),
        "has a colon, and uWSGI takes such a path for a port: set TMPDIR",
        ON_A_SOCKET,
        cheap=True,
    ),
    Fault("TMPDIR that is not there", f"TMPDIR=/no/such {TINY_ALONE}", (0,)),
    Fault("a stack of 128 KB", f"ulimit -s 128; {TINY_ALONE}", (0,)),
    Fault("no core dumps", f"ulimit -c 0; {TINY_ALONE}", (0,)),
    Fault("few descriptors", f"ulimit -n 64; {TINY_ALONE} && {AND_A_RECORD}", (0, 1), None, explains=True),
    Fault("files of at most 4 KB", f"ulimit -f 4; {TINY_IN_SUITE} && {AND_A_RECORD}", (0, 1), None, explains=True),
    Fault("a PATH of nothing", f"python=$(command -v python); PATH=/no/such $python scenarios/tiny.py {SMALL}", (0,)),
    Fault("umask 777", "umask 777; python -m common.loadgen -q -n 5 --json {here}/r.json {url}/ok", (0, 1), leaves=("r.json",)),
    *[
        Fault(
            f"{what} on a disk of {options}: {name}",
            on_a_disk(options, where, f"{does} && {AND_A_RECORD}"),
            (0, 1),
            None,
            explains=True,
            needs=MOUNTS,
        )
        for what, where, disks in (
            ("results", "results", ("size=4k", "size=16k", "nr_inodes=1", "nr_inodes=2", "nr_inodes=3", "nr_inodes=4", "ro")),
            ("TMPDIR", "$TMPDIR", ("size=4k", "nr_inodes=1", "nr_inodes=2", "ro")),
        )
        for options in disks
        for name, does in (("a scenario", TINY_ALONE), ("a suite", TINY_IN_SUITE))
    ],
]
