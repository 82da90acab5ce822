"""The command of a report, and what it says of runs that lack something."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import report_runs
from report_pages import Page

from pandalm_eval.cli import main
from pandalm_eval.errors import InputError
from pandalm_eval.report.page import render, write_report
from pandalm_eval.results import Run, read_runs

ROOT = Path(__file__).resolve().parents[1]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = report_runs.small(tmp_path / "run")
    assert main(["report", str(folder), "-o", str(tmp_path / "page")]) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'page' / 'index.html'}\n"
    assert "MB" in err
    whole = (tmp_path / "page/index.html").stat().st_size
    assert main(["report", str(folder), "-o", str(tmp_path / "page"), "--no_text"]) == 0
    assert (tmp_path / "page/index.html").stat().st_size < whole


def test_no_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "page")]) == 1
    assert "holds no result of a pairwise-judge task" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_unwritable_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = report_runs.small(tmp_path / "run")
    (tmp_path / "page").write_text("a file", "utf-8")
    assert main(["report", str(folder), "-o", str(tmp_path / "page")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_results_without_samples(tmp_path: Path) -> None:
    """Figures of the results file, and a word on what is missing."""
    folder = report_runs.small(tmp_path)
    path = next(folder.glob("results_*.json"))
    data = json.loads(path.read_text("utf-8"))
    data["results"][report_runs.TASK] = {
        "acc,none": 0.5,
        "n_pairs,none": 30,
        "n_prompts,none": 10,
        "kappa,none": "N/A",
    }
    path.write_text(json.dumps(data), "utf-8")
    next(folder.glob("samples_*.jsonl")).unlink()
    page = render(read_runs([folder]))
    assert "No samples beside" in page
    assert ".5000" in page
    assert 'id="judgments"' not in page
    assert not Page(page).problems


def test_an_older_page_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle of the writing."""
    folder = report_runs.small(tmp_path / "run")
    path = write_report([folder], tmp_path / "page")
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_report([folder], tmp_path / "page", with_text=False)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["index.html"]


def test_no_verdict_at_all(tmp_path: Path) -> None:
    lines = [report_runs.sample(report_runs.pair(i), "hm", "hm") for i in range(6)]
    page = render(read_runs([report_runs.write_run(tmp_path, lines)]))
    assert "there is no verdict" in page
    assert not Page(page).problems


def test_one_pair_has_no_interval(tmp_path: Path) -> None:
    lines = [report_runs.sample(report_runs.pair(0), "1", "2")]
    page = render(read_runs([report_runs.write_run(tmp_path, lines)]))
    assert "nan" not in re.sub(r"<style>.*</style>|<script.*</script>", "", page, flags=re.DOTALL)


def test_results_without_counts(small_runs: list[Run]) -> None:
    """A results file of another hand may lack them."""
    bare = replace(small_runs[0], judgments=None, figures={"acc": 0.5})
    assert ".5000" in render([bare])


def test_no_torch() -> None:
    code = "import sys, pandalm_eval.report.page; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
