"""The command from a run to its tables: exit codes, and what goes to which stream."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from commands import Capture, command, failure
from conftest import _ROWS, Write

from pandalm_eval.cli import main


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A finished run of two tasks, by the rule `longest`."""
    folder = tmp_path_factory.mktemp("run")
    data = folder / "data" / "pandalm" / "testset-v1.json"
    data.parent.mkdir(parents=True)
    data.write_text(json.dumps(_ROWS), encoding="utf-8")
    done = command(
        *("run", "--model", "rule", "--model_args", "name=longest"),
        *("--tasks", "pandalm_human,pandalm_human_logprob"),
        *("--metadata", f"data_dir={folder / 'data'}"),
        *("--output_path", folder / "out", "--log_samples"),
        *("--use_cache", folder / "store"),
    )
    assert done.returncode == 0, done.stderr
    return folder / "out", done


@pytest.fixture
def result(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    return finished[0]


def table(capsys: Capture, *arguments: str | Path) -> str:
    capsys.readouterr()
    assert main(["table", *map(str, arguments)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


def test_run_answers_on_standard_output(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = finished
    assert "|pandalm_human " in done.stdout
    assert "position_consistency" in done.stdout
    assert "true" in done.stderr  # the reader's remark on the response that is no text
    assert "Traceback" not in done.stderr
    assert len(list(folder.rglob("results_*.json"))) == 1
    assert len(list(folder.rglob("samples_*.jsonl"))) == 2
    assert (folder.parent / "store").is_file()


def test_results_file_is_json(result: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    (path,) = result.rglob("results_*.json")
    data = json.loads(path.read_text("utf-8"), parse_constant=refuse)
    told = data["results"]["pandalm_human"]
    assert None not in told.values()
    assert told["acc,none"] == pytest.approx(10 / 12)
    assert told["acc_stderr,none"] == pytest.approx(0.100634, abs=1e-6)  # see test_task.py


def test_json_table(result: Path, capsys: Capture) -> None:
    rows = json.loads(table(capsys, result, "--format", "json"))["rows"]
    runs = [row for row in rows if row["source"] == "run"]
    assert {row["source"] for row in rows} == {"run", "rule", "human"}
    assert {(row["judge"], row["protocol"]) for row in runs} == {
        ("rule:longest", "full"),
        ("rule:longest", "logprob"),
    }
    assert all(row["acc"] == pytest.approx(10 / 12) and row["gold"] == "human" for row in runs)
    rule = next(row for row in rows if row["judge"] == "rule: longest")
    assert rule["acc"] == pytest.approx(10 / 12)
    # Annotators 2 and 3 differ on rows 2, 5, 6, 10, 11: 7 pairs are left for annotator 1.
    annotator = next(row for row in rows if row["judge"] == "annotator 1")
    assert annotator["n_pairs"] == 7
    assert annotator["acc"] == 1


def test_other_tables(result: Path, capsys: Capture) -> None:
    rows = list(csv.DictReader(io.StringIO(table(capsys, result, "--format", "csv"))))
    assert float(rows[0]["acc"]) == pytest.approx(10 / 12)
    markdown = table(capsys, result)
    assert markdown.startswith("| judge")
    assert ".8333" in markdown
    latex = table(capsys, result, "--format", "latex")
    assert "\\toprule" in latex
    assert "rule:longest" in latex


def test_table_of_a_samples_file(result: Path, capsys: Capture) -> None:
    (samples,) = result.rglob("samples_pandalm_human_2*.jsonl")
    rows = json.loads(table(capsys, samples, "--format", "json"))["rows"]
    assert [row["protocol"] for row in rows if row["source"] == "run"] == ["full"]


def test_redacted_run(
    result: Path, tmp_path: Path, capsys: Capture, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path / "public"
    assert main(["redact", str(result), "-o", str(folder)]) == 0
    told = capsys.readouterr()
    assert sorted(told.out.splitlines()) == sorted(str(path) for path in folder.iterdir())
    assert {path.name for path in folder.glob("judgments_*")} == {
        "judgments_pandalm_human_rule-longest.jsonl",
        "judgments_pandalm_human_logprob_rule-longest.jsonl",
    }
    before = json.loads(table(capsys, result, "--format", "json"))
    after = json.loads(table(capsys, folder, "--format", "json"))

    def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))

    assert ordered(after["rows"]) == ordered(before["rows"])
    everything = "".join(path.read_text("utf-8") for path in folder.iterdir())
    texts = {str(row[f]) for row in rows for f in ("instruction", "input", "response1")}
    texts |= {str(row["response2"]) for row in rows}
    assert not [text for text in texts if len(text) > 9 and text in everything]
    assert str(result.parent) not in everything  # no path of this machine


def test_redacted_runs_of_one_name(result: Path, tmp_path: Path, capsys: Capture) -> None:
    """Two protocols of one task and judge, as two runs into one folder leave them."""
    folder = tmp_path / "both"
    assert main(["redact", str(result), "-o", str(folder)]) == 0
    whole = folder / "judgments_pandalm_human_rule-longest.jsonl"
    verdict = whole.read_text("utf-8").replace('"protocol": "full"', '"protocol": "verdict"')
    (folder / "judgments_other.jsonl").write_text(verdict, "utf-8")
    assert main(["redact", str(folder), "-o", str(tmp_path / "again")]) == 0
    names = {path.name for path in (tmp_path / "again").glob("judgments_*")}
    assert {whole.name, "judgments_pandalm_human_rule-longest-2.jsonl"} < names
    capsys.readouterr()
    before, after = (
        json.loads(table(capsys, path, "--format", "json"))["rows"]
        for path in (folder, tmp_path / "again")
    )
    assert {json.dumps(row, sort_keys=True) for row in before} == {
        json.dumps(row, sort_keys=True) for row in after
    }


def test_redact_needs_samples(result: Path, write: Write, capsys: Capture, tmp_path: Path) -> None:
    (results,) = result.rglob("results_*.json")
    alone = write(results.read_text("utf-8"), results.name)
    code, said = failure(capsys, "redact", alone, "-o", tmp_path / "public")
    assert code == 1
    assert "--log_samples" in said
    assert json.loads(table(capsys, alone, "--format", "json"))["rows"][0]["acc"] == pytest.approx(
        10 / 12
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "is not a results file of the harness"),
        ("{", "cannot be read as JSON"),
        ('{"results": {}, "configs": {}, "config": {}}', "holds no result of a pairwise-judge"),
    ],
)
def test_table_of_no_result(write: Write, capsys: Capture, content: str, message: str) -> None:
    code, said = failure(capsys, "table", write(content, "results_1.json"))
    assert code == 1
    assert message in said


def test_table_of_nothing(tmp_path: Path, capsys: Capture) -> None:
    assert failure(capsys, "table", tmp_path / "x")[0] == 1
    assert failure(capsys, "table", tmp_path)[0] == 1
    assert failure(capsys, "table")[0] == 2


def test_samples_of_which_a_part_is_missing(result: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(result, folder)
    samples = next(folder.rglob("samples_*.jsonl"))
    lines = samples.read_text("utf-8").splitlines(keepends=True)
    samples.write_text("".join(lines[:-2]), "utf-8")
    code, said = failure(capsys, "table", folder)
    assert code == 1
    assert f"holds {len(lines) - 2} samples, but the results beside it are of {len(lines)}" in said
