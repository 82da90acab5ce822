"""The benchmark of what is not the model: its files can be read, its records hold together."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pandalm_eval.pairs import read_pairs
from pandalm_eval.results import read_runs

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def without_model(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("without_model")


def test_made_up_judgments_are_a_run(without_model: ModuleType, tmp_path: Path) -> None:
    path = without_model.judgments_file(tmp_path / "judgments_x.jsonl", 50)
    (run,) = read_runs([path])
    assert run.judgments is not None
    assert run.part is None  # the manifest says that it is whole
    assert run.figures["n_prompts"] == 9  # of six pairs each, and two in the last
    assert run.judgments.is_labelled.all()
    assert sorted(run.judgments.models) == ["model-a", "model-b", "model-c", "model-d"]
    again = without_model.judgments_file(tmp_path / "judgments_y.jsonl", 50)
    assert again.read_bytes() == path.read_bytes()


def test_made_up_pairs_can_be_read(without_model: ModuleType, tmp_path: Path) -> None:
    pairs = read_pairs(without_model.pairs_file(tmp_path / "pairs.jsonl", 13))
    assert len(pairs) == 13
    assert len({pair.prompt_id for pair in pairs}) == 3


def test_growth_is_between_the_two_largest_counts(
    without_model: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Peaks of 30, 40 and 50 MB at 10, 110 and 10,110 pairs: 10 MB over 10,000 pairs."""
    peaks = iter([20.0, 30.0, 40.0, 50.0])

    def measured(_: Sequence[str]) -> dict[str, Any]:
        return {"wall": 1.0, "cpu": 0.5, "peak": next(peaks)}

    monkeypatch.setattr(without_model, "measured", measured)
    monkeypatch.setattr(without_model, "_on_judgments", lambda *_: [("table", ["x"])])
    records = without_model.measure((110, 10_110, 10), runs=())
    assert [(one["what"], one["count"], one.get("growth")) for one in records] == [
        *(("table --help", 0, None), ("table", 10, None), ("table", 110, None)),
        ("table", 10_110, 1000),
    ]
    assert without_model.markdown(records).splitlines()[-1].split() == [
        *("|", "table", "--help", "|", "–", "|", "1.0", "|", "0.5", "|", "20", "|", "|"),
    ]


def test_peak_and_failure_of_a_process(without_model: ModuleType) -> None:
    small, large = (
        without_model.measured(["-S", "-c", f"len(bytearray({size}))"]) for size in (1, 50_000_000)
    )
    assert large["peak"] - small["peak"] > 40
    with pytest.raises(RuntimeError, match="what went wrong"):
        without_model.measured(["-S", "-c", "import sys; sys.exit('what went wrong')"])
