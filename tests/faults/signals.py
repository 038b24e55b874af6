"""Signals at each stage of a run: the server itself sends them, so that the stage is certain."""

from tests.faults import Fault
from tests.processes import changed

SENDS = """
import psutil


def send_signal(number, to):
    ancestors = psutil.Process().parents()
    guards = [process for process in ancestors if "guard.py" in " ".join(process.cmdline())]
    driver = next(process for process in ancestors if process not in guards)
    load_generators = [process for process in driver.children(recursive=True) if "common.loadgen" in process.cmdline()]
    ours = {"driver": [driver], "guard": guards, "server": [psutil.Process()], "load generator": load_generators[-1:]}
    for process in ours[to]:
        process.send_signal(number)
"""
STAGES = {"starts": 0, "is asked whether it is ready": 1, "warms up": 5, "is under load": 15}


def sending(stage: str, number: str, to: str = "driver", more: str = "await asyncio.sleep(1000)") -> str:
    sends = f"send_signal({number}, {to!r})"
    if STAGES[stage]:
        place = ("    asked += 1\n", f"    asked += 1\n    if asked == {STAGES[stage]}:\n        {sends}\n        {more}\n")
    else:
        place = ("asked = 0\n", f"asked = 0\nif __name__ != '__main__':\n    import time\n\n    {sends}\n    time.sleep(20)\n")
    source = changed(place, ('STUDY = "tests"', 'STUDY = "{name}"'), ("-n 20 -c 2", "-n 20 -c 2 -s 3"))
    return source.replace("import os\n", f"import os\n{SENDS}", 1)


def stopping(number: int, name: str, stage: str, command: str) -> Fault:
    does = "scenario" if command == "scenario" else "suite -q {name}"
    said = "{name}: stopped" if command == "scenario" else "stopped; to run the rest"
    if name == "KILL":  # the shell's own word about it is not ours
        return Fault(f"KILL when its server {stage}: {command}", f"{{ {does}; }} 2>&-", (137,), scenario=sending(stage, "9"), litters=True)
    source = sending(stage, str(number))
    return Fault(f"{name} when its server {stage}: {command}", does, (130,), said.replace("{name}: ", ""), scenario=source)


TO_OTHERS = [  # to whom, which, its number, and how it ends
    ("server", "KILL", 9, (1,), "ended with exit code 137"),
    ("server", "SEGV", 11, (1,), "ended with exit code 139"),
    ("load generator", "KILL", 9, (1,), "the load generator ended with exit code 137 and no record"),
    ("load generator", "SEGV", 11, (1,), "the load generator ended with exit code 139 and no record"),
    ("guard", "TERM", 15, (0, 1), ""),
    ("guard", "HUP", 1, (0, 1), ""),
    ("guard", "KILL", 9, (1,), "ended with exit code"),
]
SIGNALS = [
    *[
        stopping(number, name, stage, command)
        for number, name in ((1, "HUP"), (2, "INT"), (15, "TERM"), (9, "KILL"))
        for stage in STAGES
        for command in ("scenario", "suite")
    ],
    *[
        Fault(
            f"{name} to the {to}",
            "scenario",
            codes,
            said,
            sending("is under load", str(number), to, "pass" if not said else "await asyncio.sleep(1000)"),
            explains=True,
        )
        for to, name, number, codes, said in TO_OTHERS
    ],
    Fault(
        "INT again and again while it ends",
        "scenario",
        (130,),
        "stopped",
        changed(
            ('STUDY = "{name}"', 'STUDY = "{name}"\nTABLES = "CREATE TABLE one (two int)"'),
            source=sending("is under load", "2", more="while True: await asyncio.sleep(0.05); send_signal(2, 'driver')"),
        ),
        needs=("ls /usr/lib/postgresql/*/bin/postgres",),
    ),
    Fault("HUP that is ignored", "(trap '' HUP; scenario)", (0,), "", sending("is under load", "1", more="pass")),
    Fault("a load that is stopped", "timeout --preserve-status -s INT 6 python -m common.loadgen -q -t 60 {url}/ok", (130,)),
    Fault(
        "a load that is stopped while nothing is answered",
        "timeout --preserve-status -s TERM 6 python -m common.loadgen -q -n 5 -c 5 --json {here}/r.json {url}/silent",
        (130,),
        leaves=("r.json",),
    ),
    Fault(
        "a search that is stopped",
        "timeout --preserve-status -s HUP 6 python -m common.loadgen -q --find-rate 'p99<=9s' {url}/ok",
        (130, 1),
    ),
]
