"""Determinism, size and texts of the page of a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import report_runs
from report_pages import Page, told

from pandalm_eval.report import browser
from pandalm_eval.report.page import render, write_report
from pandalm_eval.report.samples import texts_of
from pandalm_eval.results import Run, read_runs


def test_same_runs_same_bytes(small_runs: list[Run], small_page: str, tmp_path: Path) -> None:
    assert render(small_runs) == small_page
    path = write_report([small_runs[0].path], tmp_path / "a")
    assert path.read_bytes() == write_report([small_runs[0].path], tmp_path / "b").read_bytes()
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["index.html"]


def test_prompts_and_replies_are_exact(small_runs: list[Run], small_page: str) -> None:
    data = told(small_page)
    rows = iter(data["judgments"])
    for run in small_runs:
        found = texts_of(run)
        assert found is not None
        for text in found:
            own, prompts, replies = next(rows)[12]
            pool = data["texts"]
            joined = tuple("".join(pool[place] for place in parts) for parts in prompts)
            assert joined == text.prompts
            assert tuple(pool[place] for place in replies) == text.replies
            assert [pool[place] for place in own] == [
                *(text.instruction, text.input, text.response1, text.response2)
            ]
    assert next(rows, None) is None


def test_texts_stand_once(small_runs: list[Run]) -> None:
    data = browser.browser_data(small_runs, with_text=True)
    assert len(set(data["texts"])) == len(data["texts"])
    assert sum(map(len, data["texts"])) < 6000  # two runs, 60 judgments, 120 prompts


def test_chat_messages_and_scored_prompts(tmp_path: Path) -> None:
    """The harness keeps messages as JSON in a list; three requests an order have one prompt."""
    line = report_runs.sample(report_runs.pair(0), "1", "2")
    line["arguments"]["gen_args_0"]["arg_0"] = ['[{"role": "user"}]']
    line["arguments"]["gen_args_1"]["arg_0"] = [{"role": "user"}]
    (run,) = read_runs([report_runs.write_run(tmp_path, [line])])
    found = next(iter(texts_of(run) or ()))
    assert found.prompts == ('[{"role": "user"}]', '[\n {\n  "role": "user"\n }\n]')


def test_a_winrate_has_texts_but_no_prompts(tmp_path: Path) -> None:
    line = report_runs.sample(report_runs.pair(0), "1", "2")
    whole = {"pair": line["doc"], "readings": line["filtered_resps"], "response": "x"}
    line |= {"filtered_resps": [json.dumps(whole)], "doc": {"instruction": "other"}}
    page = render(read_runs([report_runs.write_run(tmp_path, [line])]))
    (row,) = told(page)["judgments"]
    assert row[12][1:] == [[], []]
    assert "Count to 0." in told(page)["texts"]


def test_without_text(small_runs: list[Run]) -> None:
    page = render(small_runs, with_text=False)
    data = told(page)
    assert data["texts"] == []
    assert len(data["judgments"]) == 60
    assert "Count to" not in page


def test_committed_judgments_are_browsable(committed: list[Run], committed_page: str) -> None:
    data = told(committed_page)
    assert len(data["judgments"]) == sum(len(run.judgments or ()) for run in committed)
    assert not any(run["text"] for run in data["runs"])
    assert len({run["key"] for run in data["runs"]}) == len(data["runs"])


def test_many_judgments_are_listed_in_part(
    small_runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 judgments 20 may be listed: every third pair of both runs, with its own texts."""
    whole = browser.browser_data(small_runs, with_text=True)
    monkeypatch.setattr(browser, "MOST", 20)
    page = render(small_runs)
    data = told(page)
    assert [row[:2] for row in data["judgments"]] == [row[:2] for row in whole["judgments"][::3]]
    assert data["all"] == 60
    for row, before in zip(data["judgments"], whole["judgments"][::3], strict=True):
        for place, other in zip(row[12][0], before[12][0], strict=True):
            assert data["texts"][place] == whole["texts"][other]
    assert "20 of 60 judgments are listed here" in page


def test_the_tables_are_of_all_judgments(
    small_runs: list[Run], small_page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "MOST", 20)
    assert Page(render(small_runs)).tables == Page(small_page).tables
    assert "are listed here" not in small_page


def test_two_runs_of_one_name_have_two_keys(small_runs: list[Run]) -> None:
    data = browser.browser_data([small_runs[0]] * 2, with_text=False)
    assert [run["key"] for run in data["runs"]] == [
        *("pandalm-pairs/verdict/one", "pandalm-pairs/verdict/one~2")
    ]
