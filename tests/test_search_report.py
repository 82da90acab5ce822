"""pandalm_eval.search.strengths, report and its pictures: the whole curve of a study."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from search_space import write_space

from pandalm_eval.errors import InputError
from pandalm_eval.instructions import Prompt, read_prompts
from pandalm_eval.judgments import Reading
from pandalm_eval.plots.search_curve import Point, search_curve
from pandalm_eval.plots.search_grid import Cell, search_grid
from pandalm_eval.responses import Candidate, read_candidate
from pandalm_eval.search.choose import choose, write_choice
from pandalm_eval.search.contestants import Contestants
from pandalm_eval.search.judging import Judge
from pandalm_eval.search.plan import plan, standing
from pandalm_eval.search.readings import Kept, Readings
from pandalm_eval.search.report import factor_rows, write_report
from pandalm_eval.search.space import Judging
from pandalm_eval.search.strengths import Strengths
from pandalm_eval.search.study import Prompts, Study
from pandalm_eval.verdicts import Verdict

GRID = {"epochs": [1, 2, 3], "learning_rate": [1e-3, 1e-2], "optimizer": ["adamw", "sgd"]}
DEFAULT = {"epochs": 1, "learning_rate": 1e-3, "optimizer": "sgd"}


def length(epoch: int, rate: float, optimizer: str) -> int:
    """Longer answers with more epochs and a higher rate; the optimizer changes nothing."""
    return 10 * epoch + (35 if rate == 1e-2 else 0)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study whose candidates have answered, all but one, at lengths that follow the grid."""
    made = Study.create(
        tmp_path / "study", write_space(tmp_path, Path("base"), grid=GRID, default=DEFAULT)
    )
    asked = read_prompts(made.prompt_file(Prompts.VALIDATION))
    for one in made.space.configurations[:-1]:
        path = made.answers(one, Prompts.VALIDATION)
        path.parent.mkdir(parents=True, exist_ok=True)
        size = length(one.epoch, *one.training.values.values())
        rows = [
            {"instruction": p.instruction, "input": p.input, "response": "x" * (size + n)}
            for n, p in enumerate(asked)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


def chosen_of(study: Study) -> tuple[Contestants, Readings]:
    files = sorted((study.folder / "answers" / "validation").glob("*.jsonl"))
    contestants = Contestants([read_candidate(path) for path in files])
    readings = Readings(study.folder, study.space.judge)
    missing = {study.space.configurations[-1].name: "diverged"}
    with Judge(study.space.judge, readings) as judge:
        found = choose(contestants, judge, "round_robin", {"seed": 1}, missing)
    write_choice(study.folder, found)
    return contestants, readings


def test_strengths_follow_all_readings(study: Study) -> None:
    contestants, readings = chosen_of(study)
    default = study.space.default_configuration.name
    found = Strengths.of(contestants, readings, default)
    rates = {name: found.win_rate(n) for n, name in enumerate(contestants.names)}
    assert rates[default] == (0.5, 0.5, 0.5)
    ranked = sorted(rates, key=lambda name: -rates[name][0])
    assert {name[:25] for name in ranked[:2]} <= {name[:25] for name in ranked if "0.01" in name}
    assert all(low <= value <= high for value, low, high in rates.values())
    # 11 candidates: 55 pairs × 6 prompts × 2 orders, ties of equal answers among them.
    assert found.readings == len(readings) == 660
    assert readings.costs().readings < 660


@pytest.mark.parametrize(("rate", "prompts"), [(0.5, 10), (0.8, 40), (0.95, 20), (0.99, 10)])
def test_intervals_hold_the_truth_also_of_few_prompts(
    tmp_path: Path, rate: float, prompts: int
) -> None:
    """Of two candidates, in both orders; four in five at least, as the prior draws to a half."""
    drawn = np.random.default_rng(1)
    both = [
        Candidate(name, {Prompt(f"{n}", ""): name for n in range(prompts)}, Path(name))
        for name in ("a", "b")
    ]
    contestants, held = Contestants(both), 0
    for time in range(60):
        readings = Readings(tmp_path / str(time), Judging("rule", {"name": "first"}))
        new = []
        for prompt in range(prompts):
            pair, _ = contestants.pair(0, 1, prompt)
            verdict = Verdict.FIRST if drawn.random() < rate else Verdict.SECOND
            kept = Kept(pair.text_hash, Reading(verdict), 1, 1.0)
            new += [(pair, swapped, kept) for swapped in (False, True)]
        readings.add(new)
        _, low, high = Strengths.of(contestants, readings, "b").win_rate(0)
        held += low <= rate <= high
    assert held >= 48


def test_without_readings_nothing_is_known(study: Study, tmp_path: Path) -> None:
    files = sorted((study.folder / "answers" / "validation").glob("*.jsonl"))
    contestants = Contestants([read_candidate(path) for path in files])
    found = Strengths.of(contestants, Readings(tmp_path, study.space.judge), contestants.names[0])
    value, low, high = found.win_rate(1)
    assert value == 0.5
    assert high - low > 0.5


def test_the_report_has_the_whole_curve(study: Study) -> None:
    contestants, readings = chosen_of(study)
    strengths = Strengths.of(contestants, readings, study.space.default_configuration.name)
    from pandalm_eval.search.choose import read_choice

    chosen = read_choice(study.folder)
    text = write_report(study, chosen, strengths, readings.costs()).read_text("utf-8")
    for configuration in study.space.configurations:
        assert f"| {configuration.name} " in text
    assert "diverged" in text
    assert "This choice is not confirmed yet" in text
    assert plan(study).splitlines()[0] in text
    assert standing(study).splitlines()[0] in text
    rows = factor_rows(study.space, chosen, strengths)
    # 12 candidates less one of sgd's.
    assert {(r["factor"], str(r["level"])): r["n"] for r in rows} == {
        ("epochs", "1"): 4,
        ("epochs", "2"): 4,
        ("epochs", "3"): 3,
        ("learning_rate", "0.001"): 6,
        ("learning_rate", "0.01"): 5,
        ("optimizer", "adamw"): 6,
        ("optimizer", "sgd"): 5,
    }
    rates = {str(row["level"]): row["win_rate"] for row in rows}
    assert rates["0.01"] > rates["0.001"]
    assert rates["3"] > rates["1"]


def test_a_report_is_written_twice_alike(study: Study, tmp_path: Path) -> None:
    contestants, readings = chosen_of(study)
    strengths = Strengths.of(contestants, readings, study.space.default_configuration.name)
    from pandalm_eval.search.choose import read_choice

    pages = [tmp_path / "a", tmp_path / "b"]
    for page in pages:
        write_report(study, read_choice(study.folder), strengths, readings.costs(), page)
    for name in ("report.md", "candidates.csv", "grid.svg", "candidates.svg"):
        assert (pages[0] / name).read_bytes() == (pages[1] / name).read_bytes()


def test_a_grid_shows_each_candidate_and_what_is_missing() -> None:
    cells = [
        Cell({"epochs": epoch, "rate": rate, "kind": kind}, 0.1 * epoch if rate == 1 else math.nan)
        for epoch in (1, 2, 3)
        for rate in (1, 2)
        for kind in ("a", "b")
    ]
    panels = [axes for axes in search_grid(cells, "epochs", "rate").axes if axes.get_visible()]
    assert [panel.get_title() for panel in panels] == ["a", "b"]
    assert [text.get_text() for text in panels[0].texts] == [".100", "–", ".200", "–", ".300", "–"]
    with pytest.raises(InputError, match="no candidates"):
        search_grid([], "epochs", "rate")


def test_a_curve_names_what_is_marked() -> None:
    points = [Point(0.6, 0.5, 0.7, "chosen"), Point(0.5, 0.5, 0.5, "default"), Point(0.2, 0.1, 0.3)]
    (axes,) = search_curve(points).axes
    assert [text.get_text() for text in axes.texts] == ["chosen", "default"]
    heights = np.array([line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o"])
    assert heights.tolist() == [0.6, 0.5, 0.2]
    with pytest.raises(InputError, match="no candidates"):
        search_curve([])
