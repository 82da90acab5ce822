"""The whole curve of a study, not only its winner: all candidates, factors, pictures, costs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from pandalm_eval import __version__
from pandalm_eval.errors import InputError
from pandalm_eval.plots.search_curve import Point, search_curve
from pandalm_eval.plots.search_grid import Cell, search_grid
from pandalm_eval.plots.write import write
from pandalm_eval.search.choose import Chosen, as_text
from pandalm_eval.search.confirm import ConfirmedTable, confirmed_rows
from pandalm_eval.search.plan import plan, standing
from pandalm_eval.search.readings import Costs
from pandalm_eval.search.space import EPOCHS, Space
from pandalm_eval.search.strengths import Strengths
from pandalm_eval.search.study import Study
from pandalm_eval.search.worker import read_costs
from pandalm_eval.tables.cells import with_interval
from train_judge.config import Config
from train_judge.steps import written

Row = dict[str, Any]

_NO_FACTORS = (
    *("train", "validation", "output", "learns", "swap", "export_epochs", "deepspeed", "keep"),
    *("revision", "gguf_file", "micro_batch", "gradient_checkpointing", "group_by_length"),
    *("save_every", "validate_every", "log_every", "report_to"),
)
"""Keys of a training that no search would vary."""


def write_report(
    study: Study,
    chosen: Chosen,
    strengths: Strengths,
    costs: Costs,
    output: Path | None = None,
) -> Path:
    """Write `report.md` with `candidates.csv`, `grid.svg` and `candidates.svg`; returns the page.

    Args:
        chosen: the choice that is reported.
        strengths: of the candidates that it chose among, against the default.
        costs: of all readings that are kept of the judge.
        output: the folder; by default the study's own `report/`.

    Raises:
        InputError: the folder cannot be written.
    """
    folder = output or study.folder / "report"
    rows = candidate_rows(study, chosen, strengths)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_csv(rows, folder / "candidates.csv")
        _draw(study.space, rows, folder)
        with written(folder / "report.md") as file:
            factors = factor_rows(study.space, chosen, strengths)
            file.write(_page(study, chosen, costs, rows, factors))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}).") from None
    return folder / "report.md"


def candidate_rows(study: Study, chosen: Chosen, strengths: Strengths) -> list[Row]:
    """One row a candidate, the strongest first, those that have not answered last.

    Keys: candidate, the grid's factors, win_rate (against the default) with `_ci_low` and
    `_ci_high`, NaN where it has not answered; mark; tied: whether it is not told apart from the
    chosen one; missing.
    """
    numbers = {name: number for number, name in enumerate(chosen.candidates)}
    default = study.space.default_configuration.name
    rows = []
    for one in study.space.configurations:
        found = (math.nan,) * 3
        if one.name in numbers:
            found = strengths.win_rate(numbers[one.name])
        marks = [
            word
            for word, name in (("chosen", chosen.best), ("default", default))
            if name == one.name
        ]
        rows.append(
            {
                "candidate": one.name,
                **one.values,
                **dict(
                    zip(("win_rate", "win_rate_ci_low", "win_rate_ci_high"), found, strict=True)
                ),
                "mark": ", ".join(marks),
                "tied": one.name in chosen.equal,
                "missing": chosen.missing.get(one.name, ""),
            }
        )
    return sorted(rows, key=lambda row: (math.isnan(row["win_rate"]), -row["win_rate"]))


def factor_rows(space: Space, chosen: Chosen, strengths: Strengths) -> list[Row]:
    """The mean win rate against the default at each level of each factor, over all others.

    Keys: factor, level, n, win_rate with `_ci_low` and `_ci_high`. Where candidates are missing,
    levels are means over different sets: `n` says of how many.
    """
    numbers = {name: number for number, name in enumerate(chosen.candidates)}
    told = []
    for factor in space.grid:
        for level in space.levels(factor):
            own = [
                numbers[one.name]
                for one in space.configurations
                if one.values[factor] == level and one.name in numbers
            ]
            value, low, high = strengths.level(own) if own else (math.nan,) * 3
            ends = {"win_rate": value, "win_rate_ci_low": low, "win_rate_ci_high": high}
            told.append({"factor": factor, "level": level, "n": len(own), **ends})
    return told


def _page(
    study: Study,
    chosen: Chosen,
    costs: Costs,
    rows: Sequence[Row],
    factors: Sequence[Row],
) -> str:
    default = study.space.default_configuration.name
    table = [
        {
            "candidate": row["candidate"],
            "win rate": _rate(row),
            "": ", ".join(
                filter(None, (row["mark"], row["tied"] * "not told apart", row["missing"]))
            ),
        }
        for row in rows
    ]
    levels = [
        {
            "factor": row["factor"],
            "level": str(row["level"]),
            "candidates": str(row["n"]),
            "mean win rate": _rate(row),
        }
        for row in factors
    ]
    parts = [
        f"# Search: {study.folder.resolve().name}",
        as_text(chosen),
        "## The space",
        f"```text\n{plan(study)}\n```",
        standing(study),
        "## Candidates",
        _table(table),
        f"Win rate: expected against the default ({default}), ties at ½, by all readings that are "
        "kept of this judge, with a 95% interval (a normal posterior; the prompt is the sampling "
        "unit). Candidates that were read little are drawn towards the others. All of it is of the "
        "prompts that chose: the first of the list looks better than it is.",
        "![all candidates](candidates.svg)",
        "## Factors",
        _table(levels),
        "![win rates over the grid](grid.svg)",
        "Weights after an epoch are of a schedule that was laid out for all "
        f"{max(study.space.epochs)} epochs: stopping after fewer is not the same as a training "
        "of so many.",
        "## Confirmed on held-out prompts",
        _confirmed(study, chosen),
        "## Costs",
        _costs(study, chosen, costs),
        "## Not tried",
        _untried(study, chosen),
        f"Written by pandalm_eval {__version__}.",
    ]
    return "\n\n".join(parts) + "\n"


def _rate(row: Mapping[str, Any]) -> str:
    return with_interval(row["win_rate"], row["win_rate_ci_low"], row["win_rate_ci_high"])


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    return tabulate(rows, "keys", "github", disable_numparse=True)


def _confirmed(study: Study, chosen: Chosen) -> str:
    rows = confirmed_rows(study.folder)
    own = [row for row in rows if row["a"] == chosen.best]
    others = sorted({row["a"] for row in rows if row["a"] != chosen.best})
    parts = []
    if own:
        (table,) = ConfirmedTable(own).sections()
        parts.append(_table(table))
    else:
        parts.append(
            "This choice is not confirmed yet (`pandalm-eval search confirm`); without that no "
            "figure of it may be cited."
        )
    if others:
        parts.append(
            f"Also confirmed on these prompts: {', '.join(others)}. Where the best of several is "
            "taken, its figures there are biased upward, too."
        )
    return "\n\n".join(parts)


def _costs(study: Study, chosen: Chosen, readings: Costs) -> str:
    costs = [read_costs(study.training_folder(one) / "costs.json") for one in study.space.trainings]
    seconds = sum(one.seconds for one in costs)
    tokens = sum(one.tokens for one in costs)
    return (
        f"Trainings and answers: {seconds / 3600:.2f} worker hours, {tokens} tokens learnt. "
        f"The choice asked for {chosen.asked} readings. All that are kept of this judge, whatever "
        f"asked for them: {readings.readings} made, {readings.tokens} prompt tokens, "
        f"{readings.seconds / 60:.1f} minutes."
    )


def _untried(study: Study, chosen: Chosen) -> str:
    told = {key.partition(".")[0] for key in study.space.grid} | set(_NO_FACTORS)
    fixed = [field.name for field in dataclasses.fields(Config) if field.name not in told]
    lines = [f"* {name}: {reason}" for name, reason in chosen.missing.items()]
    lines.append(f"* other values of what all trainings shared: {', '.join(fixed)}")
    lines.append("* anything between and outside of the grid's values")
    return "\n".join(lines)


def _write_csv(rows: Sequence[Row], path: Path) -> None:
    import pandas as pd

    with written(path) as file:
        pd.DataFrame(rows).to_csv(file, index=False)


def _draw(space: Space, rows: Sequence[Row], folder: Path) -> None:
    others = [factor for factor in space.grid if factor != EPOCHS]
    down = "learning_rate" if "learning_rate" in others else next(iter(others), None)
    by_name = {row["candidate"]: row for row in rows}
    cells = [
        Cell(one.values, by_name[one.name]["win_rate"], by_name[one.name]["mark"])
        for one in space.configurations
    ]
    write(search_grid(cells, EPOCHS, down), folder / "grid.svg")
    points = [
        Point(row["win_rate"], row["win_rate_ci_low"], row["win_rate_ci_high"], row["mark"])
        for row in rows
        if not math.isnan(row["win_rate"])
    ]
    if points:
        write(search_curve(points), folder / "candidates.svg")
