"""Does the page say what was measured, safely, in a real browser: drawn, sorted, hovered over, in the dark, on a phone?"""

import gzip
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.page import made_up, saved
from common import page
from common.client.outcomes import NUMBER
from common.report.page import contents, html
from common.results import files
from common.results.answers import tell_remedy
from common.results.circumstances import Noise
from common.results.claims import NOT_REPRODUCED, REPRODUCED, Claim, Judgement
from common.results.comparison import compare_loads
from common.results.record import Measured, ScenarioRun
from common.results.words import write_estimate
from tests.processes import ROOT, TINY, copy_tree, run
from tests.test_side_by_side import make_pair, spread
from tests.test_suite import one_second

HOSTILE = """<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>{{ 7|add:1 }}"""
JUDGED = {"waiting": Judgement([Claim(HOSTILE, REPRODUCED, HOSTILE), Claim("it is faster", NOT_REPRODUCED, "a 2, b 1")])}


def hostile_results() -> list[ScenarioRun]:
    return [made_hostile(run) for run in made_up(6, 4)]


def made_hostile(run: ScenarioRun) -> ScenarioRun:
    """Names, log lines and source that would be code if they were not text."""
    run = replace(run, loads=run.loads[:3])
    if run.scenario.endswith("_04"):
        run = replace(run, scenario=HOSTILE, question=HOSTILE, source=f'"""{HOSTILE}"""\n', launch=HOSTILE)
        run.differs_from = dict.fromkeys(run.differs_from, HOSTILE)
    if run.scenario.endswith("_05"):
        run = replace(run, status="failed", reason=HOSTILE)
        run.loads[-1] = replace(run.loads[-1], fault=HOSTILE)
    return run


@pytest.fixture(scope="module")
def browser() -> Any:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: Any) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html.html(hostile_results(), JUDGED), encoding="utf-8")
    return path


class Tab:
    """The page, drawn, with all that went wrong while it was."""

    def __init__(self, browser: Any, path: Path, width: int = 1440, scheme: str = "light", wait: bool = True) -> None:
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
        self.page = self.context.new_page()
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        if wait:
            self.page.wait_for_selector("html[data-charts=drawn]", timeout=20_000)


@pytest.fixture(scope="module")
def desk(browser: Any, file: Path) -> Any:
    tab = Tab(browser, file)
    yield tab
    tab.context.close()


@pytest.fixture(scope="module")
def phone(browser: Any, file: Path) -> Any:
    tab = Tab(browser, file, width=390, scheme="dark")
    yield tab
    tab.context.close()


# In the browser


def test_nothing_goes_wrong_and_nothing_is_fetched(desk, phone, file):
    for tab in (desk, phone):
        assert tab.faults == []
        assert tab.requests == [file.as_uri()]


def test_every_chart_is_drawn(desk, phone):
    for tab in (desk, phone):
        charts = tab.page.locator("[data-chart]")
        assert charts.count() == 26
        assert tab.page.locator("[data-chart] > svg.marks").count() == charts.count()
        assert charts.evaluate_all("all => all.every(one => one.querySelectorAll('path[d]').length > 2)")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_a_pair_is_a_verdict_and_a_chart_of_its_restarts(browser, tmp_path, width, scheme):
    """Without any other run: what --side-by-side leaves."""
    pair = make_pair(*spread(1.07, 8), names=[HOSTILE, "b"])
    tab = Tab(browser, html.save(tmp_path, [], {}, [pair]), width, scheme)
    assert tab.faults == []
    assert tab.page.title().startswith("Django: sync or async?")
    assert "% more CPU per request than b, between " in tab.page.locator("#pairs .said").first.inner_text()
    assert tab.page.locator("[data-chart=pair] svg.marks").count() == 1
    assert tab.page.locator("[data-chart=pair] .mark-symbol path").count() > 8
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    above = tab.page.evaluate("document.querySelector('#pairs .said').getBoundingClientRect().bottom")
    assert above < tab.page.locator("[data-chart=pair]").bounding_box()["y"]
    tab.context.close()


def test_charts_are_drawn_when_the_page_has_loaded(browser, file):
    """What prints a page or takes a picture of it waits for that, and scrolls nowhere."""
    tab = Tab(browser, file, wait=False)
    assert tab.page.evaluate("document.readyState") == "complete"
    assert tab.page.locator("[data-chart] > svg.marks").count() == tab.page.locator("[data-chart]").count()
    tab.context.close()


def test_what_was_left_out_stands_on_the_first_screen(desk, phone):
    for tab in (desk, phone):
        left_out = tab.page.locator("#left-out")
        assert left_out.locator("li").count() == 1
        assert left_out.locator("li", has_text=f"failed: {HOSTILE}").count() == 1
        assert left_out.evaluate("one => one.getBoundingClientRect().bottom + scrollY") < 900


# of a chart's texts, each once (all have a halo): do two lie upon each other by more than the gap between lines?
OVERLAP = """
one => {
    const texts = [...one.querySelectorAll("svg .mark-text text")];
    const boxes = [...new Map(texts.map(text => [text.textContent, text.getBoundingClientRect()])).values()];
    const meet = (a, b) => a.left < b.right - 3 && b.left < a.right - 3 && a.top < b.bottom - 3 && b.top < a.bottom - 3;
    return boxes.some((box, at) => boxes.slice(at + 1).some(other => meet(box, other)));
}
"""


def test_names_and_figures_of_a_chart_do_not_lie_upon_each_other(desk, phone):
    for tab in (desk, phone):
        for figure in tab.page.locator("figure.comparison:visible").all():
            assert figure.evaluate(OVERLAP) is False


SHOWN_HEADS = "all => all.filter(one => one.offsetWidth).map(one => one.innerText.split(String.fromCharCode(160))[0])"


def test_a_phone_shows_the_comparison_without_scrolling(phone):
    table = phone.page.locator("table.comparison").first
    heads = table.locator("thead button")
    assert heads.evaluate_all(SHOWN_HEADS) == ["scenario", "req/s", "p99 ms", "limited by"]
    assert table.evaluate("one => one.scrollWidth <= one.parentElement.clientWidth")
    phone.page.locator("button.columns").first.click()
    assert heads.evaluate_all(SHOWN_HEADS) == heads.evaluate_all("all => all.map(one => one.innerText)")
    phone.page.locator("button.columns").first.click()
    assert table.evaluate("one => one.scrollWidth <= one.parentElement.clientWidth")


def test_what_would_be_code_is_text(desk):
    assert desk.page.title() != "owned"
    assert desk.page.locator("img").count() == 0
    assert desk.page.locator("tbody th", has_text=HOSTILE).count() >= 1
    assert desk.page.locator("ul.claims li", has_text=HOSTILE).count() == 1
    assert desk.page.locator(".absent .reason").first.text_content() == HOSTILE
    assert HOSTILE in desk.page.locator("details.source", has_text=HOSTILE).first.text_content()
    assert desk.page.locator("svg text", has_text="<img src=x").count() >= 1


def test_a_heading_sorts_by_mouse_and_by_keyboard(desk):
    table = desk.page.locator("table.sortable").first
    column = table.locator("thead th", has_text="p99 ms")
    index = column.evaluate("heading => heading.cellIndex")

    def values() -> list[float]:
        return [
            float(by) for by in table.locator(f"tbody tr > :nth-child({index + 1})").evaluate_all("all => all.map(one => one.dataset.by)")
        ]

    assert table.locator("thead th[aria-sort]").text_content() == "req/s"
    column.locator("button").click()
    assert column.get_attribute("aria-sort") == "descending"
    assert values() == sorted(values(), reverse=True)
    column.locator("button").focus()
    desk.page.keyboard.press("Enter")
    assert column.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(values())
    assert table.locator("thead th[aria-sort]").count() == 1


def test_hovering_shows_the_exact_numbers(desk):
    figure = desk.page.locator("figure.comparison").first
    mark = figure.locator("svg .mark-symbol path").nth(-2)
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    tooltip = desk.page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for(timeout=3000)
    assert "req/s" in tooltip.inner_text()
    assert "limited by" in tooltip.inner_text()


def colours(tab: Tab) -> tuple[str, str]:
    return tab.page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('svg.marks text')).fill]"
    )


def test_dark_follows_the_system_and_the_button(desk, phone):
    assert colours(desk) != colours(phone)
    desk.page.locator("#theme").click()
    assert colours(desk) == colours(phone)
    desk.page.locator("#theme").click()
    assert colours(desk) != colours(phone)


# of all that scrolls sideways: can it be reached by keyboard, and has it a name?
SCROLLED = """
[...document.querySelectorAll("main *")]
    .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === "auto")
    .map((one) => one.tabIndex === 0 && Boolean(one.ariaLabel))
"""


def test_only_tables_and_sources_scroll_sideways(desk, phone):
    for tab in (desk, phone):
        tab.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.page.evaluate(SCROLLED).count(True) > 0
        assert False not in tab.page.evaluate(SCROLLED)


def test_axe_finds_nothing_serious(desk, phone):
    from axe_playwright_python.sync_playwright import Axe

    for tab in (desk, phone):
        found = Axe().run(tab.page, context={"exclude": [["svg.marks"]]}, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")] == []


def test_paper_shows_what_is_closed(browser, file):
    tab = Tab(browser, file)
    closed = tab.page.locator("details.load:not([open])")
    assert closed.count() > 0
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert closed.count() == 0
    tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert closed.count() > 0
    assert tab.faults == []
    tab.context.close()


# Without a browser


def test_the_policy_allows_only_what_is_in_the_file(file):
    text = file.read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)[1]
    assert "default-src &#x27;none&#x27;" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_no_element_has_a_handler_or_an_address_outside(desk):
    handlers = "[...document.querySelectorAll('*')].flatMap(one => one.getAttributeNames()).filter(name => name.startsWith('on'))"
    assert desk.page.evaluate(handlers) == []
    addresses = "[...document.querySelectorAll('[src], [href]')].map(one => one.getAttribute('src') || one.getAttribute('href'))"
    assert [one for one in desk.page.evaluate(addresses) if not one.startswith("#")] == []


def test_charts_and_tables_have_words_for_who_does_not_see_them(file):
    text = file.read_text().partition("<script>")[0]  # before the library
    alternatives = re.findall(r'role="img" aria-label="([^"]*)"', text)
    assert len(alternatives) == text.count("data-chart=")
    assert all(re.search(r"\d", words) for words in alternatives)
    assert text.count("<table") == text.count("<thead>")
    assert "<th>" not in text


def test_it_reads_in_its_order(file):
    text = file.read_text()
    steps = (
        *("The answer", 'class="comparison', "<table", "Response times</h4>", "Response time by place in the queue", "What it cost"),
        *("One change at a time</h3>", "Published beside measured", "Every run", "Where and how it was measured", "<h3>Scenarios</h3>"),
    )
    places = [text.index(step) for step in steps]
    assert places == sorted(places)
    assert "The ramp, second by second" in text
    assert text.index("All loads at a glance") < text.index("The ramp, second by second")


def test_its_numbers_are_those_of_the_tables(file):
    """An interval in the chart's data is the one that the terminal prints."""
    text = file.read_text()
    for compared in compare_loads(hostile_results()):
        for row in compared.rows:
            assert write_estimate(row.estimates["req/s"]) in text


def heads_of(text: str) -> list[str]:
    """Of the first comparison."""
    table = text[text.index('<table class="sortable comparison">') :]
    return re.findall(r'<button type="button">([^<]+)</button>', table.partition("</thead>")[0])


def test_a_column_that_says_nothing_is_left_out():
    few = heads_of(html.html([one_second("a", 20), one_second("b", 80)], {}))
    assert few == ["scenario", "req/s", "p50 ms", "p95 ms", "p99 ms", "failed", "to the baseline", "limited by"]
    assert {"of ideal", "CPU ms/req", "one core, req/s", "peak MB"} <= set(heads_of(html.html(made_up(6, 1)[::3], {})))


def test_marks_stay_on_the_line_of_their_name():
    busy = Noise(available=True, disturbed="chromium used 70% of a core", foreign_programs={"chromium": 0.7})
    text = html.html([one_second("a_b", 20), one_second("a_c", 80, noise=busy)], {})
    assert "</svg>a_<wbr>b</th>" in text
    assert "</svg>a_<wbr>c\u00a0~</th>" in text


def test_each_sentence_of_an_answer_stands_by_itself():
    text = html.html([one_second("a", 20), one_second("b", 80)], {"tests": Judgement(answers=["b serves more.", "It is <faster>."])})
    assert '<p class="said">b serves more.</p><p class="said">It is &lt;faster&gt;.</p>' in text


def test_a_table_says_what_to_do():
    text = html.html(made_up(4, 1)[::3], {})
    assert '<p class="remedy">Server CPU limited all: add processes, not threads' in text


def test_what_to_do_is_said_of_each_that_limited_most():
    assert tell_remedy(compare_loads([one_second("a", 20)])[0]).startswith("Nothing was at its limit: send more at once")
    [bound] = compare_loads([one_second(name, 50, busiest=0.95) for name in "ab"])
    assert tell_remedy(bound).startswith("Client limited all: ")
    [tied] = [compared for compared in compare_loads(made_up(6, 1)[1::3]) if compared.study == "burst"]
    assert [row.bottlenecks.total() for row in tied.rows] == [1, 1]
    assert tell_remedy(tied).count(" limited ") == len({row.bottleneck for row in tied.rows})


def test_what_was_left_out_in_some_rounds_says_in_how_many():
    runs = made_up(4, 3)
    runs = [
        replace(run, status="failed", reason="it ended\nlog") if run.scenario == "waiting_server_03" and run.round == 2 else run
        for run in runs
    ]
    runs += [replace(runs[0], scenario=name, status="skipped", reason="nginx is not installed", loads=[]) for name in ("a", "b")]
    [failed, skipped] = contents.fill_page(runs, {}).left_out
    assert (failed.scenarios, failed.what, failed.reason) == ("waiting_server_03", "failed in 1 of 3 runs", "it ended")
    assert (skipped.scenarios, skipped.what, skipped.reason) == ("a and b", "skipped", "nginx is not installed")


def test_claims_stand_with_their_study(file):
    text = file.read_text()
    assert "Of 2 claims: 1 reproduced, 1 not reproduced." in text
    assert '<span class="verdict no">not reproduced</span> <span>it is faster</span> <span class="quiet">a 2, b 1</span>' in text
    assert text.count("What was claimed") == 1


def test_what_differs_is_shown_line_by_line():
    """Of one change the ratio and the lines; the study's answer names the farthest."""
    base, other = (one_second(name, rate) for name, rate in (("base", 20), ("other", 80)))
    base = replace(base, source="a = 1\nb = 2\n")
    other = replace(other, source="a = 1\nb = 3\n", differs_from={"base": "a b of 3, not 2"})
    text = html.html([base, other], {})
    assert "The largest difference: 4.00x by a b of 3, not 2 (other against base, GET /)." in text
    assert '<span class="gd">-b = 2</span>' in text
    assert '<span class="gi">+b = 3</span>' in text


def test_what_is_client_bound_has_no_rank():
    text = html.html([one_second("honest", 20), one_second("bound", 100, busiest=0.95)], {})
    assert "bound: client-bound, at least 100.0 req/s" in text
    assert "honest answers 20.0 requests per second" in text


def failed(run: ScenarioRun) -> ScenarioRun:
    return replace(run, status="failed", reason="nobody answered", loads=[refused(run.loads[0])])


def refused(load: Measured) -> Measured:
    requests = replace(load.sent.requests, outcome=np.full(len(load.sent.requests), NUMBER["refused"]))
    return replace(load, fault="nobody answered", sent=replace(load.sent, outcomes={"refused": len(requests)}, requests=requests))


PARTIAL = {
    "one round": made_up(6, 1),
    "two rounds": made_up(6, 2),
    "one scenario": made_up(1, 1),
    "one scenario, many rounds": made_up(1, 5),
    "only failures": [failed(run) for run in made_up(2, 1)],
    "all skipped": [replace(run, status="skipped", reason="nginx is not installed", loads=[]) for run in made_up(3, 1)],
    "interrupted": [replace(run, status="interrupted", loads=run.loads[:1] if run.round == 1 else []) for run in made_up(4, 2)],
    "only controls": [run for run in made_up(3, 3) if run.control],
    "all client-bound": [one_second(name, 50, busiest=0.95) for name in ("a", "b")],
}


@pytest.mark.parametrize("name", PARTIAL)
def test_partial_results_make_a_page(tmp_path, capsys, name):
    assert page.main([str(saved(tmp_path, PARTIAL[name]))]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")


def test_partial_pages_are_drawn_without_fault(browser, tmp_path):
    for name in ("one scenario", "only failures", "only controls", "interrupted"):
        path = tmp_path / "report.html"
        path.write_text(html.html(PARTIAL[name], {}), encoding="utf-8")
        tab = Tab(browser, path)
        assert tab.faults == [], name
        tab.context.close()


def test_one_round_has_no_intervals():
    text = html.html(made_up(6, 1), {})
    assert "no interval can be given" in text
    assert "95% interval" not in text
    assert not re.search(r"\d \[\d", text[: text.index("<script>")])


def damaged(folder: Path, change: Any) -> Path:
    path = folder / f"one{files.SUFFIX}"
    [run] = made_up(1, 1)
    files.write(path, run)
    record = json.loads(gzip.decompress(path.read_bytes()))
    change(record)
    path.write_bytes(gzip.compress(json.dumps(record).encode()))
    return folder


@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        (lambda folder: [str(folder / "none")], 1, "is not a results directory"),
        (lambda folder: [str(folder)], 1, "holds no results"),
        (lambda folder: [str(damaged(folder, lambda run: run.update(version=99)))], 1, "one.json.gz has version 99"),
        (
            lambda folder: [str(damaged(folder, lambda run: run.pop("launch")))],
            1,
            "one.json.gz is damaged: Object missing required field `launch`",
        ),
        (lambda folder: [str(damaged(folder, lambda run: run["loads"][0].pop("noise")))], 1, "field `noise` - at `$.loads[0]`"),
        (lambda folder: [str(damaged(folder, lambda run: run["loads"][0]["sent"].update(seconds="long")))], 1, "`$.loads[0].sent.seconds`"),
        (lambda folder: [str(damaged(folder, lambda run: run["loads"][0]["sent"]["requests"]["end"].pop()))], 1, "one.json.gz is damaged"),
        (lambda folder: [], 2, "DIR"),
        (lambda folder: [str(folder), "--frobnicate"], 2, "--frobnicate"),
    ],
)
def test_what_is_not_results_is_one_line(tmp_path, capsys, make, code, said):
    assert page.main(make(tmp_path)) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""


def test_it_is_shown(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    page.main([str(saved(tmp_path, made_up(1, 1))), "--open"])
    assert opened == [(tmp_path / "report.html").as_uri()]


def test_charts_are_saved_as_files(tmp_path, capsys):
    directory = saved(tmp_path / "run", [replace(run, loads=run.loads[:1]) for run in made_up(3, 3)])
    assert page.main([str(directory), "--svg", str(tmp_path / "svg"), "--png", str(tmp_path / "png")]) == 0
    capsys.readouterr()
    names = {path.stem for path in (tmp_path / "svg").iterdir()}
    assert {"waiting-1-comparison", "burst-1-queue", "ramps-1-timeline", "ramps-1-runs", "burst-1-cost"} <= names
    assert {path.stem for path in (tmp_path / "png").iterdir()} == names
    assert "var(--" not in (tmp_path / "svg" / "waiting-1-comparison.svg").read_text()
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (tmp_path / "png").iterdir())


def test_nothing_that_draws_is_imported_before_it_is_needed():
    check = "import sys, common.suite, common.bench; sys.exit(any(name in sys.modules for name in ('altair', 'vl_convert', 'django')))"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0


# At the end of a suite


def test_a_suite_ends_with_its_page(tmp_path):
    tree = copy_tree(tmp_path, {"one": TINY}, page=True)
    program = run(tree, "-m", "common.suite")
    assert program.process.returncode == 0, program.stderr
    [report] = (tree / "results").glob("*/report.html")
    assert f"Report: {report.relative_to(tree)}" in program.stdout
    assert re.search(r'<p class="said">.*(one answers|The load of one was too short to tell)', report.read_text())


def test_a_page_that_cannot_be_made_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(html, "html", lambda *records: 1 / 0)
    page.announce_page(saved(tmp_path, made_up(1, 1)))
    printed = capsys.readouterr()
    assert printed.err == "run_all.sh: no report was made: ZeroDivisionError: division by zero\n"
    assert files.read_directory(tmp_path)
