"""What a person watches while scenarios run: how far it is, what runs now, who leads; and each load's summary.

What moves is for a terminal's stderr only. This runs in the process that starts servers and load
generators, never in one that measures.
"""

import statistics

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from common.report import ab
from common.results.comparison import LoadComparison, Sample
from common.results.words import write_number

LEADERS = 8  # lines of the ranking


class Watch:
    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.left_seconds = self.planned_seconds = 0.0
        self._title = ""
        self._rates: dict[str, dict[str, list[float]]] = {}  # by the title of a table, then by scenario
        self._console = Console(stderr=True)
        self._live: Live | None = None

    def expect(self, seconds: float) -> None:
        """So much more is planned; negative when a part of the plan is done."""
        self.planned_seconds += max(0.0, seconds)
        self.left_seconds = max(0.0, self.left_seconds + seconds)

    def measured(self, sample: Sample) -> None:
        """One load's result: ranked with those so far, if it can be, and printed."""
        self.tell("")
        alone = LoadComparison(sample.run.study, [sample])
        if alone.scenarios and alone.ranked:
            self._title = alone.title
            self._rates.setdefault(self._title, {}).setdefault(sample.scenario, []).append(sample.per_second)
        if not self.quiet:
            print(ab.scenario_text(sample.scenario, sample.load), flush=True)

    @property
    def is_seen(self) -> bool:
        return self._console.is_terminal and not self.quiet

    def tell(self, text: str) -> None:
        """What runs now; '' clears the block, so that something else can be printed."""
        if not self.is_seen:
            return
        if not text:
            if self._live is not None:
                self._live.stop()
            self._live = None
            return
        if self._live is None:
            self._live = Live(console=self._console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
        self._live.update(self._block(text), refresh=True)

    def _block(self, text: str) -> RenderableType:
        parts: list[RenderableType] = []
        if self.planned_seconds:
            minutes = f"about {self.left_seconds / 60:.0f} min left" if self.left_seconds >= 60 else "less than a minute left"
            done = Table.grid(padding=(0, 1))
            done.add_row(ProgressBar(self.planned_seconds, self.planned_seconds - self.left_seconds, width=40), Text(minutes, style="dim"))
            parts.append(done)
        return Group(*parts, Text(text, style="bold"), *self._ranking())

    def _ranking(self) -> list[RenderableType]:
        rates = {scenario: statistics.median(values) for scenario, values in self._rates.get(self._title, {}).items()}
        if len(rates) < 2:
            return []
        table = Table(box=None, pad_edge=False, show_header=False)
        for scenario in sorted(rates, key=lambda scenario: -rates[scenario])[:LEADERS]:
            table.add_row(scenario, Text(f"{write_number(rates[scenario])} req/s", justify="right"))
        return [Text(f"so far: {self._title}", style="dim"), table]
