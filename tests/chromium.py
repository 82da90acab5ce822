"""The system's Chromium, driven by Playwright, which must not bring a browser of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def found() -> str | None:
    """Where Chromium is."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def launched() -> Iterator[Any]:
    """A running browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def require() -> None:
    """Skip without browser or Playwright; fail where PANDALM_REQUIRE_BROWSER says so."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        missing = "playwright is not installed"
    else:
        if found():
            return
        missing = "there is no chromium"
    if os.environ.get("PANDALM_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{missing}, but PANDALM_REQUIRE_BROWSER=1")
    pytest.skip(missing)
