"""What a person watches while scenarios run: how far it is, what runs now, who leads. For a terminal's stderr only.

It runs in the process that starts servers and load generators, never in one that measures.
"""

import statistics

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

LEADERS = 8  # lines of the ranking


class Watch:
    def __init__(self) -> None:
        self.quiet = False
        self.left_seconds = self.planned_seconds = 0.0
        self._heading = ""
        self._rates: dict[str, dict[str, list[float]]] = {}  # by the heading of a table, then by label
        self._console = Console(stderr=True)
        self._live: Live | None = None

    def expect(self, seconds: float) -> None:
        """So much more is planned; negative when a part of the plan is done."""
        self.planned_seconds += max(0.0, seconds)
        self.left_seconds = max(0.0, self.left_seconds + seconds)

    def answered(self, heading: str, label: str, per_second: float) -> None:
        """One load's result, for the ranking so far."""
        self._heading = heading
        self._rates.setdefault(heading, {}).setdefault(label, []).append(per_second)

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
        rates = {label: statistics.median(found) for label, found in self._rates.get(self._heading, {}).items()}
        if len(rates) < 2:
            return []
        table = Table(box=None, pad_edge=False, show_header=False)
        for label in sorted(rates, key=lambda label: -rates[label])[:LEADERS]:
            table.add_row(label, Text(f"{rates[label]:,.1f} req/s", justify="right"))
        return [Text(f"so far: {self._heading}", style="dim"), table]


watch = Watch()
