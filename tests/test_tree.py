"""No text of a data set stands in the tree: neither in what we wrote nor in committed judgments."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
WORDS = 10
"""So many words in a row, and the same, are no accident."""


def tracked() -> list[Path]:
    """Files that git tracks; all below this folder where there is no git."""
    try:
        told = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]
    return [ROOT / name for name in told.stdout.splitlines() if (ROOT / name).is_file()]


def runs_of_words(text: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"[^\W\d]\w*", text.lower())
    for start in range(len(words) - WORDS + 1):
        yield tuple(words[start : start + WORDS])


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)


def records(path: Path) -> Any:
    content = path.read_text("utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in content.splitlines() if line.strip()]
    return json.loads(content)


def test_judgments_hold_no_text() -> None:
    files = sorted((ROOT / "results").rglob("judgments_*.jsonl"))
    assert files
    for path in files:
        for line in path.read_text("utf-8").splitlines():
            told = [
                text for text in texts(json.loads(line)) if not re.fullmatch(r"[\w.:+-]*", text)
            ]
            assert not told, (path, told)


@pytest.mark.parametrize("source", ["pandalm", "lsat", "pubmedqa", "bioasq", "alpaca_eval"])
def test_no_text_of_a_data_set(source: str, data_dir: Path) -> None:
    files = sorted((data_dir / source).glob("*.json*"))
    if not files and source in ("bioasq", "alpaca_eval"):
        pytest.skip(f"{source} is for each user to get")
    theirs = {run for path in files for text in texts(records(path)) for run in runs_of_words(text)}
    assert theirs
    for path in tracked():
        if path.name.startswith("judgments_") or path.suffix in (".png", ".pdf"):
            continue
        ours = set(runs_of_words(path.read_text("utf-8", "replace")))
        assert not [" ".join(run) for run in ours & theirs], path
