"""The page of a report in a real browser, from disk: no error, no request, nothing hostile runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chromium
import pytest
import report_runs

from pandalm_eval.report.hostile import visible
from pandalm_eval.report.page import write_report

pytestmark = pytest.mark.browser

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium.require()
    with chromium.launched() as running:
        yield running


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens a page from disk; at the end there was no message, error, dialog or request."""
    noise: list[str] = []
    contexts = []

    def opened(path: Path, link: str = "", **options: Any) -> Any:
        context = browser.new_context(**{"reduced_motion": "reduce"} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: noise.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: noise.append(f"error: {error}"))
        page.on("dialog", lambda dialog: noise.append("dialog"))
        page.on("popup", lambda _: noise.append("popup"))
        page.on("request", lambda request: noise.append(f"request: {request.url[:200]}"))
        page.goto(f"{path.as_uri()}{link}")
        return page

    opened.noise = noise  # type: ignore[attr-defined]
    yield opened
    assert {line for line in noise if not line.startswith("request: file://")} == set()
    pages = {line for line in noise if line.startswith("request: file://")}
    assert all(line.endswith("/page/index.html") for line in pages), pages
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    runs = [report_runs.small(folder / "a", "one"), report_runs.small(folder / "b", "two")]
    return write_report(runs, folder / "page")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    return write_report([report_runs.hostile(folder / "run")], folder / "page")


def count(page: Any, told: str) -> None:
    """Wait until the page says how many judgments pass the filters."""
    page.wait_for_function(
        "told => document.getElementById('count').textContent.startsWith(told)", arg=f"{told} of "
    )


def test_opens_without_a_sound(small: Path, open_page: Open) -> None:
    page = open_page(small)
    assert page.title() == "2 runs of judges – pandalm-eval report"
    assert page.locator("#list tr").count() == 50
    assert page.locator("#detail h3").inner_text() == "Pair 0"


def test_sorting_by_keyboard(small: Path, open_page: Open) -> None:
    page = open_page(small)
    heads = page.locator("#table-judges thead th")
    column = page.locator("#table-judges thead button", has_text="accuracy")
    place = page.evaluate("head => head.closest('th').cellIndex", column.element_handle())

    def figures() -> list[float]:
        cells = page.locator(f"#table-judges tbody tr > :nth-child({place + 1}) .figure")
        return [float(text) for text in cells.all_inner_texts()]

    assert [head.get_attribute("aria-sort") for head in heads.all()] == [None] * heads.count()
    before = figures()
    column.focus()
    page.keyboard.press("Enter")
    assert heads.nth(place).get_attribute("aria-sort") == "descending"
    assert figures() == sorted(before, reverse=True)
    page.keyboard.press("Space")
    assert heads.nth(place).get_attribute("aria-sort") == "ascending"
    assert figures() == sorted(before) != sorted(before, reverse=True)
    assert page.evaluate("document.activeElement.textContent") == "accuracy"
    heads.nth(0).locator("button").click()
    assert heads.nth(place).get_attribute("aria-sort") is None
    assert heads.nth(0).get_attribute("aria-sort") == "ascending"


def test_a_dash_is_last_in_either_order(small: Path, open_page: Open) -> None:
    page = open_page(small)
    column = page.locator("#table-judges thead button", has_text="consistency")
    for _ in range(2):
        column.click()
        place = page.evaluate("head => head.closest('th').cellIndex", column.element_handle())
        cells = page.locator(f"#table-judges tbody tr > :nth-child({place + 1})").all_inner_texts()
        dashes = [cell.strip() == "–" for cell in cells]
        assert dashes == sorted(dashes)
        assert any(dashes)


# Each run has 30 pairs, of every 6: first (right), changed and so a tie (wrong), tie (right),
# second (wrong), invalid (wrong), changed (right, as gold is a tie).
FILTERS = (
    ("changed by the swap", 20),
    ("invalid", 10),
    ("tie", 30),  # said twice, or by two different verdicts
    ("disagrees with gold", 30),
)


@pytest.mark.parametrize(("label", "expected"), FILTERS)
def test_filters(small: Path, open_page: Open, label: str, expected: int) -> None:
    page = open_page(small)
    page.get_by_label(label, exact=True).check(force=True)
    count(page, str(expected))
    page.get_by_role("button", name="Clear").click()
    count(page, "60")


def test_filters_meet(small: Path, open_page: Open) -> None:
    page = open_page(small)
    page.locator("select[name=run]").select_option(label="two (verdict)")
    count(page, "30")
    page.get_by_label("changed by the swap").check(force=True)
    count(page, "10")
    page.get_by_label("Search texts").fill("count TO 1.")  # the prompt of pairs 3, 4, 5
    count(page, "1")
    page.get_by_label("Search texts").fill("nowhere to be found")
    count(page, "0")
    assert page.locator("#page").inner_text() == "none"


def test_search_does_not_find_the_template(small: Path, open_page: Open) -> None:
    page = open_page(small)
    page.get_by_label("Search texts").fill("Evaluate the responses")
    count(page, "0")


def test_permalink_restores_the_judgment(small: Path, open_page: Open) -> None:
    page = open_page(small)
    page.locator("#list a", has_text="17").first.click()
    assert page.locator("#detail h3").inner_text() == "Pair 17"
    link = page.evaluate("location.hash")
    assert link == "#judgment/pandalm-pairs%2Fverdict%2Fone/17"
    again = open_page(small, link)
    assert again.locator("#detail h3").inner_text() == "Pair 17"
    assert again.locator("#list tr[aria-current] a").inner_text() == "17"
    second = link.replace("one", "two")
    again.evaluate("link => { location.hash = link; }", second)
    again.wait_for_function("document.querySelector('#detail .of').textContent.startsWith('48')")
    assert again.locator("#page").inner_text() == "1 to 50 of 60"
    again.evaluate("location.hash = '#judgment/%E0%A4%A/nothing'")
    assert again.locator("#detail h3").inner_text() == "Pair 17"


def test_next_and_previous_by_keyboard(small: Path, open_page: Open) -> None:
    page = open_page(small, "#judgment/pandalm-pairs%2Fverdict%2Fone/3")
    page.locator("#detail").focus()
    page.keyboard.press("j")
    assert page.locator("#detail h3").inner_text() == "Pair 4"
    assert page.evaluate("location.hash").endswith("one/4")
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert page.locator("#detail h3").inner_text() == "Pair 2"
    page.get_by_label("Search texts").press("j")  # a letter there
    assert page.locator("#detail h3").inner_text() == "Pair 2"


def test_both_orders_and_the_exact_prompt(small: Path, open_page: Open) -> None:
    page = open_page(small, "#judgment/pandalm-pairs%2Fverdict%2Fone/4")
    readings = page.locator("#detail .reading")
    assert readings.nth(0).locator("pre").inner_text() == "hm"
    assert "invalid: no_verdict" in readings.nth(0).inner_text()
    assert readings.nth(1).locator("pre").inner_text() == "1"
    readings.nth(1).locator("summary").click()
    sample = report_runs.sample(report_runs.pair(4), "hm", "1")
    prompt = readings.nth(1).locator("details pre")
    prompt.wait_for()
    assert prompt.text_content() == sample["arguments"]["gen_args_1"]["arg_0"]
    assert page.locator("#detail .others a").inner_text() == "two (verdict)"


def test_colours(small: Path, open_page: Open) -> None:
    def ground(page: Any) -> str:
        found: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return found

    light, dark = (open_page(small, color_scheme=scheme) for scheme in ("light", "dark"))
    assert ground(light) != ground(dark)
    dark_ground = ground(dark)
    dark.get_by_label("Light").check(force=True)
    assert ground(dark) == ground(light)
    dark.wait_for_timeout(300)  # the choice is stored in another process
    dark.reload()
    assert ground(dark) == ground(light)  # remembered
    light.get_by_label("Dark").check(force=True)
    assert ground(light) == dark_ground


@pytest.mark.parametrize("name", ["small", "hostile"])
def test_narrow_screen(name: str, open_page: Open, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(name)
    page = open_page(path, viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_skip_link_and_focus(small: Path, open_page: Open) -> None:
    page = open_page(small)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_landmarks_and_names(small: Path, open_page: Open) -> None:
    page = open_page(small)
    for role in ("banner", "navigation", "main", "search", "contentinfo"):
        assert page.get_by_role(role).count() >= 1, role
    for role in (
        "button",
        "link",
        "textbox",
        "searchbox",
        "combobox",
        "checkbox",
        "radio",
        "meter",
    ):
        for one in page.get_by_role(role).all():
            assert one.evaluate("e => e.ariaLabel || e.textContent || e.labels?.[0]?.textContent")
    assert page.get_by_role("table", name="Judges against gold").count() == 1


def test_printing_shows_what_is_folded(small: Path, open_page: Open) -> None:
    page = open_page(small)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#manifests details[open]").count() == 2
    assert not page.locator(".top").is_visible()


def as_shown(text: str) -> str:
    """What a block of text has for it: hidden characters by number."""
    return re.sub(r"\[(U\+[0-9A-F]{4,6})\]", r"\1", visible(text))


def test_hostile_text_is_shown_and_does_nothing(hostile: Path, open_page: Open) -> None:
    page = open_page(hostile)
    links = page.locator("#list a")
    assert links.count() == len(report_runs.HOSTILE)
    for number, text in enumerate(report_runs.HOSTILE):
        links.nth(number).click()
        for summary in page.locator("#detail summary").all():
            summary.click()
        told = {
            one.get_attribute("aria-label"): one.text_content()
            for one in page.locator("#detail pre").all()
        }
        for place in ("Instruction", "Input", "Response 1"):
            assert told[place] == as_shown(text)
        assert told["What the judge wrote, order as given"] == as_shown(f"1 {text}")
        sample = report_runs.HOSTILE_SAMPLES[number]
        prompts = [one["arg_0"] for one in sample["arguments"].values()]
        assert told["The prompt, order swapped"] == as_shown(prompts[1])
        name = page.locator("#detail h3 bdi").text_content()
        assert name == visible(sample["doc"]["id"])
    assert page.evaluate("window.hacked") is None
    made = "script, img, iframe, style, form, base, b, meta, [onfocus], [onload], [style]"
    assert page.locator(f"#detail :is({made}), #list :is({made})").count() == 0
    assert page.url.startswith("file://")


def test_hostile_text_is_searched(hostile: Path, open_page: Open) -> None:
    page = open_page(hostile)
    for text in ("<img src=x onerror", "__proto__", "{{ 7 * 7 }}", ".*"):
        page.get_by_label("Search texts").fill(text)
        expected = sum(text in one for one in report_runs.HOSTILE)
        page.wait_for_function(
            "n => document.querySelectorAll('#list tr').length === n", arg=expected
        )


def test_hostile_ids_have_permalinks(hostile: Path, open_page: Open) -> None:
    page = open_page(hostile)
    links = page.locator("#list a")
    for number in range(len(report_runs.HOSTILE)):
        address = links.nth(number).get_attribute("href")
        again = open_page(hostile, address) if number % 8 == 0 else page
        again.evaluate("address => { location.hash = address; }", address)
        assert again.locator("#list tr[aria-current] a").get_attribute("href") == address


def test_no_script_may_be_added(hostile: Path, open_page: Open) -> None:
    """The policy stops what a mistake of ours would let in."""
    page = open_page(hostile)
    blocked = page.evaluate(
        """() => {
          try {
            document.body.innerHTML = "<b>x</b>";
            return false;
          } catch {
            return true;
          }
        }"""
    )
    assert blocked
    assert [line for line in open_page.noise if "TrustedHTML" in line]
    open_page.noise.clear()
