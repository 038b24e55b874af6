"""A terminal for words that are not ours: no markup, no emoji, and a record's control characters are shown rather than obeyed."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from common.cli import is_plain, printable


class PlainConsole(Console):
    def __init__(self, **keywords: Any) -> None:
        super().__init__(markup=False, emoji=False, **keywords)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control or is_plain(segment.text.replace("\n", "")) else escaped(segment)


def escaped(segment: Segment) -> Segment:
    return Segment("\n".join(map(printable, segment.text.split("\n"))), segment.style)
