"""Plans when each scenario of a suite runs: each once in every round, and one of each study twice."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from common.serving.scenario import Scenario

CONTROL_FOLDER = "again"


@dataclass(frozen=True)
class Turn:
    scenario: Scenario
    round: int = 1
    control: bool = False  # it is the second run of the A/A control
    folder: str = "."  # below the directory of the suite

    @property
    def name(self) -> str:
        return f"{self.scenario.name}{', the control' if self.control else ''}"


def plan_turns(scenarios: Sequence[Scenario], rounds: int, seed: int, baselines: Mapping[str, Sequence[str]]) -> list[Turn]:
    """With several rounds: each scenario once a round in random order, and each study's baseline twice.

    A single round keeps the order given; if a study compares several, its baseline gets its first load once more at the end.
    """
    controls = [baseline_among([one for one in scenarios if one.study == study], baselines[study]) for study in baselines]
    if rounds == 1:
        studies = Counter(one.study for one in scenarios)
        again = [first_load_of(one) for one in scenarios if one in controls and studies[one.study] > 1]
        return [Turn(one) for one in scenarios] + [Turn(one, control=True, folder=CONTROL_FOLDER) for one in again]
    chance = random.Random(seed)
    turns: list[Turn] = []
    for number in range(1, rounds + 1):
        folder = f"round-{number:02}"
        these = [Turn(one, number, folder=folder) for one in scenarios]
        these += [Turn(one, number, control=True, folder=f"{folder}/{CONTROL_FOLDER}") for one in scenarios if one in controls]
        chance.shuffle(these)
        turns += these
    return turns


def baseline_among(scenarios: Sequence[Scenario], baselines: Sequence[str]) -> Scenario | None:
    """The first present of those that the study names, or else the first by name."""
    by_name = {one.name: one for one in sorted(scenarios, key=lambda one: one.name)}
    return next((by_name[name] for name in baselines if name in by_name), next(iter(by_name.values()), None))


def first_load_of(scenario: Scenario) -> Scenario:
    return replace(
        scenario,
        load=scenario.load[:1],
        load_full=scenario.load_full[:1],
        latencies_ms=scenario.latencies_ms[:1],
        latencies_ms_full=scenario.latencies_ms_full[:1],
    )
