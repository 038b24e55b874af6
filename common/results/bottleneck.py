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

from collections.abc import Mapping
from dataclasses import dataclass

from common.client.sent import ClientCost
from common.results.facts import Pinned
from common.results.metrics import Metrics

MANY_FAILED = 0.05
BUSY, IDLE = 0.85, 0.50
NEAR, KEPT_UP = 0.85, 0.98
CLIENT, ERRORS, OFFERED, WAITING, SERVER_CPU, DATABASE = "client", "errors", "offered load", "waiting", "server CPU", "database"
SERVER_CONCURRENCY, UNKNOWN = "server concurrency", "unknown"

WARN_SHARE, INVALID_SHARE = 0.70, 0.90  # of a core, used by the client
WARN_LAG_OF_P50 = 0.05
LEAST_SECONDS = 0.5  # of a load whose share of a core says anything of its client


@dataclass(frozen=True)
class Bottleneck:
    by: str
    because: str


def find_bottleneck(metrics: Metrics, fault: str, pinned: Pinned | None, cpu_seconds_beside: Mapping[str, float]) -> Bottleneck:
    client = metrics.sent.client
    if client_was_the_limit(client):
        return Bottleneck(CLIENT, doubts_of_client(client, metrics.latency(50))[0])
    if fault or metrics.failed > MANY_FAILED * max(metrics.complete, 1):
        return Bottleneck(ERRORS, f"{metrics.failed:,} of {metrics.complete:,} requests failed")
    is_open, at_work, users = metrics.sent.load.is_open, being_worked_on(metrics), metrics.in_flight
    if is_open and metrics.of_ideal is not None and metrics.of_ideal >= KEPT_UP:
        return Bottleneck(OFFERED, f"{metrics.of_ideal:.1%} of what was due was answered in time: no more was asked for")
    if not is_open and at_work is not None and at_work >= NEAR * users:
        return Bottleneck(WAITING, f"{at_work / users:.0%} of the ideal for {users:.0f} in flight")
    busy = server_share(metrics, pinned)
    if busy is not None and busy >= BUSY:
        return Bottleneck(SERVER_CPU, f"{busy:.0%} of what it may use")
    beside = busiest_beside(metrics, pinned, cpu_seconds_beside)
    if beside is not None:
        return beside
    if busy is not None and busy <= IDLE and at_work is not None:
        because = f"about {at_work:.1f} of {users:.0f} requests were worked on at a time, its CPU {busy:.0%} busy"
        return Bottleneck(SERVER_CONCURRENCY, because)
    return Bottleneck(UNKNOWN, "the server's CPU is not known" if busy is None else f"the server's CPU was {busy:.0%} busy")


def being_worked_on(metrics: Metrics) -> float | None:
    """By Little's law: the rate times the least time of an answer (declared, or else the shortest seen)."""
    is_open = metrics.sent.load.is_open
    if not metrics.ok:
        return None
    if is_open and metrics.least_seconds:
        return metrics.per_second * metrics.least_seconds
    if metrics.of_ideal is not None and not is_open:
        return metrics.of_ideal * metrics.in_flight
    return metrics.per_second * float(metrics.latencies[0]) / 1000


def server_share(metrics: Metrics, pinned: Pinned | None) -> float | None:
    """Of its cores, or of the one core that a process of Python can use: whichever is nearer to full."""
    if not metrics.cost or not metrics.seconds:
        return None
    shares = [metrics.cost.busiest_process_cpu_seconds / metrics.seconds]
    if pinned:
        shares.append(metrics.cost.cpu_seconds / metrics.seconds / len(pinned.server))
    return max(shares)


def busiest_beside(metrics: Metrics, pinned: Pinned | None, cpu_seconds_beside: Mapping[str, float]) -> Bottleneck | None:
    if not pinned or not metrics.seconds:
        return None
    used = {**cpu_seconds_beside, CLIENT: metrics.sent.client.cpu_seconds}
    share = sum(used.values()) / metrics.seconds / len(pinned.others)
    most = max(used, key=lambda name: used[name])
    name = DATABASE if most == "postgres" else most
    return Bottleneck(name, f"the cores beside the server's were {share:.0%} busy, most by this") if share >= BUSY else None


def share_of_client(client: ClientCost) -> float:
    return client.busiest_second_share if client.seconds >= LEAST_SECONDS else 0.0


def client_was_the_limit(client: ClientCost) -> bool:
    """What such a load shows is the client."""
    return share_of_client(client) >= INVALID_SHARE


def doubts_of_client(client: ClientCost, p50_ms: float | None) -> list[str]:
    """What is to be doubted because of the load generator, the worst first."""
    share, lag = share_of_client(client), client.loop_lag_p99_ms
    doubts = []
    if share >= WARN_SHARE:
        fate = "the run is INVALID: it shows the client's limit" if client_was_the_limit(client) else "near its limit"
        doubts.append(f"the client used {share:.0%} of a core in its busiest second; {fate}")
    if p50_ms is not None and lag > WARN_LAG_OF_P50 * p50_ms:
        doubts.append(f"the client's event loop ran {lag:.1f} ms late (p99), over 5 % of the median response time")
    return doubts
