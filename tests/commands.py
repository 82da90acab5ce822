"""The command, in a process of its own and in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pandalm_eval.cli import main

REPOSITORY = Path(__file__).resolve().parents[1]
Capture = pytest.CaptureFixture[str]


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`python -m pandalm_eval …` in a process of its own."""
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "pandalm_eval", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def failure(capsys: Capture, *arguments: str | Path) -> tuple[int, str]:
    """Exit code and standard error of a command in this process that answers nothing."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as exit:
        code = int(exit.code or 0)
    told = capsys.readouterr()
    assert told.out == ""
    return code, told.err
