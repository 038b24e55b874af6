"""How each scenario looks in every chart, table and key: colours are CSS variables, so one drawing serves light, dark and paper.

Each also has a shape and a dash, for readers who cannot tell the colours apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# Okabe and Ito's, darkened or lightened until each stands out from its background (a test checks that)
LIGHT = ("#035EA3", "#BB4003", "#01875B", "#B6548A", "#C2880E", "#3F96DA", "#21252C")
DARK = ("#3F83E0", "#E87B3A", "#17A673", "#D873A6", "#F7BA3A", "#5CC8FA", "#ECE6EE")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down")
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3), (14, 4))
PAPER = {
    "--ink": "#1b1f24",
    "--quiet": "#57606a",
    "--line": "#e4e7eb",
    "--page": "#ffffff",
    **{f"--series-{number}": colour for number, colour in enumerate(LIGHT)},
}


@dataclass(frozen=True)
class Look:
    series: int  # the number of its colour
    shape: str
    dash: tuple[int, ...]  # lengths of ink and of gap

    @property
    def colour(self) -> str:
        return f"var(--series-{self.series})"


def assign_looks(scenarios: Sequence[str]) -> dict[str, Look]:
    """The looks of a study's scenarios, by their places."""
    return {
        scenario: Look(place % len(LIGHT), SHAPES[place % len(SHAPES)], DASHES[place % len(DASHES)])
        for place, scenario in enumerate(scenarios)
    }


def css_variables() -> str:
    names = [f"--series-{number}" for number in range(len(LIGHT))]
    values = [f"{name}: light-dark({light}, {dark});" for name, light, dark in zip(names, LIGHT, DARK, strict=True)]
    return "\n".join([":root {", *values, "}", *(f".{name.removeprefix('--')} {{ fill: var({name}) }}" for name in names)])
