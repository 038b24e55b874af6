"""What limited a load: one answer by a fixed rule, from what was recorded. Ranks are not causes.

The first of these that holds:
  client              the load generator was at its limit: the run is invalid
  errors              more than a twentieth of what ended had failed
  offered load        an open loop, and 0.98 of what was due was answered in time: the server could take more
  server CPU          a process of the server used 0.85 of a core, or all of them 0.85 of their cores
  database, <service> the cores beside the server's were 0.85 busy, at least a quarter of that with this, the busiest service
  waiting             at least 0.85 of the ideal, by a declared least time or that of a request alone: with more in
                      flight, more would be served
  other programs      they used more than 0.15 of the server's cores, and the server 0.85 of what they left
  server concurrency  the server's CPU was idle for at least half of the time, and at most half of the requests
                      in flight were being worked on (rate times the least time that an answer takes)
  CPU and waits       the rate lies between the bounds of both: while all wait the CPU idles, while all compute none waits
  other programs      they used more than 0.15 of the server's cores, and nothing else is known
  unknown             none of these: the table shows what was nearest to full instead
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from common.client.sent import ClientCost
from common.results.circumstances import Noise, Pinned
from common.results.metrics import Metrics

MANY_FAILED = 0.05
BUSY, IDLE = 0.85, 0.50
NEAR, KEPT_UP, FEW_AT_WORK = 0.85, 0.98, 0.50
MANY_FOREIGN = 0.15
LEAST_PART = 0.25  # of what the cores beside the server did, for the service that is said to fill them
MANY_UNANSWERED = 0.10  # of what was answered: the CPU per answer includes theirs
IDEAL_MOST = 1.05  # of the ideal: more is impossible, so the declared least time is wrong
CLIENT, ERRORS, OFFERED, WAITING, SERVER_CPU, DATABASE = "client", "errors", "offered load", "waiting", "server CPU", "database"
SERVER_CONCURRENCY, IN_TURN, OTHERS, UNKNOWN = "server concurrency", "CPU and waits", "other programs", "unknown"

WARN_SHARE, INVALID_SHARE = 0.70, 0.90  # of a core, used by the client
WARN_LAG_OF_P50, LATE_LAG_OF_P50 = 0.05, 0.10
LATE_SHARE = 0.10  # of its time spent waiting for a core
LEAST_SECONDS = 0.5  # that a load must last for its client's share of a core to mean anything


@dataclass(frozen=True)
class Bottleneck:
    by: str  # one of the names above
    because: str
    busiest: str = ""  # if nothing was full: what came nearest, and how near

    @property
    def text(self) -> str:
        """The text for a table."""
        return self.busiest or self.by


def find_bottleneck(
    metrics: Metrics, fault: str, pinned: Pinned | None, cpu_seconds_beside: Mapping[str, float], noise: Noise | None = None
) -> Bottleneck:
    client = metrics.sent.client
    if client_was_the_limit(client):
        return Bottleneck(CLIENT, doubts_of_client(client, metrics.latency(50))[0])
    if fault or metrics.failed > MANY_FAILED * max(metrics.complete, 1):
        return Bottleneck(ERRORS, fault.partition("\n")[0] or f"{metrics.failed:,} of {metrics.complete:,} requests failed")
    if metrics.sent.load.is_open and metrics.of_ideal is not None and metrics.of_ideal >= KEPT_UP:
        return Bottleneck(OFFERED, f"{metrics.of_ideal:.1%} of what was due was answered in time: no more was asked for")
    busy, beside = server_share(metrics, pinned), shares_beside(metrics, pinned, cpu_seconds_beside)
    if busy is not None and busy >= BUSY:
        return Bottleneck(SERVER_CPU, f"{busy:.0%} of what it may use")
    services = {name: share for name, share in beside.items() if name != CLIENT}
    return (
        by_services(beside, services, "the cores that all share" if pinned and pinned.shared else "the cores beside the server's")
        or by_waiting(metrics)
        or by_others(noise, busy)
        or by_concurrency(metrics, busy)
        or in_turn(metrics)
        or by_others(noise)
        or nearest_to_full(busy, services, metrics.share_of_time)
    )


def by_services(beside: Mapping[str, float], services: Mapping[str, float], whose: str) -> Bottleneck | None:
    """Not where the load generator has filled these cores, and each service did little."""
    most = max(services, key=lambda name: services[name], default="")
    if not most or sum(beside.values()) < BUSY or services[most] < LEAST_PART * sum(beside.values()):
        return None
    return Bottleneck(most, f"{whose} were {sum(beside.values()):.0%} busy, {services[most]:.0%} with this")


def by_waiting(metrics: Metrics) -> Bottleneck | None:
    share = metrics.share_of_time
    if share is None or share < NEAR:
        return None
    least = "of the ideal" if metrics.least_seconds else "of what answers as fast as one alone would allow"
    return Bottleneck(WAITING, f"{share:.0%} {least}, for {metrics.in_flight:.0f} in flight")


def by_concurrency(metrics: Metrics, busy: float | None) -> Bottleneck | None:
    users, at_work = metrics.in_flight, being_worked_on(metrics)
    if busy is not None and busy <= IDLE and at_work is not None and at_work <= FEW_AT_WORK * users:
        because = f"about {at_work:.1f} of {users:.0f} requests were worked on at a time, its CPU {busy:.0%} busy"
        return Bottleneck(SERVER_CONCURRENCY, because)
    return None


def in_turn(metrics: Metrics) -> Bottleneck | None:
    limits = bounds(metrics)
    if limits is None or not limits[0] <= metrics.per_second <= limits[1]:
        return None
    return Bottleneck(IN_TURN, f"requests all in step would allow {limits[0]:.1f} a second, never in each other's way {limits[1]:.1f}")


def bounds(metrics: Metrics) -> tuple[float, float] | None:
    """The bounds of the rate of a server whose every request computes and waits.

    At the least, all go in step: they compute one after the other, then all wait. At the most, they are
    never in each other's way (the asymptotic bounds of operational analysis). Needs the CPU of a request, the number
    in flight, and the least time of an answer, which is all but CPU time.
    """
    waits, computes, n = metrics.least_seconds, metrics.cpu_ms, metrics.in_flight
    if metrics.sent.load.is_open or not waits or not computes or not n or not metrics.cost or not metrics.cost.cpu_known:
        return None
    if metrics.failed + metrics.cut_off > MANY_UNANSWERED * metrics.ok:
        return None
    apiece = computes / 1000
    of_one_process = apiece * metrics.cost.busiest_process_cpu_seconds / metrics.cost.cpu_seconds  # the others compute in parallel
    return n / (n * of_one_process + waits), min(n / (apiece + waits), 1 / of_one_process)


def by_others(noise: Noise | None, busy: float | None = None) -> Bottleneck | None:
    """Given how busy the server was: only if it used up what others left it."""
    foreign = noise.foreign_on_server_cores or 0.0 if noise else 0.0
    if noise is None or foreign <= MANY_FOREIGN or (busy is not None and busy < BUSY * (1 - foreign)):
        return None
    programs = ", ".join(f"{name} {share:.0%} of a core" for name, share in noise.foreign_programs.items())
    because = f"they used {noise.foreign_on_server_cores:.0%} of the server's cores{f' ({programs})' if programs else ''}"
    return Bottleneck(OTHERS, because, f"{OTHERS} {noise.foreign_on_server_cores:.0%}")


def nearest_to_full(busy: float | None, services: Mapping[str, float], of_ideal: float | None) -> Bottleneck:
    if busy is None:
        return Bottleneck(UNKNOWN, "the server's CPU is not known")
    parts = {SERVER_CPU: busy, **services, **({WAITING: of_ideal} if of_ideal is not None else {})}
    most = max(parts, key=lambda name: parts[name])
    return Bottleneck(UNKNOWN, f"nothing was full; the server's CPU was {busy:.0%} busy", f"{most} {parts[most]:.0%}")


def share_of_the_ideal(metrics: Metrics) -> float | None:
    """Only with a declared least time."""
    return metrics.of_ideal if metrics.least_seconds and not metrics.sent.load.is_open and metrics.ok else None


def being_worked_on(metrics: Metrics) -> float | None:
    """Little's law: the rate times the least time of an answer, declared or alone, or else the shortest seen, which overestimates."""
    if not metrics.ok:
        return None
    shortest = min(float(metrics.latencies[0]), metrics.alone_ms or math.inf)
    return metrics.per_second * (metrics.least_seconds or shortest / 1000)


def server_share(metrics: Metrics, pinned: Pinned | None) -> float | None:
    """How busy its cores are, or the one core that a Python process can use, whichever is nearer to full."""
    if not metrics.cost or not metrics.cost.cpu_known or not metrics.seconds:
        return None
    shares = [metrics.cost.busiest_process_cpu_seconds / metrics.seconds]
    if pinned:
        shares.append(metrics.cost.cpu_seconds / metrics.seconds / len(pinned.server))
    return min(1.0, max(shares) * steadily(metrics))


def shares_beside(metrics: Metrics, pinned: Pinned | None, cpu_seconds_beside: Mapping[str, float]) -> dict[str, float]:
    """How busy each part keeps the cores beside the server's; includes the server if all cores are shared."""
    if not pinned or not metrics.seconds:
        return {}
    used = {**cpu_seconds_beside, CLIENT: metrics.sent.client.cpu_seconds}
    if pinned.shared and metrics.cost and metrics.cost.cpu_known:
        used[SERVER_CPU] = metrics.cost.cpu_seconds
    available = metrics.seconds * len(pinned.others) / steadily(metrics)
    return {DATABASE if name == "postgres" else name: seconds / available for name, seconds in used.items()}


def steadily(metrics: Metrics) -> float:
    """How many times as much is used a second while a load is steady as in all of it: as many times as more is answered.

    Not where much was cut off: that work was done and never answered.
    """
    if not metrics.ok or metrics.rate.too_short or metrics.cut_off > MANY_UNANSWERED * metrics.ok:
        return 1.0
    return max(1.0, metrics.per_second / metrics.mean_per_second)


def share_of_client(client: ClientCost) -> float:
    return client.busiest_second_share if client.seconds >= LEAST_SECONDS else 0.0


def client_was_the_limit(client: ClientCost) -> bool:
    """Such a load shows the client, not the server."""
    return share_of_client(client) >= INVALID_SHARE


def client_was_late(metrics: Metrics) -> bool:
    """Its times include its own waits for a core, so the load's rates and times are marked."""
    client, p50 = metrics.sent.client, metrics.latency(50)
    lagged = p50 is not None and client.loop_lag_p99_ms > LATE_LAG_OF_P50 * p50
    return lagged or (client.waited_share is not None and client.waited_share > LATE_SHARE)


def doubts_of_ideal(metrics: Metrics) -> list[str]:
    """A doubt if more was served than the declared least time allows: it was declared wrongly."""
    of_ideal = share_of_the_ideal(metrics)
    if of_ideal is None or of_ideal <= IDEAL_MOST:
        return []
    shortest = float(metrics.latencies[0]) / 1000
    seconds = f"LEAST_SECONDS says {metrics.least_seconds:g} s, but an answer took {shortest:.3f} s"
    return [f"{of_ideal:.0%} of the ideal is impossible: {seconds}"]


def doubts_of_client(client: ClientCost, p50_ms: float | None) -> list[str]:
    """Doubts because of the load generator, the worst first."""
    share, lag = share_of_client(client), client.loop_lag_p99_ms
    doubts = []
    if share >= WARN_SHARE:
        fate = "the run is INVALID: it shows the client's limit" if client_was_the_limit(client) else "near its limit"
        doubts.append(f"the client used {share:.0%} of a core in its busiest second; {fate}")
    if p50_ms is not None and lag > WARN_LAG_OF_P50 * p50_ms:
        doubts.append(f"the client's event loop ran {lag:.1f} ms late (p99), over 5% of the median response time")
    if client.waited_share is not None and client.waited_share > LATE_SHARE:
        worst = f", {client.busiest_second_waited_share:.0%} in its worst second" if client.busiest_second_waited_share else ""
        doubts.append(f"the client waited for a core {client.waited_share:.0%} of its time{worst}: its times include that")
    return doubts
