"""The figures on the page of a report are those of the tables."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import report_runs
from report_pages import Page
from test_metrics import judgment

from pandalm_eval.columns import Columns
from pandalm_eval.judgments import Protocol
from pandalm_eval.metrics import calibration_bins
from pandalm_eval.report import manifests
from pandalm_eval.report.page import render
from pandalm_eval.report.position import Changes, is_changed
from pandalm_eval.report.sheets import Axis
from pandalm_eval.results import Run, read_runs
from pandalm_eval.tables.domains import DomainsTable
from pandalm_eval.tables.judges import JudgesTable, confusion_counts
from pandalm_eval.tables.models import ModelsTable
from pandalm_eval.verdicts import Verdict

FIRST, SECOND, TIE, INVALID = Verdict


def printed(section: list[dict[str, str]]) -> list[list[str]]:
    return [[" ".join(cell.split()) for cell in row.values()] for row in section]


def texts(table: list[list[tuple[str, str | None]]]) -> list[list[str]]:
    return [[text for text, _ in row] for row in table[1:]]


def test_tables_are_those_of_the_table_command(small_runs: list[Run], small_page: str) -> None:
    tables = Page(small_page).tables
    judges, agreements = JudgesTable.of(small_runs).sections()
    assert texts(tables["table-judges"]) == printed(judges)
    assert texts(tables["table-agreements"]) == printed(agreements)
    ranking, matrix, contests, _ = ModelsTable.of(small_runs[:1]).sections()
    assert texts(tables["table-ranking-1"]) == printed(ranking)
    assert texts(tables["table-matrix-1"]) == printed(matrix)
    assert texts(tables["table-contests-1"]) == printed(contests)


def test_tables_of_domains(committed: list[Run], committed_page: str) -> None:
    tables = Page(committed_page).tables
    domains, drops = DomainsTable.of(committed).sections()
    assert texts(tables["table-domains"]) == printed(domains)
    assert texts(tables["table-drops"]) == printed(drops)


def test_cells_are_sorted_by_the_figures_of_the_json(
    committed: list[Run], committed_page: str
) -> None:
    table = Page(committed_page).tables["table-judges"]
    heads = [text for text, _ in table[0]]
    rows = JudgesTable.of(committed).as_json()["rows"]
    for head, key in (("accuracy", "acc"), ("kappa", "kappa"), ("n (prompts)", "n_pairs")):
        column = heads.index(head)
        found = [row[column][1] for row in table[1:]]
        assert [None if f is None else float(f) for f in found] == [row.get(key) for row in rows]


def test_published_rows_are_shown_with_their_source(committed_page: str) -> None:
    page = Page(committed_page)
    published = [
        told for tag, told in page.elements if tag == "tr" and told.get("class") == "published"
    ]
    shown = [row for row in texts(page.tables["table-judges"]) if "arXiv" in row[1]]
    assert len(published) == len(shown) > 5


def test_every_panel_is_there(small_page: str, committed_page: str) -> None:
    sections = {told.get("id") for tag, told in Page(small_page).elements if tag == "section"}
    assert sections == {
        *("overview", "judges", "models", "confusion", "position", "length", "cost"),
        *("judgments", "manifests"),
    }
    sections = {told.get("id") for tag, told in Page(committed_page).elements if tag == "section"}
    assert {"domains", "calibration"} <= sections


def test_confusion_is_that_of_the_plot(small_runs: list[Run], small_page: str) -> None:
    found = re.findall(r'<td class="shade\d+[^"]*"><b>(\d+)</b>', small_page)
    counts = [count for run in small_runs for count in confusion_counts(run).ravel().tolist()]
    assert list(map(int, found)) == counts


def test_calibration_is_of_the_bins(committed: list[Run], committed_page: str) -> None:
    shown = re.findall(r"<th scope=\"row\">[\d.]+–[\d.]+</th><td>(\d+)</td>", committed_page)
    bins = [
        bin.n
        for run in committed
        if run.name.protocol is Protocol.LOGPROB
        for bin in calibration_bins(run.judgments or ())
    ]
    assert bins
    assert list(map(int, shown)) == bins


def test_changes_by_hand() -> None:
    """Of five pairs one is invalid, one holds, and three change, each in its way."""
    judged = [
        judgment(0, FIRST, FIRST, FIRST),
        judgment(1, FIRST, FIRST, SECOND),
        judgment(2, FIRST, SECOND, FIRST),
        judgment(3, FIRST, TIE, FIRST),
        judgment(4, FIRST, INVALID, FIRST),
    ]
    assert Changes.of(judged) == Changes(4, 3, 1, 1, 1)
    assert is_changed(Columns.of(judged)).tolist() == [False, True, True, True, False]
    assert not is_changed(Columns.of([replace(judged[1], readings=judged[1].readings[:1])])).any()


def test_bar_by_hand() -> None:
    """On [-1, 1], 0 is in the middle; what is outside is drawn at the end."""
    row = {"d": 0.5, "d_ci_low": 0.0, "d_ci_high": 1.5}
    bar = Axis("d", -1, 1, guide=0).bar(row)
    assert bar is not None
    assert (bar.value, bar.low, bar.high, bar.guide) == (75, 50, 100, 50)
    assert Axis("d").bar({"d": None}) is None
    alone = Axis("d").bar({"d": 0.25, "d_ci_low": None})
    assert alone is not None
    assert (alone.low, alone.high) == (25, 25)


def test_manifest_has_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-123456789")
    folder = report_runs.write_run(
        tmp_path,
        [report_runs.sample(report_runs.pair(0), "1", "2")],
        api_key="hush-hush",
        header="sk-123456789",
        base_url="http://user:word@host/v1?key=letmein",
        pretrained="/home/me/model",
        revision="sk-123456789",
    )
    page = render(read_runs([folder]))
    for secret in ("hush-hush", "sk-123456789", "letmein", "user:word", "/home/me"):
        assert secret not in page
    assert "12.5" in page
    assert "abcdef0" in page


def test_manifest_without_one() -> None:
    assert manifests.when({"date": "yesterday"}) == "–"
