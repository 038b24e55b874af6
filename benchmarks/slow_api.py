"""Can the slow API ever be the bottleneck? Compares its own ceiling with the calls that the busiest scenario makes.

    python -m benchmarks.slow_api results/RUN

The API, without its wait, has one core and the load generator another; the result is a median of three.
"""

import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from common.client.sent import Sent
from common.results import files
from common.results.metrics import Metrics
from common.serving import services
from common.serving.cores import only_on, split
from common.serving.places import HOST, ROOT
from common.serving.ports import free_port

CALLS_PER_REQUEST = 3
WANTED = 5
REQUESTS = 8000


def ceiling(port: int, cores: list[int], keep_alive: bool) -> float:
    """Answers per second to 100 clients that never wait."""
    rates = []
    for _ in range(3):
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            size = ["-n", str(REQUESTS), "-c", "100", *["-k"] * keep_alive]
            command = [sys.executable, "-m", "common.loadgen", "-q", *size, "--json", file.name, f"http://{HOST}:{port}/0/"]
            with only_on(cores):
                generator = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
            if generator.wait():
                raise SystemExit("the slow API failed requests")
            rates.append(Metrics(files.read(Path(file.name), Sent)).per_second)
    return statistics.median(rates)


def best_call_rate(directory: Path) -> tuple[str, float]:
    """The scenario that calls the slow API most often."""
    rates = []
    for run in files.read_directory(directory):
        if run.study == "slow-api":
            rates += [(load.metrics.per_second * CALLS_PER_REQUEST, run.scenario) for load in run.loads]
    if not rates:
        raise SystemExit(f"no measured scenario in {directory}")
    rate, name = max(rates)
    return name, rate


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit((__doc__ or "").strip())
    name, needed = best_call_rate(Path(sys.argv[1]))
    api_cores, client_cores = split()
    with ExitStack() as running, tempfile.TemporaryDirectory() as directory:
        port = free_port(set())
        with only_on(api_cores[:1]):
            services.start("slow_api", port, Path(directory), running)
        print(f"{name} makes {needed:,.0f} calls per second; wanted: at least {WANTED} times that")
        for keep_alive, mode in ((False, "a connection for each call"), (True, "kept connections")):
            rate = ceiling(port, client_cores[:1], keep_alive)
            print(f"{mode:<28}{rate:>8,.0f} calls/s   {rate / needed:.1f}x")


if __name__ == "__main__":
    main()
