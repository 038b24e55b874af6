"""Which scenario runs when: kept beside the results, so that a run that was stopped can go on."""

import argparse
import random
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common.results import files
from common.results.claims import baseline_of
from common.results.comparison import AGAIN
from common.serving.scenario import Scenario

FILE = "suite.json"
KEPT = ("requests", "concurrency", "seconds", "keep_alive", "full", "no_pin")  # the options that decide figures


@dataclass(frozen=True)
class Turn:
    scenario: Scenario
    label: str
    round: int
    folder: str


def turns(scenarios: list[Scenario], rounds: int, seed: int) -> list[Turn]:
    """With several rounds, in each every scenario in random order, one of each study twice under two labels.

    A single round goes by name; where it compares, that one is at its end sent its first load once more.
    """
    studies = Counter(one.study for one in scenarios)
    controls = {baseline_of(study, [one.name for one in scenarios if one.study == study]) for study in studies}
    if rounds == 1:
        again = [first_load_of(one) for one in scenarios if one.name in controls and studies[one.study] > 1]
        return [Turn(one, one.name, 1, ".") for one in scenarios] + [Turn(one, one.name + AGAIN, 1, "again") for one in again]
    chance = random.Random(seed)
    found: list[Turn] = []
    for number in range(1, rounds + 1):
        folder = f"round-{number:02}"
        these = [Turn(scenario, scenario.name, number, folder) for scenario in scenarios]
        these += [Turn(one, one.name + AGAIN, number, f"{folder}/again") for one in scenarios if one.name in controls]
        chance.shuffle(these)
        found += these
    return found


def first_load_of(scenario: Scenario) -> Scenario:
    return replace(scenario, load=scenario.load[:1], load_full=[], latencies_ms=scenario.latencies_ms[:1])


def save(directory: Path, names: list[str], seed: int, options: argparse.Namespace) -> None:
    kept = {name: getattr(options, name) for name in KEPT}
    files.save(directory / FILE, {"kind": "suite", "scenarios": names, "rounds": options.rounds, "seed": seed, "options": kept})


def load(directory: Path) -> dict[str, Any]:
    if not (directory / FILE).exists():
        raise files.RecordError(f"{directory} is not a run of ./run_all.sh: it has no {FILE}")
    return files.read(directory / FILE)
