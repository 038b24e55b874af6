"""Is what `common.advise` advises kept, and would less have done? Ten situations, each tried for real.

    python -m benchmarks.advice [--seconds 20] [--only 3]

In each, a view computes and waits for known times. It is measured as a reader would (many at a time, then one at a time); then the
advice, up to two neighbours of less cost and one of more are served, and sent the rate at random moments. About 20 minutes on two cores.
Runs that other programs disturbed count here, and are marked: such a machine keeps fewer promises. Exit code 1 if less than nine in ten
pieces of advice are kept, or if less would have done in more than one situation.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common.advise import server_of
from common.client.options import DEFAULT_CAP
from common.client.progress import silent
from common.report.live import Watch
from common.results.advice import Candidate, Forecast, Wanted, advise
from common.results.circumstances import Noise
from common.results.demand import Demand, find_demand
from common.results.record import Measured, ScenarioRun
from common.results.targets import parse_latency
from common.running.directories import new_directory
from common.running.find_rate import judge
from common.running.rounds import Turn
from common.running.run import run_turn
from common.running.sizing import RunOptions
from common.serving import cores, postgres
from common.serving.shape import with_shape
from common.serving.variant import derive

MEMORY_MB = 4096.0
GRACE_SECONDS = 10.0
ATTEMPTS = 3  # at measuring, on a busy machine
ENOUGH_KEPT = 0.9  # of the advice
MOST_TOO_DEAR = 1  # situations in which less would have done
GUNICORN = "gunicorn {app} --bind {host}:{port} --workers 1 --backlog {backlog} --no-control-socket --log-level warning --worker-class "
SERVERS = {
    "sync": GUNICORN + "sync",
    "gthread": GUNICORN + "gthread --threads 200",
    "gevent": GUNICORN + "gevent --worker-connections 1000",
    "uvicorn": "uvicorn {app} --host {host} --port {port} --backlog {backlog} --lifespan off --no-access-log --log-level warning",
    "uwsgi": "uwsgi --http {host}:{port} --module {app} --master --die-on-term --need-app --disable-logging --processes 1 --threads 100 "
    "--listen {backlog}",
}
SITE = '''"""Computes, and waits."""
import asyncio
import sys
import time
from pathlib import Path
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=["django.middleware.common.CommonMiddleware"])
def compute():
    number = 0
    for _ in range({steps}):
        number += 1
{view}
urlpatterns = [path("", answer)]
STUDY = "advice"
SERVER = ""
LOAD = []
if __name__ == "__main__":
    pass
'''
VIEWS = {
    "def": """def answer(request):
    compute()
    if {wait}:
        time.sleep({wait})
    return HttpResponse("answered")
application = get_wsgi_application()""",
    "async def": """async def answer(request):
    compute()
    if {wait}:
        await asyncio.sleep({wait})
    return HttpResponse("answered")
application = get_asgi_application()""",
}


@dataclass(frozen=True)
class Situation:
    server: str
    wait: float  # seconds
    computes_ms: float  # beside what Django and the server need
    share: float  # of what the cores have time for
    target: str


SITUATIONS = [
    Situation("gthread", 0.0, 20.0, 0.9, "p95<=2s"),
    Situation("gthread", 0.0, 5.0, 0.5, "p99<=100ms"),
    Situation("gthread", 0.1, 0.3, 0.1, "p99<=1s"),
    Situation("uvicorn", 0.1, 1.0, 0.3, "p99<=200ms"),
    Situation("gthread", 1.0, 1.0, 0.1, "p99<=3s"),
    Situation("gevent", 0.3, 2.0, 0.5, "p99<=600ms"),
    Situation("sync", 0.0, 2.0, 0.3, "p95<=50ms"),
    Situation("uwsgi", 0.02, 0.3, 0.2, "p99<=100ms"),
    Situation("sync", 0.05, 5.0, 0.2, "p99<=200ms"),
    Situation("uvicorn", 0.0, 5.0, 0.7, "p95<=500ms"),
]


@dataclass(frozen=True)
class Trial:
    number: int  # of the situation
    what: str  # advised, less or more
    forecast: Forecast
    ms: float  # the percentile that was measured
    kept: bool
    because: str
    disturbed: bool


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="that each shape is sent the rate (default 20)")
    parser.add_argument("--only", type=int, choices=range(1, len(SITUATIONS) + 1), metavar="N", help="only the situation of this number")
    options = parser.parse_args(arguments)
    directory, step = new_directory("advice-benchmark"), seconds_of_a_step()
    trials: list[Trial] = []
    with postgres.server(silent) as database:
        for number, situation in enumerate(SITUATIONS, 1):
            if options.only in (None, number):
                trials += try_situation(number, situation, step, options.seconds, directory / f"s{number}", database)
    return 0 if sum_up(trials, len(SITUATIONS) if options.only is None else 1) else 1


def seconds_of_a_step() -> float:
    """As the view takes it; the shortest of some tries."""
    times = []
    for _ in range(20):
        began, number = time.thread_time(), 0
        for _ in range(100_000):
            number += 1  # noqa: SIM113 - as the view counts
        times.append(time.thread_time() - began)
    return min(times) / 100_000


def try_situation(
    number: int, situation: Situation, step: float, seconds: float, folder: Path, database: postgres.Server
) -> Iterator[Trial]:
    view = VIEWS["async def" if situation.server == "uvicorn" else "def"].format(wait=situation.wait)
    source = SITE.format(steps=round(situation.computes_ms / 1000 / step), view=view)
    title = f"{number}. {situation.server}, {situation.computes_ms:g} ms and Django, wait {situation.wait:g} s"
    for _ in range(ATTEMPTS):
        run, demand = measure(situation, source, folder, database)
        if isinstance(demand, Demand):
            break
        print(f"{title}: no advice: {demand}", flush=True)
    else:
        return
    rate = float(f"{situation.share * cores.count() * 1000 / demand.cpu_ms:.3g}")
    wanted = Wanted(rate, parse_latency(situation.target), cores.count(), MEMORY_MB)
    advice = advise([demand], wanted)
    measured = f"CPU {demand.cpu_ms:.2f} ms, waits {demand.wait_ms:.1f} ms{', disturbed' * any(load.noise.disturbed for load in run.loads)}"
    print(f"{title}: {measured}; {rate:g} a second, {situation.share:.0%} of the cores; {situation.target}", flush=True)
    if advice.advised is None:
        print("   nothing is advised\n", flush=True)
        return
    for place, (what, forecast) in enumerate(worth_trying(advice.rows, advice.advised)):
        load = f"-c {DEFAULT_CAP} -t {seconds:g} --rate {forecast.rate} --grace {GRACE_SECONDS} --poisson --expect answered /"
        launch = launch_of(forecast.shape, SERVERS[situation.server])
        tried = serve(source, f"shape{place}", launch, [load], folder, database)
        trial = judged(number, what, forecast, wanted, tried.loads[0])
        print(f"   {line_of(trial)}", flush=True)
        yield trial
    print(flush=True)


def measure(situation: Situation, source: str, folder: Path, database: postgres.Server) -> tuple[ScenarioRun, Demand | str]:
    many = 100 if situation.wait else 10
    loads = [*([f"-c {many} -t 5 --expect answered /"] if situation.server != "sync" else []), "-n 100 -c 1 -t 15 --expect answered /"]
    run = serve(source, "measured", SERVERS[situation.server], loads, folder, database)
    return run, find_demand(server_of(run.scenario, [run]), [replace(load, noise=Noise(available=True)) for load in run.loads])


def worth_trying(rows: Sequence[Forecast], advised: Forecast) -> list[tuple[str, Forecast]]:
    less = [row for row in rows if row.cost < advised.cost]
    more = [row for row in rows if row.cost > advised.cost]
    return [("advised", advised), *(("less", row) for row in reversed(less[-2:])), *(("more", row) for row in more[:1])]


def launch_of(shape: Candidate, launch: str) -> str:
    return with_shape(launch, shape.processes, shape.at_a_time if shape.demand.server.numbered else None)


def serve(source: str, name: str, launch: str, loads: list[str], folder: Path, database: postgres.Server) -> ScenarioRun:
    run = run_turn(Turn(derive(source, name, folder, launch, loads)), RunOptions(), folder, database, Watch(quiet=True))
    if not run.loads:
        raise SystemExit(f"{name} {run.status}: {run.reason}")
    return run


def judged(number: int, what: str, forecast: Forecast, wanted: Wanted, load: Measured) -> Trial:
    decision, because = judge(wanted.target, load.sent)
    ms = load.metrics.percentile_of_due(wanted.target.percent)
    return Trial(number, what, forecast, ms, decision == "held", because, bool(load.noise.disturbed))


def line_of(trial: Trial) -> str:
    shape = trial.forecast.shape
    says = f"forecast {trial.forecast.ms:8.1f} ms {'kept' if trial.forecast.kept else 'not kept':8}"
    found = f"measured {trial.ms:8.1f} ms {'kept' if trial.kept else 'NOT KEPT':8}"
    doubt = f"{' ~' * trial.disturbed} {trial.because}"
    at_a_time = "all" if shape.at_a_time is None else shape.at_a_time
    return f"{trial.what:8} {shape.processes:3} x {at_a_time!s:5} {trial.forecast.mb:6.0f} MB  {says}  {found}{doubt}".rstrip()


def sum_up(trials: Sequence[Trial], tried: int) -> bool:
    """True if the advice was good enough in so many situations; where nothing was advised, it was not."""
    advised, less = ([trial for trial in trials if trial.what == what] for what in ("advised", "less"))
    print(f"advice kept: {sum(trial.kept for trial in advised)} of {tried}")
    print(f"neighbours of less cost that kept it too: {sum(trial.kept for trial in less)} of {len(less)}", end="; ")
    print(f"of those forecast not to: {sum(trial.kept for trial in less if not trial.forecast.kept)}")
    wrong = [trial for trial in trials if trial.kept != trial.forecast.kept]
    print(f"forecasts of kept or not that came true: {len(trials) - len(wrong)} of {len(trials)}")
    ratios = [trial.ms / trial.forecast.ms for trial in trials if trial.kept and 0 < trial.forecast.ms < float("inf")]
    if ratios:
        middle, least, most = statistics.median(ratios), min(ratios), max(ratios)
        print(f"measured percentile / forecast, where kept: {middle:.2f} (middle), {least:.2f} to {most:.2f}")
    disturbed = sum(trial.disturbed for trial in trials)
    print(f"disturbed (~): {disturbed} of {len(trials)}")
    if wrong:
        print("where the model errs:")
    for trial in wrong:
        print(f"{trial.number:2}. {line_of(trial)}")
    too_dear = {trial.number for trial in less if trial.kept}
    return sum(trial.kept for trial in advised) >= ENOUGH_KEPT * tried and len(too_dear) <= MOST_TOO_DEAR


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
