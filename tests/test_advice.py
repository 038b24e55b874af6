"""Is what is advised the cheapest that keeps the promise, and nothing advised that the records cannot bear?"""

import re
import subprocess
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest

from common.advise import OwnSite, advise_from, main
from common.report.advice import verdict
from common.results import files
from common.results.advice import Wanted, advise
from common.results.circumstances import Noise
from common.results.demand import Demand, Memory, Server, find_demand
from common.results.record import Measured
from common.results.targets import parse_latency
from common.running.find_rate import judge
from common.serving.ports import backlog
from common.serving.shape import with_shape
from tests.made_up import make_client, make_cost, make_measured, make_open, make_requests, make_run, make_sent
from tests.processes import Program, changed, copy_tree, one_line

THREADS = Server("threads", "threads", 1, 100)
LOOP = Server("loop", "loop", 1, None, numbered=False)
SYNC = Server("sync", "sync", 1, 1)


def make_load(in_flight: int, per_second: float, ms: float, cpu_ms: float, seconds: float = 5.0, failed: int = 0, **more) -> Measured:
    """So many at a time, each answered in that time, evenly; it used so much CPU for each."""
    number = round(per_second * seconds)
    ends = [(place + 1) / per_second for place in range(number)]
    rows = [(max(0.0, end - ms / 1000),) * 4 + (end, "ok" if place >= failed else "reset", 200, 2, 100) for place, end in enumerate(ends)]
    cost = make_cost(number * cpu_ms / 1000, mb=more.pop("mb", 40))
    sent = make_sent(make_requests(rows), f"-n {number} -c {in_flight} /", seconds, client=make_client(lag_ms=0))
    return make_measured(sent, **{"cost": cost, **more})


def waiting(**more) -> Measured:
    """100 at a time, each waits 100 ms and computes 1 ms."""
    return make_load(100, 800, 125, 1.0, **{"mb": 50, **more})


def alone(**more) -> Measured:
    return make_load(1, 9.8, 102, 2.0, seconds=20, **{"mb": 41, **more})


def demand_of(server: Server, computes: float = 1.0, waits: float = 100.0, **more) -> Demand:
    return replace(
        Demand(
            server=server,
            cpu_ms=computes,
            cpu_is_bound=False,
            worker_share=1.0,
            in_flight=100,
            per_second=500,
            limited_by="server CPU",
            alone_ms=np.full(100, computes + waits),
            wait_ms=waits,
            memory=Memory(10, 30, 0.1),
            with_database=False,
            beside_ms={},
            doubts=(),
        ),
        **more,
    )


def wanted(rate: float, target: str = "p99<=1s", cores: int = 2, memory_mb: float = 4096) -> Wanted:
    return Wanted(rate, parse_latency(target), cores, memory_mb)


# What a request asks


def test_cpu_is_taken_under_load_and_the_wait_from_a_request_alone():
    demand = find_demand(THREADS, [alone(), waiting()])
    assert isinstance(demand, Demand)
    assert (demand.cpu_ms, demand.in_flight, demand.per_second) == (pytest.approx(1.0), 100, pytest.approx(800, rel=0.02))
    assert demand.wait_ms == pytest.approx(100, abs=0.5)
    assert demand.computing.mean() == pytest.approx(0.001)
    assert demand.waiting.mean() == pytest.approx(0.1, rel=0.01)


def test_memory_lies_on_a_line_through_the_two():
    """The warm-up has left ten threads; a hundred at a time need 9 MB more."""
    demand = find_demand(THREADS, [alone(), waiting()])
    assert isinstance(demand, Demand)
    assert demand.memory.each_mb == pytest.approx(0.1)
    assert demand.memory.process_mb == pytest.approx(40)


def test_what_a_router_computes_is_in_no_workers_way():
    """Half of the CPU time is another process's: one worker serves nearly twice what one core could."""
    split = find_demand(THREADS, [alone(), waiting(cost=make_cost(4.0, busiest=2.0))])
    assert isinstance(split, Demand)
    assert (split.worker_ms, split.apart_ms) == (pytest.approx(0.5), pytest.approx(100.5, abs=0.5))
    advice = advise([split], wanted(1200))
    assert advice.advised is not None
    assert advice.advised.shape.processes == 1


@pytest.mark.parametrize(
    ("loads", "why"),
    [
        ([waiting()], r"no load of one request at a time \(-c 1\)"),
        ([alone()], r"no load of many at a time \(-c 50\)"),
        ([alone(), waiting(failed=400)], "400 of 4,000 requests failed"),
        ([alone(), waiting(fault="it ended")], "it failed: it ended"),
        (
            [alone(noise=Noise(True, disturbed="others used 20%")), waiting()],
            "one request at a time cannot be used: it was disturbed: others",
        ),
        ([alone(), make_load(5, 1, 125, 1.0)], "too short to tell: only"),
        ([alone(), waiting(cost=None)], "the server's CPU time is not known"),
        (
            [alone(), make_load(100, 50, 2000, 1.0)],
            "does not fit the model: 100 at a time, it served 50 a second, where it should at least 500",
        ),
    ],
)
def test_what_the_records_cannot_bear_is_said(loads, why):
    found = find_demand(THREADS, loads)
    assert isinstance(found, str)
    assert re.search(why, found)


def test_a_disturbed_run_does_not_count_beside_a_quiet_one():
    demand = find_demand(THREADS, [alone(), waiting(), make_load(100, 700, 125, 3.0, noise=Noise(True, disturbed="others"))])
    assert isinstance(demand, Demand)
    assert demand.cpu_ms == pytest.approx(1.0)


def test_one_sync_worker_is_full_with_one_request():
    assert isinstance(find_demand(SYNC, [alone()]), Demand)


# What is advised


def test_a_view_that_waits_gets_threads_enough_and_half_as_many_again():
    advice = advise([demand_of(THREADS)], wanted(200))
    assert advice.advised is not None
    shape = advice.advised.shape
    least = next(row for row in advice.rows if row.kept)
    assert shape.processes == 1
    assert 200 * 1.1 * 0.101 <= least.shape.at_a_time < shape.at_a_time <= 2.2 * least.shape.at_a_time
    assert not advice.rows[0].kept
    assert advice.advised.ms < 130
    assert advice.advised.mb == pytest.approx(40 + 0.1 * shape.at_a_time)


def test_a_view_that_computes_gets_processes():
    advice = advise([demand_of(THREADS, computes=10, waits=0)], wanted(150))
    assert advice.advised is not None
    assert advice.advised.shape.processes == 2
    assert advice.advised.cores == pytest.approx(1.5)
    assert [row.kept for row in advice.rows if row.shape.processes == 1] == [False] * sum(row.shape.processes == 1 for row in advice.rows)


@pytest.mark.parametrize(("rate", "processes"), [(85, 1), (95, 2)])
def test_a_tenth_is_spared(rate, processes):
    """One core has time for 100 a second."""
    advice = advise([demand_of(THREADS, computes=10, waits=0)], wanted(rate, "p99<=20s"))
    assert advice.advised is not None
    assert advice.advised.shape.processes == processes


def test_the_server_that_costs_least_is_advised():
    advice = advise([demand_of(THREADS, computes=2), demand_of(LOOP, computes=1)], wanted(100))
    assert advice.advised is not None
    assert advice.advised.shape.demand.server == LOOP
    assert {row.shape.demand.scenario for row in advice.rows} == {"threads", "loop"}
    assert [row.cost for row in advice.rows] == sorted(row.cost for row in advice.rows)
    assert len(advice.rows) <= 8


def test_sync_workers_as_many_as_erlang_demands_or_threads_in_their_place():
    only_sync = advise([demand_of(replace(SYNC, numbered=False))], wanted(50, "p99<=300ms"))
    assert only_sync.advised is not None
    assert only_sync.advised.shape.is_pooled
    assert 6 <= only_sync.advised.shape.processes <= 10
    with_threads = advise([demand_of(SYNC, memory=Memory(10, 30, 0.0))], wanted(50, "p99<=300ms"))
    assert with_threads.advised is not None
    assert not with_threads.advised.shape.is_pooled
    assert with_threads.advised.mb > 40.5


def test_a_loop_with_a_database_gets_a_pool():
    advice = advise([demand_of(LOOP, with_database=True)], wanted(100))
    assert advice.advised is not None
    assert advice.advised.connections == advice.advised.shape.at_a_time
    assert 11 <= advice.advised.connections <= 24


def test_a_promise_shorter_than_a_request_alone_is_kept_by_nothing():
    advice = advise([demand_of(THREADS)], wanted(10, "p99<=50ms"))
    assert (advice.advised, advice.at_ten) == (None, None)
    assert advice.rows[0].ms >= 101


def test_machines_are_counted_where_one_is_not_enough():
    advice = advise([demand_of(THREADS, computes=10, waits=0)], wanted(500))
    assert advice.machines == 3  # 2 cores have time for 200 a second, and a tenth is spared
    assert advice.at_ten is not None
    assert 26 <= advice.at_ten[0] <= 30


def test_memory_that_is_not_there_is_not_used():
    enough, little = (advise([demand_of(replace(SYNC, numbered=False))], wanted(50, memory_mb=mb)) for mb in (1000, 100))
    assert enough.advised is not None
    assert enough.machines == 1
    assert little.advised is None or (little.machines > 1 and little.advised.mb <= 100)


def test_spare_threads_that_do_not_fit_are_left_out():
    demand = demand_of(THREADS, memory=Memory(0, 100, 1.0))
    enough = advise([demand], wanted(200)).advised
    assert enough is not None
    little = advise([demand], wanted(200, memory_mb=enough.mb - 1))
    assert little.advised is not None
    assert little.machines == 1
    assert little.advised.kept
    assert little.advised.mb < enough.mb


# The command


@pytest.fixture
def command(capsys):
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        code = main([str(word) for word in arguments])
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


@pytest.fixture
def measured(tmp_path):
    launch = "gunicorn {app} --worker-class gthread --workers 1 --threads 100"
    files.write(tmp_path / "run" / "gthread.json.gz", make_run("gthread", alone(), waiting(), launch=launch))
    files.write(tmp_path / "busy" / "gthread.json.gz", make_run("gthread", waiting(), launch=launch))
    return tmp_path


def test_the_answer_its_table_and_what_it_rests_on(command, measured):
    done = command(measured / "run", "--rate", 200, "--target", "p99<=1s")
    assert (done.returncode, done.stderr) == (0, "")
    assert "run gthread with 1 process of 40 threads: p99 about" in " ".join(done.stdout.split())
    assert "    gunicorn {app} --worker-class gthread --workers 1 --threads 40\n" in done.stdout
    assert "as measured" in done.stdout
    assert "CPU 1.00 ms a request (100 in flight, 800 a second, where the model has 500 to 990)" in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert len(re.findall(r"(as measured|extrapolated) *$", done.stdout, re.MULTILINE)) <= 8


def test_one_site_in_several_shapes_is_weighed_once(command, tmp_path):
    for threads in (8, 100):
        launch = f"gunicorn {{app}} --worker-class gthread --workers 1 --threads {threads}"
        source = f'"""With {threads}?"""\nSERVER = "{launch}"\napplication = 1\n'
        loads = [alone(), waiting() if threads == 100 else make_load(8, 76, 105, 1.5)]
        files.write(tmp_path / f"{threads}.json.gz", make_run(f"with_{threads}", *loads, launch=launch, source=source))
    other = make_run("other", alone(), waiting(), launch=launch, source="application = 2\n")
    files.write(tmp_path / "other.json.gz", other)
    done = command(tmp_path, "--rate", 200, "--target", "p99<=1s")
    assert done.returncode == 0
    assert set(re.findall(r"^[> ]  (\w+) +\d", done.stdout, re.MULTILINE)) in ({"with_100", "other"}, {"with_8", "other"})


def test_a_server_that_is_not_known_gets_no_advice(command, tmp_path):
    files.write(tmp_path / "mine.json.gz", make_run("mine", alone(), waiting(), launch="my_server {app}"))
    done = command(tmp_path, "--rate", 200, "--target", "p99<=1s")
    assert done.returncode == 1
    assert "mine: its launch line does not say how it works on several requests" in done.stdout


def test_no_advice_without_a_request_alone(command, measured):
    done = command(measured / "busy", "--rate", 200, "--target", "p99<=1s")
    assert done.returncode == 1
    assert "./run_all.sh gthread -n 100 -c 1" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rate", "200", "--target", "req/s>=5"], "--target"),
        (["--rate", "200", "--target", "p99<=1s", "--path", "/other/"], "these results have only /"),
        (["--rate", "200", "--target", "p99<=1s", "--memory", "2"], "2GB"),
        (["--rate", "200", "--target", "p99<=1s", "--cores", "1000", "--verify"], "--cores 1000"),
        (["--rate", "0", "--target", "p99<=1s"], "--rate"),
    ],
)
def test_a_mistake_is_one_line(command, measured, arguments, said):
    done = command(measured / "run", *arguments)
    assert done.returncode == 2
    assert one_line(done.stderr)
    assert said in done.stderr


@pytest.mark.parametrize(
    ("took", "outcome", "kept", "said"),
    [
        (0.105, "ok", True, "Kept: p90 105 ms (forecast 1"),
        (2.0, "ok", False, "Not kept: p90 2,000 ms (forecast 1"),
        (0.105, "reset", False, "Not kept: p90 unanswered (forecast 1"),
    ],
)
def test_whether_it_was_kept_and_by_what(took, outcome, kept, said):
    """An open loop of 10 s at 20 a second, of which a fifth goes so."""
    rows = [(place / 20, 0.0, took, outcome) if place % 5 == 0 else (place / 20, 0.0, 0.105, "ok") for place in range(200)]
    load = make_measured(make_open(rows, 10.0, [(10.0, 20.0)], client=make_client(lag_ms=0)), cost=make_cost(0.4))
    asked = wanted(20, "p90<=1s")
    advised = advise([demand_of(THREADS)], asked).advised
    assert advised is not None
    found, text = verdict(advised, asked.target, load, judge(asked.target, load.sent))
    assert found == kept
    assert text.startswith(said)
    assert "0.04 cores busy (forecast 0.02)" in text
    assert f"{40 if outcome == 'reset' else 0} of 200 requests failed" in text


def test_a_project_gets_connections_a_line_to_paste_and_what_more_processes_served(tmp_path, capsys):
    """Computing 2 ms each, so that one process is not enough; with two, 900 a second were served."""
    launch = "gunicorn {app} --bind {host}:{port} --worker-class gthread --workers 1 --threads 100 --backlog {backlog}"
    runs = [
        make_run(
            f"shop/{name}", *loads, launch=with_shape(launch, processes), source='APP = "shop.wsgi:application"\n', project="/code/shop"
        )
        for name, processes, loads in (
            ("gthread", 1, [make_load(1, 9.8, 102, 2.0, seconds=20), make_load(100, 480, 208, 2.0, mb=50)]),
            ("gthread_2x", 2, [make_load(100, 900, 111, 2.0, mb=50)]),
        )
    ]
    options = Namespace(rate=600.0, target="p99<=1s", cores=2, memory=None, path=None, verify=False)
    assert advise_from(runs[:1], options) == 0
    alone_said = " ".join(capsys.readouterr().out.split())
    assert "2 processes were not measured" in alone_said
    assert "database connections" not in alone_said
    assert advise_from(runs[:1], options, OwnSite(with_database=True, beside=runs)) == 0
    said = capsys.readouterr().out
    assert "gunicorn shop.wsgi:application --bind 127.0.0.1:8000 --worker-class gthread --workers 2 --threads " in said
    assert f" --backlog {backlog()}\n" in said
    words = " ".join(said.split())
    assert "were not measured" not in words
    assert "MB beside; 2 processes served 900 a second." in words
    assert re.search(r"\d+ database connections", words)


WAITS = changed(
    ("    asked += 1\n", "    asked += 1\n    await asyncio.sleep(0.1)\n"),
    ("-n 20 -c 2 --expect ok", "-c 8 -t 2 --expect ok"),
)


def test_what_is_advised_is_tried(tmp_path):
    """From a scenario without a load of one request at a time: that is sent first. The tests themselves disturb it."""
    tree = copy_tree(tmp_path, {"one": WAITS})
    for name, old, new in (
        ("advise", "VERIFIED_SECONDS, GRACE_SECONDS = 30.0", "VERIFIED_SECONDS, GRACE_SECONDS = 5.0"),
        ("advise", "ALONE, ALONE_SECONDS = 100", "ALONE, ALONE_SECONDS = 15"),
        ("results/demand", "if load.noise.disturbed:", "if load.noise.disturbed == 'by no test':"),
    ):
        path = tree / "common" / f"{name}.py"
        path.write_text(changed((old, new), source=path.read_text()))
    with Program(tree, "scenarios/one.py") as program:
        assert program.finish() == 0, program.stderr
    record = next((tree / "results").glob("*/one.json.gz"))
    with Program(tree, "-m", "common.advise", str(record.parent), "--rate", "20", "--target", "p90<=10s", "--verify") as program:
        assert program.finish() == 0, program.stdout + program.stderr
        assert program.left_over() == []
    assert "run one with 1 process" in program.stdout
    kept = re.search(r"^Kept: p90 (\d+) ms \(forecast (\d+)\)", program.stdout, re.MULTILINE)
    assert kept, program.stdout
    assert int(kept[2]) >= 100
    assert int(kept[1]) >= 100
    advised = next((tree / "results").glob("*-advised/one_advised.py"))
    assert "--rate 20.0" in advised.read_text()
    measured = files.read(advised.with_name("one_advised.json.gz"), type(make_run("one")))
    assert measured.loads[0].sent.load.poisson
