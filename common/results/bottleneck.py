"""What limited a load? One answer by a stated rule, from what was recorded: ranks are not causes.

The first that holds:
  client              the load generator was at its limit: the run is invalid
  errors              more than a twentieth of what ended had failed
  offered load        an open loop, and of what was due 0.98 was answered in time: more would be served too
  waiting             at least 0.85 of the ideal: more requests in flight would be served too
  server CPU          a process of the server used 0.85 of a core, or all of them 0.85 of their cores
  database, <service> the cores beside the server's were used to 0.85, most by this
  server concurrency  the server's CPU was idle for half of the time and more, and fewer requests were
                      being worked on (rate times the least time an answer takes) than were in flight
  unknown             none of these
"""

from dataclasses import dataclass
from typing import Any

from common.client.selfwatch import doubts
from common.results.metrics import Summary, in_flight, is_open

MANY_FAILED = 0.05
BUSY, IDLE = 0.85, 0.50
NEAR, KEPT_UP = 0.85, 0.98
CLIENT, ERRORS, OFFERED, WAITING, SERVER_CPU, DATABASE = "client", "errors", "offered load", "waiting", "server CPU", "database"
SERVER_CONCURRENCY, UNKNOWN = "server concurrency", "unknown"


@dataclass(frozen=True)
class Limit:
    by: str
    because: str


def limit_of(load: dict[str, Any], summary: Summary) -> Limit:
    invalid, said = doubts(load["client"], summary.latency(50))
    if invalid:
        return Limit(CLIENT, said[0])
    if load["fault"] or summary.failed > MANY_FAILED * max(summary.complete, 1):
        return Limit(ERRORS, f"{summary.failed:,} of {summary.complete:,} requests failed")
    at_work, users = being_worked_on(load, summary), in_flight(load)
    if is_open(load) and summary.of_ideal is not None and summary.of_ideal >= KEPT_UP:
        return Limit(OFFERED, f"{summary.of_ideal:.1%} of what was due was answered in time: no more was asked for")
    if not is_open(load) and at_work is not None and at_work >= NEAR * users:
        return Limit(WAITING, f"{at_work / users:.0%} of the ideal for {users:.0f} in flight")
    busy = server_share(load)
    if busy is not None and busy >= BUSY:
        return Limit(SERVER_CPU, f"{busy:.0%} of what it may use")
    beside = busiest_beside(load)
    if beside is not None:
        return beside
    if busy is not None and busy <= IDLE and at_work is not None:
        return Limit(SERVER_CONCURRENCY, f"about {at_work:.1f} of {users:.0f} requests were worked on at a time, its CPU {busy:.0%} busy")
    return Limit(UNKNOWN, "the server's CPU is not known" if busy is None else f"the server's CPU was {busy:.0%} busy")


def being_worked_on(load: dict[str, Any], summary: Summary) -> float | None:
    """By Little's law: the rate times the least time of an answer (declared, or else the shortest seen)."""
    if not summary.ok:
        return None
    if is_open(load) and load.get("least_seconds"):
        return summary.per_second * float(load["least_seconds"])
    if summary.of_ideal is not None and not is_open(load):
        return summary.of_ideal * in_flight(load)
    return summary.per_second * float(summary.total[0]) / 1000


def server_share(load: dict[str, Any]) -> float | None:
    """Of its cores, or of the one core that a process of Python can use: whichever is nearer to full."""
    cost, seconds = load.get("server_cost"), load["seconds"]
    if not cost or not seconds:
        return None
    shares = [cost["busiest_process_cpu_seconds"] / seconds]
    if load["pinned"]:
        shares.append(cost["cpu_seconds"] / seconds / len(load["pinned"]["server"]))
    return float(max(shares))


def busiest_beside(load: dict[str, Any]) -> Limit | None:
    if not load["pinned"] or not load["seconds"]:
        return None
    used = {**load["cpu_seconds_beside"], CLIENT: load["client"]["cpu_seconds"]}
    share = sum(used.values()) / load["seconds"] / len(load["pinned"]["others"])
    most = max(used, key=lambda name: used[name])
    name = DATABASE if most == "postgres" else most
    return Limit(name, f"the cores beside the server's were {share:.0%} busy, most by this") if share >= BUSY else None
