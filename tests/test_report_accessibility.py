"""The page of a report: structure and contrast."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from report_pages import Page

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", ["small_page", "hostile_page", "committed_page"])
def test_structure(name: str, request: pytest.FixtureRequest) -> None:
    html = request.getfixturevalue(name)
    page = Page(html)
    assert not page.problems
    ids = [told["id"] for _, told in page.elements if "id" in told]
    assert len(ids) == len(set(ids))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("table") == tags.count("caption")
    assert tags.count("main") == tags.count("h1") == 1
    for tag, told in page.elements:
        if tag == "th":
            assert told.get("scope") in ("row", "col"), told
        for key in ("aria-labelledby", "href"):
            target = (told.get(key) or "").removeprefix("#")
            if target and target != "detail-title":  # the script makes it
                assert target in ids, target
    for tag in ("input", "select"):
        assert len(re.findall(rf"<label[^>]*>(?:<span>[^<]*</span>)?<{tag}", html)) == tags.count(
            tag
        )


def colours(theme: int) -> dict[str, tuple[float, float, float]]:
    """The style sheet's variables: 0 light, 1 dark."""
    css = (ROOT / "pandalm_eval/report/report.css").read_text("utf-8")
    found = re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\);", css)
    assert len(found) > 10
    return {
        name: tuple(int(both[theme][i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[misc]
        for name, *both in found
    }


def luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance of WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_by_hand() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)


@pytest.mark.parametrize("theme", [0, 1])
def test_contrast(theme: int) -> None:
    """Text 4.5, edges of controls and what is drawn 3 (WCAG 2.2 AA), on every ground."""
    found = colours(theme)
    for ground in ("ground", "paper", "band"):
        for text in ("ink", "muted", "accent", "first", "second", "tie", "invalid"):
            assert contrast(found[text], found[ground]) >= 4.5, (text, ground)
        assert contrast(found["edge"], found[ground]) >= 3, ground
    assert contrast(found["ink"], found["found"]) >= 4.5
    css = (ROOT / "pandalm_eval/report/report.css").read_text("utf-8")
    shades = re.findall(r"color-mix\(in srgb, var\(--accent\) (\d+)%, var\(--paper\)\)", css)
    assert len(shades) == 10
    for percent in map(int, shades):
        pairs = zip(found["accent"], found["paper"], strict=True)
        mixed = tuple(percent / 100 * a + (1 - percent / 100) * p for a, p in pairs)
        assert contrast(found["ink"], mixed) >= 4.5, percent  # type: ignore[arg-type]
