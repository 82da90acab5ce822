"""What tests of the leaderboard share."""

from __future__ import annotations

from pathlib import Path

import pytest

from pandalm_eval.cli import main
from pandalm_eval.leaderboard.folder import digests

ROOT = Path(__file__).resolve().parents[1]
Capture = pytest.CaptureFixture[str]
CARD = ("--submitter", "A group", "--link", "https://example.org/judge", "--licence", "MIT")
FLAGS = (*CARD, "--training_data", "unknown", "--date", "2026-01-31")


def told(capsys: Capture, *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `leaderboard …`."""
    capsys.readouterr()
    code = main(["leaderboard", *map(str, arguments)])
    return code, *capsys.readouterr()


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def reseal(folder: Path) -> None:
    """Write digests that fit, as whoever tampers with a submission can."""
    file = folder / "submission.yaml"
    if file.is_file():
        head = file.read_text("utf-8").partition("files:")[0]
        body = "".join(f"  {name}: {digest}\n" for name, digest in digests(folder).items())
        file.write_text(f"{head}files:\n{body}", "utf-8")
