"""What a run leaves: typed records, each defined once. Only raw facts are stored; what follows from them is derived when asked for.

The comment behind a field is its description in docs/record.schema.json.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from common.client.load import Sizes
from common.client.sent import Sent
from common.results.bottleneck import Bottleneck, client_was_late, client_was_the_limit, find_bottleneck
from common.results.facts import Cost, Environment, Noise, Pinned, WarmUp
from common.results.metrics import Metrics

FAILED, CLIENT_BOUND = "it failed", "client-bound"  # why a load is invalid


@dataclass
class Measured:
    """What came of one load: what was sent, what that cost, and what disturbed it."""

    sent: Sent
    identity: str  # of what was asked for, as a command line: loads that have the same one are the same
    line: str  # as the scenario declares it
    latency_ms: int  # added to all that the server sends
    size: Literal["declared", "changed"]  # changed: by the user's options
    least_seconds: float | None  # no answer can take less
    published: dict[str, float | None]  # what the study published for this load
    command: list[str]  # that started the server
    generator: list[str]  # that sent the load
    pinned: Pinned | None  # None: all shared all cores
    postgres: str  # its version; '' without
    warm_up: WarmUp
    fault: str  # why this load shows nothing of the server; '' if it does
    cost: Cost | None  # None: the server was never seen alive
    cpu_seconds_beside: dict[str, float]  # of what ran beside the server, by name
    noise: Noise
    waited_for_ports_seconds: float  # before the load, until ports of ended connections were free
    counted_in_log: dict[str, int]  # how often the server or what is beside it logged what the scenario counts
    calibration_ms: float | None = None  # that a fixed piece of work took on the server's core before the load; None: not known

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics(self.sent, self.least_seconds, self.cost)

    @cached_property
    def bottleneck(self) -> Bottleneck:
        return find_bottleneck(self.metrics, self.fault, self.pinned, self.cpu_seconds_beside, self.noise)

    @property
    def client_was_late(self) -> bool:
        """Its rates and times are to be marked."""
        return client_was_late(self.metrics)

    @property
    def invalid(self) -> str:
        """Why its figures are not the server's; '' if they are."""
        if self.fault:
            return FAILED
        return CLIENT_BOUND if client_was_the_limit(self.sent.client) else ""


@dataclass
class ScenarioRun:
    """One scenario, measured once."""

    scenario: str  # its name
    started_at: str  # UTC, ISO 8601
    study: str  # that it belongs to
    baselines: list[str]  # of its study: with the first of them that was measured, the others are compared
    question: str  # that it answers
    differs_from: dict[str, str]  # other scenarios, and the one thing that sets this one apart
    launch: str  # as it is declared
    source: str  # of the scenario's file
    environment: Environment
    mode: Literal["default", "full"]  # full: the published loads in place of the default ones
    round: int = 1  # of a suite
    control: bool = False  # the second run of the A/A control
    seed: int | None = None  # of the random order of a suite
    status: Literal["ok", "interrupted", "skipped", "failed"] = "interrupted"  # how it ended
    reason: str = ""  # why it is not ok; of one that is, what is to be doubted in it
    loads: list[Measured] = field(default_factory=list)  # in the order in which they were sent

    @property
    def unanswered(self) -> list[str]:
        """The loads of which no request was answered before their time was over: a result, but not what they were sent for."""
        return [load.sent.load.describe() for load in self.loads if not load.metrics.ok and not load.fault]


@dataclass
class Probe:
    """One rate that was tried."""

    sent: Sent
    verdict: Literal["held", "broken", "void"]  # void: the client was the limit
    because: str  # '' where it held
    cost: Cost | None = None  # None: of a server that we did not start

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics(self.sent, cost=self.cost)


@dataclass
class Search:
    """A search for the highest rate that keeps a target."""

    target: str  # 'p99<=500ms'
    percent: float  # of the target: so many of the requests
    limit_ms: float  # of the target: are answered in this time
    probe_seconds: float  # that each rate was sent for
    url: str  # of the first probe
    ended: Literal["found", "client-bound", "undecided", "none", "stopped"]  # how it came to its end
    rate: float | None  # the highest that held
    said: str  # why there is none, where the search knows more than its probes
    probes: list[Probe]  # in the order in which they were sent
    scenario: str = ""  # whose server it was
    environment: Environment | None = None  # of a scenario's search
    pinned: Pinned | None = None  # of a scenario's search


@dataclass
class Plan:
    """What a suite means to run: enough to go on where it was stopped."""

    scenarios: list[str]  # by name
    rounds: int  # of all of them
    seed: int  # of the random order
    full: bool  # the published loads
    pin: bool  # server and all else on cores of their own
    sizes: Sizes
    baseline: str = ""  # the scenario that the others of its study are compared with; '': as the study says
