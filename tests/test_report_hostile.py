"""Hostile text on the page of a report takes no effect."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
import report_runs
from report_pages import Page, told

from pandalm_eval.report import hostile


def test_hostile_text_makes_no_element(hostile_page: str, small_page: str) -> None:
    page = Page(hostile_page)
    assert not page.problems
    assert page.script("application/json")
    tags = {tag for tag, _ in page.elements}
    assert tags <= {tag for tag, _ in Page(small_page).elements} | {"i"}
    assert hostile_page.count("<script") == 2
    assert hostile_page.count("</script") == 2
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert not (attributes.get("href") or "#").removeprefix("#").startswith(("java", "http"))


def test_hostile_data_is_whole(hostile_page: str) -> None:
    data = told(hostile_page)
    assert set(report_runs.HOSTILE) <= set(data["texts"])
    assert set(report_runs.HOSTILE) <= set(data["names"])


def test_hidden_characters_stand_nowhere_on_the_page(hostile_page: str) -> None:
    hostile_page.encode("utf-8")  # no surrogate alone
    assert hostile.visible(hostile_page) == hostile_page
    assert "gnp.exe" in hostile_page
    assert "[U+202E]gnp.exe[U+2066]" in hostile_page


@pytest.mark.parametrize("text", report_runs.HOSTILE)
def test_json_reads_back(text: str) -> None:
    found = hostile.json_for_script({"a": [text]})
    assert json.loads(found) == {"a": [text]}
    assert not re.search("[<>&\u2028\u2029\u202e]", found)


def test_script_pattern_is_the_same_as_ours() -> None:
    """JavaScript's escapes, read as Python's, find the same characters."""
    pattern = re.sub(
        r"\\u\{?([0-9a-f]+)\}?",
        lambda code: re.escape(chr(int(code[1], 16))),
        hostile.SCRIPT_PATTERN,
    )
    for code in (*range(0x3200), *range(0xD7F0, 0xE010), *range(0xFE00, 0x10000), 0xE0041, 0x1F600):
        shown = hostile.visible(chr(code)) != chr(code)
        assert shown == bool(re.fullmatch(pattern, chr(code))), hex(code)


def test_policy_allows_our_script_and_style_only(small_page: str) -> None:
    policy = next(
        told["content"]
        for tag, told in Page(small_page).elements
        if told.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    style = small_page.partition("<style>")[2].partition("</style>")[0]
    for text in (style, Page(small_page).script(None)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "http" not in style
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", small_page)
