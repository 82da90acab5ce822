"""The simulation of searches: its judge is as calibrated, and a stopped run goes on."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pandalm_eval.search.strategies.asking import contest, join

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("search_simulation")


@pytest.mark.parametrize("lean", [0.0, 0.05])
def test_equals_have_the_tie_share_and_flip_rate_asked_for(
    simulation: ModuleType, lean: float
) -> None:
    # 60 worlds of 4 pairs of different trainings on 170 prompts: 40,800 pairs. A lean adds flips.
    judge, found = simulation.Judge(), []
    pairs = ((0, 40), (7, 60), (20, 75), (12, 33))
    asked = join([contest(*pair, simulation.PROMPTS) for pair in pairs])
    for seed in range(60):
        rng = np.random.default_rng(seed)
        world = simulation.World(np.zeros(80), judge, seed, lean=lean, invalid=0.0, rng=rng)
        told = world.answers(asked)
        score = told[:, 0] + told[:, 2] / 2
        shown = np.where(asked.swapped, 1 - score, score)
        verdict = told.argmax(axis=1).reshape(len(pairs), 2, -1)
        found.append((told[:, 2].mean(), (verdict[:, 0] != verdict[:, 1]).mean(), shown.mean()))
    ties, flips, first = np.mean(found, axis=0)
    assert ties == pytest.approx(107 / 999, abs=0.006)
    assert flips == pytest.approx(0.17, abs=0.008) if lean == 0 else flips > 0.19
    assert first == pytest.approx(0.5 + lean, abs=0.006)


def test_a_reading_has_one_answer(simulation: ModuleType) -> None:
    world = simulation.cells()[0].world(3)
    one, other = contest(4, 70, 170), contest(4, 12, 170)
    alone, together = world.answers(one), world.answers(join([other, one]))
    np.testing.assert_array_equal(alone, together[340:])


def test_a_stopped_run_goes_on(simulation: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    simulation.run(path, ["main"], ["sequential"], 1)
    first, second = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text(first + second[:20], "utf-8")  # killed while it wrote
    simulation.run(path, ["main"], ["sequential"], 1)
    assert path.read_text("utf-8") == first + second
    assert len(simulation.read(path)) == 2
