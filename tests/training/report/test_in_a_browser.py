"""The report in a real browser: readable at any width, dark and light, by keyboard and by screen reader, without a network."""

import itertools
import re
import shutil

import pytest

from equishare.training.fit import fit
from equishare.training.report.page import write_report

sync = pytest.importorskip("playwright.sync_api")
axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]


@pytest.fixture(scope="module")
def report(tmp_path_factory, tiny):
    run = fit(tiny(run={"out": str(tmp_path_factory.mktemp("report") / "run")}))
    return run, write_report(run)


@pytest.fixture(scope="module")
def browser():
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(params=[(400, "light"), (400, "dark"), (1400, "light"), (1400, "dark")], ids=str)
def page(request, browser, report):
    """The page; it fails the test where it asks the network for anything, or a script raises."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    asked, raised = [], []
    page.on("request", lambda r: asked.append(r.url) if not r.url.startswith(("file:", "blob:", "data:")) else None)
    page.on("pageerror", lambda error: raised.append(str(error)))
    page.goto(report[1].as_uri())
    yield page
    context.close()
    assert not asked
    assert not raised


def test_nothing_is_cut_off(page):
    """No part but tables and code is wider than the window, and those scroll by themselves."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_screen_reader_can_read_it(page):
    page.click("#scene-show")
    page.wait_for_selector("#scene[data-shown]")
    page.click("summary")
    result = axe_module.Axe().run(page)
    assert result.violations_count == 0, result.generate_report()


def test_tables_sort(page):
    table = page.locator("table.sortable", has=page.get_by_role("button", name="atoms")).first
    column = [h.strip() for h in table.locator("th").all_inner_texts()].index("force RMSE\nmeV/Å")

    def values():
        return [float(text) for text in table.locator(f"tbody td:nth-child({column + 1})").all_inner_texts()]

    before = values()
    button = table.locator("th").nth(column).get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    assert values() == sorted(before)
    assert table.locator("th").nth(column).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert values() == sorted(before, reverse=True)


def test_points_name_their_frame(page, report):
    run, _ = report
    names = {frame.name for frame in run.judged[1].frames}
    figure = page.locator("figure", has=page.locator("svg[aria-label='Predicted against labelled energy']"))
    found = figure.locator("use > title").all_text_contents()
    assert set(found) == names
    assert len(found) == 2 * len(names), "each frame has a point in both panels"


def test_frames_can_be_turned(page, report):
    run, _ = report
    worst = [frame.name for frame in run.judged[1].worst(5)]
    select = page.locator("#scene-frame")
    assert [text.strip() for text in select.locator("option").all_text_contents()] == worst
    page.click("#scene-show")
    page.wait_for_selector(f"#scene[data-shown='{worst[0]}'] canvas")
    scene = page.locator("#scene")
    first = scene.screenshot()
    assert first != blank(page), "something is drawn"
    scene.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    page.wait_for_timeout(300)
    assert scene.screenshot() != first, "arrow keys turn it"
    select.select_option(index=len(worst) - 1)
    page.wait_for_selector(f"#scene[data-shown='{worst[-1]}']")


def blank(page):
    """The viewer's place, with nothing in it."""
    page.evaluate("document.querySelectorAll('#scene canvas').forEach(c => c.style.visibility = 'hidden')")
    picture = page.locator("#scene").screenshot()
    page.evaluate("document.querySelectorAll('#scene canvas').forEach(c => c.style.visibility = '')")
    return picture


def test_what_can_be_reached_by_keyboard(page):
    """Headings of tables, the choice of a frame, code that scrolls; in the order of the page."""
    reached = []
    for _ in range(120):
        page.keyboard.press("Tab")
        tag = page.evaluate("(document.activeElement.id || document.activeElement.tagName)")
        if tag == "BODY":
            break
        reached.append(tag)
    assert {"BUTTON", "scene-frame", "scene-show", "PRE", "SUMMARY"} <= set(reached)
    assert reached.index("scene-frame") < reached.index("scene-show") < reached.index("SUMMARY")


def test_headings_go_down_one_by_one(page):
    levels = [
        int(re.sub(r"\D", "", tag)) for tag in page.eval_on_selector_all("h1,h2,h3", "e => e.map(x => x.tagName)")
    ]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
