"""Names in figures: any text can be printed, and none is taken for markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pandalm_eval.plots.names import printed

HOSTILE = [
    *("$x_1$", "$", "a$b", r"\frac{1}{2}", "a\\", "two\nlines\r\n\ttab", "\x00\x1b[31m\x7f", ""),
    *(" ", "\u202eabc", "\u200f", "a\u200bb", "x" * 10_000, "$" * 10_000, "<b>&amp;</b>]]>"),
    *(
        "日本語のモデル名",
        "😀🏳️‍🌈",
        "e" + "\u0301" * 500,
        "العربية",
        "\ud800",
        "\ufffe\uffff",
        "﷽" * 40,
    ),
]
TEXTS = st.text(st.characters(codec=None), max_size=60) | st.sampled_from(HOSTILE)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("$x_1$", r"\$x_1\$"),
        ("a\\", "a\\"),
        ("a\tb\nc", "a b c"),
        ("\x1b[31m\u202er", "[31mr"),
        ("\ud800\uffff", "��"),
        (" \u200f", "(no name)"),
        ("e" + "\u0301" * 9, "é\u0301\u0301"),
        ("abc" * 100, "abcabcabcabcabcabcab…cabcabcabcabcabcabc"),
    ],
)
def test_printed_names(text: str, shown: str) -> None:
    assert printed([text], 1000, 8)[0].lines == (shown,)


def test_lines_break_behind_marks() -> None:
    assert printed(["vicuna-13b-v1.5-delta-weights"], 90, 8, 3)[0].lines == (
        *("vicuna-13b-v1.5-", "delta-weights"),
    )


@settings(max_examples=200)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.integers(1, 3))
def test_any_name_can_be_printed(texts: list[str], lines: int) -> None:
    found = printed(texts, 90, 8, lines)
    assert len({name.lines for name in found}) == len(texts)
    for name in found:
        assert 1 <= len(name.lines) <= lines
        assert name.width <= 90 + 1e-6
        ET.fromstring(f"<a>{escape(''.join(name.lines))}</a>")
