"""Records of runs that never were, for what is derived from records: typed, with a value for all that a test does not care about."""

from dataclasses import replace

import numpy as np

from common.client.load import Load
from common.client.options import parse_line
from common.client.outcomes import NUMBER, OUTCOMES, tally
from common.client.sent import ClientCost, Requests, Sent
from common.results.circumstances import Cost, Environment, Noise, WarmUp
from common.results.record import Measured, ScenarioRun

ENVIRONMENT = Environment(
    system="Linux 6.1",
    machine="x86_64",
    processor="a processor",
    cores=2,
    memory_bytes=2**34,
    python="CPython 3.11.7",
    packages={"django": "5.2.19"},
    revision="abc1234",
)


def column(values) -> np.ndarray:
    return np.array(list(values), dtype=np.int64)


def make_requests(rows, due=None) -> Requests:
    """Of each: start, connected, sent, first byte and end in seconds; outcome, status, bytes of the body and in all."""
    moments = [column(round(row[at] * 1e6) for row in rows) for at in range(5)]
    outcomes = column(NUMBER[row[5]] for row in rows)
    numbers = [column(row[at] for row in rows) for at in range(6, 9)]
    return Requests(*moments, outcomes, *numbers, due=None if due is None else column(round(moment * 1e6) for moment in due))


def make_answers(times_ms, failed=0, ends_ms=None) -> Requests:
    """Answers that each took so long, all sent at the start, or as late as they must to end then; the last so many failed."""
    ends = [took / 1000 for took in (times_ms if ends_ms is None else ends_ms)]
    starts = [0.0] * len(ends) if ends_ms is None else [end - took / 1000 for end, took in zip(ends, times_ms, strict=True)]
    outcomes = ["ok"] * (len(ends) - failed) + ["non-2xx"] * failed
    return make_requests(
        [(start, start, start, end, end, outcome, 200, 2, 100) for start, end, outcome in zip(starts, ends, outcomes, strict=True)]
    )


def make_steady(ok: int, seconds: float, failed: int = 0) -> Requests:
    """So many answers in so many seconds, one after the other evenly; then some that failed within a millisecond."""
    rows = [(0, 0, 0, seconds * (place + 1) / ok, seconds * (place + 1) / ok, "ok", 200, 2, 100) for place in range(ok)]
    return make_requests([*rows, *[(0, 0, 0, 0.001, 0.001, "non-2xx", 500, 2, 100)] * failed])


def make_client(seconds: float = 1.0, busiest: float = 0.2, lag_ms: float = 0.1, cpu_seconds: float = 0.1) -> ClientCost:
    return ClientCost(
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        cpu_share=busiest / 2,
        busiest_second_share=busiest,
        loop_lag_p99_ms=lag_ms,
        loop_lag_max_ms=2 * lag_ms,
        python="3.11.7",
        aiohttp="3.14.5",
        loop="uvloop 0.23.0",
    )


def make_sent(
    requests: Requests, load: str | Load = "-n 10 -c 2 /", seconds: float = 1.0, stopped: str = "", client: ClientCost | None = None, **more
) -> Sent:
    load = parse_line(load) if isinstance(load, str) else load
    return replace(
        Sent(
            load=load,
            url=f"http://127.0.0.1:8000{load.target}",
            host="127.0.0.1",
            port=8000,
            path=load.target,
            address="127.0.0.1",
            body_bytes=0,
            started_at="2026-11-20T10:04:05.000+00:00",
            seconds=seconds,
            stopped=stopped,
            server="made up",
            connections=len(requests),
            kept_alive=0,
            outcomes=tally(requests.outcome),
            outcome_names=OUTCOMES,
            client=client or make_client(seconds),
            requests=requests,
        ),
        **more,
    )


def make_cost(cpu_seconds: float = 0.1, mb: float = 100, threads: int = 1, busiest: float | None = None) -> Cost:
    return Cost(
        cpu_seconds=cpu_seconds,
        busiest_process_cpu_seconds=cpu_seconds if busiest is None else busiest,
        voluntary_switches=10,
        involuntary_switches=1,
        peak_memory_bytes=round(mb * 2**20),
        largest_process_bytes=round(mb * 2**20),
        memory_measure="pss",
        peak_threads=threads,
    )


def make_measured(sent: Sent, **more) -> Measured:
    """As of a quiet run on shared cores, without a fault."""
    load = Measured(
        sent=sent,
        identity=sent.load.identity,
        line=sent.load.identity,
        latency_ms=0,
        size="declared",
        least_seconds=None,
        published={},
        command=["gunicorn"],
        generator=["python", "-m", "common.loadgen"],
        pinned=None,
        postgres="",
        warm_up=WarmUp({"ok": 10}, 0.1),
        fault="",
        cost=make_cost(),
        cpu_seconds_beside={},
        noise=Noise(available=True),
        waited_for_ports_seconds=0.0,
        counted_in_log={},
    )
    return replace(load, **more)


def make_run(scenario: str, *loads: Measured, study: str = "tests", **more) -> ScenarioRun:
    run = ScenarioRun(
        scenario=scenario,
        started_at="2026-11-20T10:04:05+00:00",
        study=study,
        baselines=[],
        question="Is it answered?",
        differs_from={},
        launch="gunicorn {app}",
        source="print('made up')\n",
        environment=ENVIRONMENT,
        mode="full",
        status="ok",
        loads=list(loads),
    )
    return replace(run, **more)


def make_open(rows, seconds, stages, **more) -> Sent:
    """Of each request of an open loop: when it was due, how late it started, how long after it was due it ended, and what became of it."""
    rows = sorted(rows, key=lambda row: row[0] + row[2])
    moments = [(due + late, due + late, due + late, 0.0, due + took, outcome, 200, 2, 100) for due, late, took, outcome in rows]
    load = Load(target="/", requests=None, concurrency=1000, stages=tuple(map(tuple, stages)), keep_alive=True)
    return make_sent(make_requests(moments, due=[row[0] for row in rows]), load, seconds, **{"connections": 2, "kept_alive": 3, **more})
