"""One scenario under one load, over its samples: its estimates, what limited it, and whether it has a rank."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from common.results.bottleneck import MANY_FAILED
from common.results.intervals import Estimate
from common.results.samples import Sample, estimate_of

DISTURBED, LATE = "~", "!"  # marks for doubtful metrics


@dataclass(frozen=True)
class Row:
    """One scenario under one load, over its samples that count."""

    scenario: str
    samples: Sequence[Sample]  # those that rates and times are taken from
    valid: Sequence[Sample]  # these, and the disturbed ones left out of them
    estimates: dict[str, Estimate | None]  # by metric
    failed: int
    cut_off: int
    bottlenecks: Counter[str]  # how many samples each one limited
    too_short: str  # why its rate shows nothing; '' if it does
    failed_share: float  # of the requests that ended
    to_baseline: Estimate | None  # the ratio of its requests per second

    @property
    def is_failing(self) -> bool:
        """A server that refuses work has less to do for the rest, so such a rate has no rank."""
        return self.failed_share > MANY_FAILED

    @property
    def is_ranked(self) -> bool:
        return not self.is_failing and not self.too_short

    @property
    def bottleneck(self) -> str:
        """What limited most of them."""
        return self.bottlenecks.most_common(1)[0][0]

    @property
    def limited_by(self) -> str:
        """The bottleneck; if nothing was full, what came nearest in the first such sample."""
        first = next(sample.load.bottleneck for sample in self.samples if sample.load.bottleneck.by == self.bottleneck)
        return first.text

    @property
    def per_second(self) -> float:
        rate = self.estimates["req/s"]
        return rate.middle if rate else 0.0

    @property
    def unanswered(self) -> int:
        """The number of runs in which nothing was answered correctly."""
        return sum(not sample.load.metrics.ok for sample in self.samples)

    @property
    def disturbed(self) -> list[Sample]:
        return [sample for sample in self.valid if sample.disturbed]

    @property
    def is_late(self) -> bool:
        """The load generator was kept waiting in one of its runs."""
        return any(sample.load.client_was_late for sample in self.samples)

    @property
    def marks(self) -> list[str]:
        return [DISTURBED] * bool(self.disturbed) + [LATE] * self.is_late

    @property
    def one_core(self) -> float | None:
        """The requests per second that one core has CPU time for."""
        cpu = self.estimates["CPU ms/req"]
        return 1000 / cpu.middle if cpu and cpu.middle and not cpu.bound else None

    @property
    def of_ideal(self) -> float | None:
        middle = None if self.too_short else estimate_of(lambda metrics: metrics.of_ideal, self.samples)
        return middle.middle if middle else None
