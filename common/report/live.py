"""What the user sees while scenarios run: progress, what runs now and what leads; and for each load a line or its summary.

Only a terminal's stderr gets what moves. This runs in the process that starts servers and load
generators, never in one that measures.
"""

import statistics
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from common.report import ab
from common.report.console import PlainConsole
from common.results.comparison import LoadComparison
from common.results.samples import Sample
from common.results.words import write_count, write_number, write_value

LEADERS = 8  # lines of the ranking
PERCENTS = (50, 90, 99, 100)
HEADS = ("scenario", "load", "req/s", "failed", *(f"{percent}%" for percent in PERCENTS[:-1]), "100% ms")
WIDTHS = (36, 26, 8, 7, *(9 for _ in PERCENTS))


class Watch:
    """If verbose, it prints each load's ab summary; else one line, and the file `summaries` takes the summary."""

    def __init__(self, quiet: bool = False, verbose: bool = False, summaries: Path | None = None) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.summaries = summaries
        self._printed = False
        self.left_seconds = self.planned_seconds = 0.0
        self._title = ""
        self._rates: dict[str, dict[str, list[float]]] = {}  # by the title of a table, then by scenario
        self._console = PlainConsole(stderr=True)
        self._live: Live | None = None

    def expect(self, seconds: float) -> None:
        """This many more seconds are planned; negative when part of the plan is done."""
        self.planned_seconds += max(0.0, seconds)
        self.left_seconds = max(0.0, self.left_seconds + seconds)

    def measured(self, sample: Sample) -> None:
        """Print one load's result, and rank it with those so far if possible."""
        self.tell("")
        alone = LoadComparison(sample.run.study, [sample])
        if alone.scenarios and alone.ranked:
            self._title = alone.title
            self._rates.setdefault(self._title, {}).setdefault(sample.scenario, []).append(sample.per_second)
        summary = ab.scenario_text(sample.scenario, sample.load)
        if self.summaries is not None:
            with suppress(OSError), self.summaries.open("a", encoding="utf-8") as file:  # the record says the same
                file.write(f"{summary}\n")
        if self.verbose:
            print(summary, flush=True)
        elif not self.quiet:
            if not self._printed:
                print(in_columns(HEADS))
            print(in_columns(cells_of(sample)), flush=True)
            self._printed = True

    @property
    def is_seen(self) -> bool:
        return self._console.is_terminal and not self.quiet

    def tell(self, text: str) -> None:
        """Show what runs now; '' clears the block so that something else can be printed."""
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


def cells_of(sample: Sample) -> list[str]:
    """A load in one line: what was answered, and ab's percentiles in ms."""
    metrics, added = sample.load.metrics, sample.load.latency_ms
    path = urlsplit(sample.load.sent.path).path
    load = f"{path} +{added} ms" if added else path
    times = [write_value(metrics.percentile(percent)).replace("over ", ">") for percent in PERCENTS]  # the columns are narrow
    name = f"{sample.scenario} (A/A)" if sample.run.control else sample.scenario
    return [name, load, write_number(metrics.per_second), write_count(metrics.failed), *times]


def in_columns(cells: Sequence[str]) -> str:
    """The first two cells aligned left, whatever their length; numbers aligned right."""
    words = (f"{cell:<{width}}" for cell, width in zip(cells[:2], WIDTHS, strict=False))
    figures = (f"{cell:>{width}}" for cell, width in zip(cells[2:], WIDTHS[2:], strict=True))
    return f"{' '.join(words)}{''.join(figures)}"
