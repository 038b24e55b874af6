"""What a run leaves: typed records, each defined once. Only raw facts are stored; everything else is derived from them.

The comment behind a field is its description in docs/record.schema.json.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from common.client.load import Sizes
from common.client.sent import Sent
from common.results.bottleneck import Bottleneck, client_was_late, client_was_the_limit, find_bottleneck
from common.results.circumstances import Cost, Environment, Noise, Pinned, WarmUp
from common.results.metrics import Metrics

MOST_ROUNDS, MOST_SEED = 10_000, 2**32 - 1
FAILED, CLIENT_BOUND = "it failed", "client-bound"  # why a load is invalid


@dataclass
class Measured:
    """One measured load: what was sent, what it cost, and what disturbed it."""

    sent: Sent
    identity: str  # the load's canonical command line: loads with the same one are the same
    line: str  # the load line, as the scenario declares it
    latency_ms: int  # added to everything the server sends
    size: Literal["declared", "changed"]  # changed: the user's options changed it
    least_seconds: float | None  # the least time of an answer; None: not declared
    published: dict[str, float | None]  # what the study published for this load
    command: list[str]  # the command that started the server
    generator: list[str]  # the command that sent the load
    pinned: Pinned | None  # None: everything shared all cores
    postgres: str  # its version; '' without PostgreSQL
    warm_up: WarmUp
    fault: str  # why this load says nothing about the server; '' if it does
    cost: Cost | None  # None: the server was never seen running
    cpu_seconds_beside: dict[str, float]  # of the processes beside the server, by name
    noise: Noise
    waited_for_ports_seconds: float  # waited before the load until ports of ended connections were free
    counted_in_log: dict[str, int]  # what the scenario counts in the logs of the server and the processes beside it
    calibration_ms: float | None = None  # the time of a fixed piece of work on the server's core before the load; None: unknown

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics(self.sent, self.least_seconds, self.cost, self.warm_up.alone_ms)

    @cached_property
    def bottleneck(self) -> Bottleneck:
        return find_bottleneck(self.metrics, self.fault, self.pinned, self.cpu_seconds_beside, self.noise)

    @property
    def client_was_late(self) -> bool:
        """Its rates and times must be marked."""
        return client_was_late(self.metrics)

    @property
    def invalid(self) -> str:
        """Why its metrics are not the server's; '' if they are."""
        if self.fault:
            return FAILED
        return CLIENT_BOUND if client_was_the_limit(self.sent.client) else ""


@dataclass
class ScenarioRun:
    """One scenario, measured once."""

    scenario: str  # its name
    started_at: str  # UTC, ISO 8601
    study: str  # the study that it belongs to
    baselines: list[str]  # of its study: the others are compared with the first of these that was measured
    question: str  # the question that it answers
    differs_from: dict[str, str]  # other scenarios, and the one thing that sets this one apart from each
    launch: str  # the launch line, as declared
    source: str  # the scenario's file
    environment: Environment
    mode: Literal["default", "full"]  # full: the published loads instead of the default ones
    round: int = 1  # its number in a suite
    project: str = ""  # the folder of the Django project that was served; '': the site is the file's own
    control: bool = False  # this is the second run of the A/A control
    seed: int | None = None  # of the random order of a suite
    status: Literal["ok", "interrupted", "skipped", "failed"] = "interrupted"  # how it ended
    reason: str = ""  # why it is not ok, or what to doubt about it if it is
    loads: list[Measured] = field(default_factory=list)  # in the order they were sent

    @property
    def unanswered(self) -> list[str]:
        """The loads with no request answered before their time was up: a result, but not the one they were sent for."""
        return [load.sent.load.describe() for load in self.loads if not load.metrics.ok and not load.fault]


@dataclass
class Probe:
    """One rate that was tried."""

    sent: Sent
    verdict: Literal["held", "broken", "void"]  # void: it shows nothing of the server, as the client was the limit or the probe too short
    because: str  # the reason; '' if it held
    cost: Cost | None = None  # None: we did not start the server

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics(self.sent, cost=self.cost)


@dataclass
class Search:
    """A search for the highest rate that keeps a target."""

    target: str  # such as 'p99<=500ms'
    percent: float  # the target's percentile
    limit_ms: float  # the target's time
    probe_seconds: float  # how long each rate was sent
    url: str  # of the first probe
    ended: Literal["found", "client-bound", "undecided", "none", "stopped"]  # how the search ended
    rate: float | None  # the highest that held
    said: str  # why there is no rate, if the probes do not show it
    probes: list[Probe]  # in the order they were sent
    scenario: str = ""  # whose server was searched; '' for a URL
    environment: Environment | None = None  # None: the search of a URL
    pinned: Pinned | None = None  # None: the search of a URL, or all cores shared


@dataclass
class Plan:
    """What a suite is to run: enough to resume it."""

    scenarios: list[str]  # by name
    rounds: int  # how often each scenario runs
    seed: int  # of the random order
    full: bool  # send the published loads
    pin: bool  # give the server cores of its own
    sizes: Sizes
    baseline: str = ""  # the scenario that the others of its study are compared with; '': as the study says
    within: float | None = None  # go on until each pair is decided, or the same within this difference; None: only the rounds
    minutes: float = 0.0  # that this may take
    workers: int = 1  # cores are shared out as for a server of so many processes, or more

    def __post_init__(self) -> None:
        if not (self.scenarios and 1 <= self.rounds <= MOST_ROUNDS and 0 <= self.seed <= MOST_SEED):
            raise ValueError(f"A plan needs scenarios, 1 to {MOST_ROUNDS:,} rounds, and a seed of 0 to {MOST_SEED:,}")
        if not (self.within is None or 0 < self.within < 1) or self.minutes < 0 or self.workers < 1:
            raise ValueError("A plan's `within` is a share of 1, its minutes are not below 0, and its workers not below 1")
