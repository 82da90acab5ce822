"""Judgments as a frame and as Parquet: one row each, nothing lost, nothing heavy imported."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pandalm_eval import read_judgments_frame
from pandalm_eval.cli import main
from pandalm_eval.errors import InputError
from pandalm_eval.frame import COLUMNS, schema
from pandalm_eval.judgments import Judgment
from pandalm_eval.metrics import printable
from pandalm_eval.results import read_runs
from pandalm_eval.streams import stream_results

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("module", ["numpy", "pandas", "pyarrow", "torch", "lm_eval"])
def test_import_is_light(module: str) -> None:
    code = f"import sys, pandalm_eval; sys.exit({module!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def told(row: Any, judgment: Judgment) -> None:
    """A row says what its judgment does."""
    for name in ("index", "id", "prompt_id", "text_hash", "model1", "model2", "length1", "length2"):
        assert row[name] == getattr(judgment, name)
    assert row["verdict"] == judgment.verdict.value
    assert row["annotators"] == " ".join(label.value for label in judgment.annotators)
    assert bool(row["correct"]) is judgment.correct
    for place, order in enumerate(("forward", "swapped")):
        if place == len(judgment.readings):
            assert pd.isna(row[f"{order}_verdict"])
            assert pd.isna(row[f"{order}_truncated"])
            continue
        reading = judgment.readings[place]
        assert row[f"{order}_verdict"] == reading.verdict.value
        assert bool(row[f"{order}_truncated"]) is reading.truncated
        assert pd.isna(row[f"{order}_reason"]) is (reading.reason is None)
        for number, label in enumerate(("first", "second", "tie")):
            value = row[f"{order}_p_{label}"]
            if reading.probabilities is None:
                assert math.isnan(value)
            else:
                assert value == reading.probabilities[number]


@pytest.mark.parametrize("protocol", ["single", "verdict", "logprob"])
def test_every_field(protocol: str) -> None:
    (path, *_) = sorted((RESULTS / "human").glob(f"judgments_pandalm_human_{protocol}_*.jsonl"))
    frame = read_judgments_frame(path)
    assert list(frame.columns) == [column.name for column in COLUMNS]
    (run,) = read_runs([path])
    assert run.judgments is not None
    assert len(frame) == len(run.judgments)
    for (_, row), judgment in zip(frame.iterrows(), run.judgments, strict=True):
        told(row, judgment)
    assert set(frame["judge"]) == {run.name.judge}
    assert frame["correct"].mean() == pytest.approx(run.figures["acc"])


def test_the_same_runs_as_the_tables_read() -> None:
    names = [run.name for run in read_runs([RESULTS / "human", RESULTS / "human"])]
    streamed = dict.fromkeys(
        name for name, _ in stream_results([RESULTS / "human", RESULTS / "human"])
    )
    assert list(streamed) == names
    assert [name.judge for name in names if name.judge.endswith(" (2)")]


@pytest.fixture
def run(small_data: Path, tmp_path: Path) -> Path:
    words = ["--model", "rule", "--model_args", "name=longest", "--tasks", "pandalm_human"]
    words += ["--output_path", f"{tmp_path}/out", "--log_samples"]
    assert main(["run", *words, "--metadata", f"data_dir={small_data}"]) == 0
    return tmp_path / "out"


def test_samples_and_parquet(run: Path, tmp_path: Path, capsys: Capture) -> None:
    frame = read_judgments_frame(run)
    assert len(frame) == 12
    capsys.readouterr()
    words = ["redact", str(run), "-o", str(tmp_path / "public"), "--format", "parquet"]
    assert main(words) == 0
    path = tmp_path / "public" / "judgments.parquet"
    assert capsys.readouterr().out == f"{path}\n"
    pd.testing.assert_frame_equal(read_judgments_frame(path), frame)
    assert [file.name for file in path.parent.iterdir()] == ["judgments.parquet"]
    assert b"Guten Morgen" not in path.read_bytes()
    (samples,) = run.rglob("samples_*.jsonl")
    pd.testing.assert_frame_equal(read_judgments_frame(samples), frame)
    redacted = tmp_path / "redacted"
    assert main(["redact", str(run), "-o", str(redacted)]) == 0
    pd.testing.assert_frame_equal(read_judgments_frame(redacted), frame)
    both = read_judgments_frame(redacted, path)
    assert len(both) == 24


def test_a_batch_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pandalm_eval.frame._BATCH", 100)
    path = RESULTS / "human/judgments_pandalm_human_single_PandaLM-7B.jsonl"
    assert list(read_judgments_frame(path)["index"]) == list(range(999))


def test_without_gold() -> None:
    frame = read_judgments_frame(RESULTS / "end_to_end")
    assert frame["gold"].isna().all()
    assert frame["correct"].isna().all()
    assert frame["model1"].notna().all()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("results_1.json", "{}", "is not a results file"),
        ("judgments_x.jsonl", "{}\n", "line 1 has no field 'task'"),
        ("judgments_x.jsonl", "", "the file is empty"),
        ("x.parquet", "no parquet", "cannot be read as Parquet"),
        ("notes.json", "{}", "holds no judgments"),
    ],
)
def test_what_is_no_result(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(InputError, match=message):
        read_judgments_frame(tmp_path / name)
    with pytest.raises(InputError):
        read_judgments_frame(tmp_path / "nothing")


def test_foreign_parquet(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="is no Parquet file of"):
        read_judgments_frame(tmp_path / "a.parquet")


def test_results_without_samples(run: Path) -> None:
    for samples in run.rglob("samples_*.jsonl"):
        samples.unlink()
    with pytest.raises(InputError, match="has no samples beside it"):
        read_judgments_frame(run)


def test_cut_samples(run: Path) -> None:
    (samples,) = run.rglob("samples_*.jsonl")
    lines = samples.read_text("utf-8").splitlines(keepends=True)
    samples.write_text("".join(lines[:-1]), "utf-8")
    with pytest.raises(InputError, match="holds 11 samples, but the results beside it are of 12"):
        read_judgments_frame(run)


def test_unwritable_parquet(run: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    words = ["redact", str(run), "-o", str(tmp_path / "file" / "x"), "--format", "parquet"]
    assert main(words) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_time_that_is_none(tmp_path: Path) -> None:
    path = RESULTS / "human/judgments_pandalm_human_single_PandaLM-7B.jsonl"
    record = json.loads(path.read_text("utf-8").splitlines()[0])
    record["readings"][0]["seconds"] = math.nan
    (tmp_path / "judgments_x.jsonl").write_text(f"{json.dumps(record)}\n", "utf-8")
    with pytest.raises(InputError, match="line 1 is no judgment: seconds nan is no time"):
        read_judgments_frame(tmp_path)
    assert printable(math.nan) == "N/A"


def test_the_page_has_the_columns() -> None:
    assert schema() in (ROOT / "docs/frames.md").read_text("utf-8")
