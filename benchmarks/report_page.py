"""How fluid the page of a report is with many judgments, measured in Chromium.

Prints Markdown: the page's size and how long it takes to make, to open, to filter, to search and to
open one judgment. The judgments are made up; each pair has two responses of 80 words and two
replies of 20. Needs Playwright and Chromium.

    python benchmarks/report_page.py > benchmarks/REPORT_PAGE.md
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import chromium
import report_runs

from pandalm_eval.report.page import write_report

COUNTS = (1_000, 10_000, 50_000)
REPEATS = 5

# The list is made anew as soon as a filter's pause (100 ms) is over; the clock starts behind it.
_UNTIL = """([act, argument]) => new Promise((done, fail) => {
  setTimeout(() => fail(new Error(`${act} ${argument}: nothing in 30 s`)), 30000);
  const observer = new PerformanceObserver(() => {
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
  });
  observer.observe({type: "mark"});
  const form = document.getElementById("filters");
  if (act === "open") document.querySelectorAll("#list a")[argument].click();
  else {
    if (act === "search") form.elements.search.value = argument;
    else form.elements.marks[argument].checked = !form.elements.marks[argument].checked;
    form.dispatchEvent(new Event("input", {bubbles: true}));
  }
  const start = performance.now() + (act === "open" ? 0 : 100);
})"""

_BELOW = f"""
Median (longest) of {REPEATS}, on 2 cores that had other work. A filter waits 100 ms for more typing
before it works, which is not counted. The first search lowers the case of all texts. Elements: of
the whole page, with 50 judgments listed and one open."""


def measured(act: Callable[[int], float]) -> str:
    """Median and longest of some repeats, in milliseconds."""
    times = [act(number) for number in range(REPEATS)]
    return f"{statistics.median(times):.0f} ({max(times):.0f})"


def row(browser: Any, folder: Path, count: int) -> list[str]:
    """One line of the table."""
    run = report_runs.large(folder / "run", count)
    began = time.perf_counter()
    path = write_report([run], folder / "page")
    made = time.perf_counter() - began
    page = browser.new_page()
    page.set_default_timeout(60_000)
    began = time.perf_counter()
    page.goto(path.as_uri())
    page.locator("#list a").first.wait_for()
    opened = time.perf_counter() - began
    first_search = page.evaluate(_UNTIL, ["search", "river stone"])
    words = ("lamp", "copper seven", "model-a", "nothing of it", "quiet paper engine")
    cells = [
        f"{count:,}",
        f"{path.stat().st_size / 1e6:.1f}",
        f"{made:.1f}",
        f"{opened:.1f}",
        measured(lambda number: page.evaluate(_UNTIL, ["filter", number % 4])),
        f"{first_search:.0f}",
        measured(lambda number: page.evaluate(_UNTIL, ["search", words[number]])),
    ]
    page.evaluate(_UNTIL, ["search", ""])
    page.locator("#filters button[type=reset]").click()
    page.wait_for_function("document.querySelectorAll('#list a').length === 50")
    cells.append(measured(lambda number: page.evaluate(_UNTIL, ["open", 7 * number + 1])))
    cells.append(str(page.evaluate("document.querySelectorAll('*').length")))
    page.close()
    return cells


def main() -> None:
    """Print the page."""
    heads = (
        *("judgments", "MB", "made, s", "opened, s", "filter, ms", "first search, ms"),
        *("search, ms", "open one, ms", "elements"),
    )
    about = " ".join((__doc__ or "").split("\n\n")[1].split())
    print(f"# The page of a report with many judgments\n\n{about}\n")
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    with chromium.launched() as browser:
        for count in COUNTS:
            with tempfile.TemporaryDirectory() as folder:
                print(f"| {' | '.join(row(browser, Path(folder), count))} |", flush=True)
    print(_BELOW)


if __name__ == "__main__":
    main()
