"""What load to send: ab's, Locust's and wrk2's ideas of a load, as one value."""

import math
import shlex
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from common.cli import UsageError
from common.client import schedule
from common.client.schedule import Stages

DEFAULT_TIMEOUT = 30.0
DEFAULT_CONTENT_TYPE = "text/plain"


@dataclass(frozen=True)
class Load:
    target: str  # a path in a scenario's load line, a whole URL on the command line
    requests: int | None = 1  # None: until the time is up
    concurrency: int = 1  # requests in flight at once; the users of a ramp; the most in flight in an open loop
    seconds: float | None = None  # stop after this time; in an open loop, nothing is due after it
    spawn_rate: float | None = None  # users arriving per second; None: all at once
    rate: float | None = None  # an open loop: requests due per second
    stages: Stages = ()  # an open loop whose rate changes
    grace: float | None = None  # an open loop: cut off this many seconds after the last was due; None: wait for all
    poisson: bool = False  # an open loop: due at random moments, as from users who know nothing of each other; False: evenly
    keep_alive: bool = False  # connections serve more than one request
    timeout: float = DEFAULT_TIMEOUT  # seconds after which a request is given up
    method: str = "GET"  # the HTTP method
    headers: tuple[tuple[str, str], ...] = ()  # added to our own, or replacing them
    body_file: str | None = None  # its content is the body
    form: str | None = None  # this text is the body
    content_type: str = DEFAULT_CONTENT_TYPE  # of the body
    expect: str | None = None  # an answer without this text is a failure
    expect_status: int | None = None  # an answer with any other status is a failure; None: any but a 2xx

    def __post_init__(self) -> None:
        numbers = (self.requests, self.concurrency, self.seconds, self.spawn_rate, self.rate, self.grace, self.timeout)
        if any(number is not None and number <= 0 for number in (*numbers, *(number for stage in self.stages for number in stage))):
            raise ValueError("A load's numbers must be above 0")
        if self.spawn_rate is not None and self.seconds is None:
            raise ValueError("A ramp needs a time")

    @property
    def is_open(self) -> bool:
        return self.rate is not None or bool(self.stages)

    @property
    def is_steady(self) -> bool:
        """A closed loop whose users are there from the start: it can be sent in slices."""
        return not self.is_open and self.spawn_rate is None

    @property
    def schedule(self) -> Stages:
        """The stages of an open loop, or the single one that its rate makes."""
        if self.rate is None:
            return self.stages
        ends = (self.seconds, self.requests / self.rate if self.requests is not None else None)
        return ((min(end for end in ends if end is not None), self.rate),)

    @property
    def most_requests(self) -> int | None:
        """The most requests that it can send; None: as many as fit into its time."""
        return schedule.count(self.schedule) if self.is_open else self.requests

    @property
    def longest_seconds(self) -> float:
        """By then each request has its outcome, whatever the server does."""
        if self.is_open:
            return schedule.latest_start(self.schedule) + (self.timeout if self.grace is None else self.grace)
        one_after_the_other = math.inf if self.requests is None else math.ceil(self.requests / self.concurrency) * self.timeout
        return min(one_after_the_other, math.inf if self.seconds is None else self.seconds)

    def burst(self, requests: int) -> "Load":
        """The same request this many times, all at once."""
        return replace(
            self, requests=requests, concurrency=requests, seconds=None, spawn_rate=None, rate=None, stages=(), grace=None, poisson=False
        )

    def describe(self) -> str:
        return ", ".join(self.parts)

    @property
    def parts(self) -> list[str]:
        """Its description in parts, the request first."""
        words = [f"{self.method} {urlsplit(self.target).path or self.target}"]
        if self.is_open:
            words += [f"{rate:g} per second for {seconds:g} s" for seconds, rate in self.schedule]
            words += ["at random moments"] if self.poisson else []
            words.append(f"at most {self.concurrency:,} in flight")
        elif self.spawn_rate is not None:
            words += [f"{self.concurrency:,} users", f"{self.spawn_rate:g} arriving per second", f"{self.seconds:g} s"]
        else:
            if self.requests is not None:
                words.append(f"{self.requests:,} request{'s' * (self.requests != 1)}")
            words.append(f"{self.concurrency:,} at a time")
            if self.seconds is not None:
                words.append(f"at most {self.seconds:g} s" if self.requests is not None else f"for {self.seconds:g} s")
        return [*words, "keep-alive" if self.keep_alive else "close"]

    @property
    def identity(self) -> str:
        """Its canonical command line: two loads are the same if and only if these are equal."""
        return shlex.join([*self.arguments(), self.target])

    def arguments(self) -> list[str]:
        """The load generator's options for this load."""
        words = ["-s", exact(self.timeout), "-m", self.method]
        if self.spawn_rate is not None:
            words += ["--users", str(self.concurrency), "--spawn-rate", exact(self.spawn_rate)]
        else:
            words += ["-n", str(self.requests)] if self.requests is not None else []
            words += ["-c", str(self.concurrency)]
        words += ["-t", exact(self.seconds)] if self.seconds is not None else []
        words += ["--rate", exact(self.rate)] if self.rate is not None else []
        words += ["--stages", schedule.words(self.stages)] if self.stages else []
        words += ["--grace", exact(self.grace)] if self.grace is not None else []
        words += ["--poisson"] if self.poisson else []
        words += ["-k"] if self.keep_alive else []
        words += ["-p", self.body_file] if self.body_file is not None else []
        words += ([f"-d{self.form}"] if self.form else ["-d", ""]) if self.form is not None else []
        words += ["-T", self.content_type] if self.content_type != DEFAULT_CONTENT_TYPE else []
        words += [f"-H{name}: {value}" for name, value in self.headers]
        words += [f"--expect={self.expect}"] if self.expect is not None else []
        return [*words, "--expect-status", str(self.expect_status)] if self.expect_status is not None else words


def exact(number: float) -> str:
    """The same text for 10 and 10.0, which are the same number."""
    return str(float(number))


@dataclass(frozen=True)
class Sizes:
    """The user's changes to a load: None or False leaves it as it is."""

    requests: int | None = None  # -n
    concurrency: int | None = None  # -c
    seconds: float | None = None  # -t
    keep_alive: bool = False  # -k

    def __post_init__(self) -> None:
        if any(size is not None and size <= 0 for size in (self.requests, self.concurrency, self.seconds)):
            raise ValueError("Sizes must be above 0")


def check_sizes(requests: int | None, concurrency: int | None) -> None:
    if requests and concurrency and concurrency > requests:
        raise UsageError(f"-c {concurrency} is greater than -n {requests}: lower -c or raise -n")


def check_due(load: Load) -> Load:
    """UsageError if more requests are due than a record holds. A closed loop that has an end besides ends with the last that it holds."""
    if not load.is_open and load.seconds is None and (load.requests or 0) > schedule.MOST_DUE:
        raise UsageError(f"-n {load.requests}: a record holds {schedule.MOST_DUE:,} requests: send fewer")
    due = schedule.count(load.schedule) if load.is_open else 0
    if due > schedule.MOST_DUE:
        raise UsageError(
            f"{due:,} requests would be due, and a record holds {schedule.MOST_DUE:,}: lower the rate, or let it last less long"
        )
    return load


def resized(load: Load, sizes: Sizes) -> Load:
    """The load with the sizes that the user gave; the others follow. Nothing is compressed: -t cuts off.

    A number of requests turns a ramp into a burst: all its users start at once. Stages define their own number of requests.
    """
    requests, concurrency = sizes.requests, sizes.concurrency
    check_sizes(requests, concurrency)
    if requests and not load.stages:
        load = replace(load, requests=requests, concurrency=min(load.concurrency, requests), spawn_rate=None)
    if concurrency and load.is_open:
        load = replace(load, concurrency=min(concurrency, load.requests or concurrency))
    elif concurrency:
        load = replace(load, requests=max(load.requests, concurrency) if load.requests else None, concurrency=concurrency)
    if sizes.seconds and load.stages:
        load = replace(load, stages=schedule.until(load.stages, sizes.seconds))
    elif sizes.seconds:
        load = replace(load, seconds=sizes.seconds)
    return check_due(replace(load, keep_alive=load.keep_alive or sizes.keep_alive))
