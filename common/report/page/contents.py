"""The page's contents: its studies, and where they were measured, for Django's templates to read by attribute."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from common.report.page import latencies, queue, timeline
from common.report.page.pair import LoadOfPairs, PairSection, fill_decisions, fill_pair
from common.report.page.runs import SHAPES
from common.report.page.sources import Source, fill_sources, fill_sources_of_pairs
from common.report.page.study import StudySection, anchor_of, fill_study
from common.results.circumstances import Environment, Pinned
from common.results.claims import Judgement
from common.results.decisions import Decision
from common.results.pairs import Pair
from common.results.record import ScenarioRun
from common.results.words import describe_environment, describe_pinning, join_words

THINNED = f"Points are thinned for drawing only: {latencies.THINNED}; {queue.THINNED}; {timeline.THINNED}. Numbers are of all requests."

Value = TypeVar("Value")


@dataclass(frozen=True)
class LeftOut:
    """Scenarios that were not measured for the same reason."""

    scenarios: str
    what: str
    reason: str  # its first line; the study's section has all of it
    anchor: str


@dataclass(frozen=True)
class Page:
    date: str
    rounds: int
    mode: str
    machine: str
    left_out: Sequence[LeftOut]
    studies: Sequence[StudySection]
    environments: Sequence[str]
    revisions: Sequence[str]
    seeds: Sequence[int]
    pinning: str
    sources: Sequence[Source]
    pairs: Sequence[PairSection]
    decided: Sequence[LoadOfPairs]  # empty: the run was not to be decided
    states: Iterable[tuple[str, str]] = tuple(SHAPES.items())
    thinned: str = THINNED


def fill_page(
    runs: Sequence[ScenarioRun], judged: Mapping[str, Judgement], pairs: Sequence[Pair] = (), decisions: Sequence[Decision] = ()
) -> Page:
    studies = sorted({run.study for run in runs})
    records: list[ScenarioRun | Pair] = [*runs, *pairs]
    first = min(records, key=lambda each: each.started_at)
    rounds = max((run.round for run in runs), default=0)
    return Page(
        date=first.started_at[:10],
        rounds=rounds,
        mode=runs[0].mode if runs else "",
        machine=say_machine(first.environment),
        left_out=[part for study in studies for part in fill_left_out(study, [run for run in runs if run.study == study])],
        studies=[fill_study(study, [run for run in runs if run.study == study], judged.get(study, Judgement())) for study in studies],
        environments=each_once(describe_environment(each.environment) for each in records),
        revisions=each_once(each.environment.revision for each in records if each.environment.revision),
        seeds=each_once(run.seed for run in runs if run.seed is not None and rounds > 1),
        pinning="; ".join(each_once(describe_pinning(pinned) for pinned in pinnings(runs, pairs))),
        sources=[*fill_sources(runs), *fill_sources_of_pairs([] if runs else pairs)],
        pairs=[fill_pair(pair) for pair in pairs],
        decided=fill_decisions(decisions),
    )


def pinnings(runs: Iterable[ScenarioRun], pairs: Iterable[Pair]) -> list[Pinned | None]:
    return [load.pinned for run in runs for load in run.loads] + [pair.pinned for pair in pairs]


def fill_left_out(study: str, runs: Sequence[ScenarioRun]) -> list[LeftOut]:
    """One line for each way that scenarios ended early, with the number of rounds if not all."""
    rounds = Counter(run.scenario for run in runs)
    ended = Counter((run.status, run.reason.partition("\n")[0], run.scenario) for run in runs if run.status != "ok")
    scenarios: dict[tuple[str, str], list[str]] = {}
    for (status, reason, scenario), number in sorted(ended.items()):
        said = f"{status} in {number} of {rounds[scenario]} runs" if number < rounds[scenario] else status
        scenarios.setdefault((said, reason), []).append(scenario)
    return [LeftOut(join_words(names), said, reason, anchor_of(study)) for (said, reason), names in scenarios.items()]


def say_machine(environment: Environment) -> str:
    django = environment.packages.get("django", "?")
    return f"{environment.processor or environment.machine}, {environment.cores} cores, {environment.python}, Django {django}"


def each_once(values: Iterable[Value]) -> list[Value]:
    return list(dict.fromkeys(values))
