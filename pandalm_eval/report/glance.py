"""Each run at a glance: its main figure, what it was measured on, its verdicts beside gold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pandalm_eval.columns import CODES, INVALID, Codes, Columns
from pandalm_eval.report.manifests import when
from pandalm_eval.report.sheets import Axis, Bar, Sheet, sheet
from pandalm_eval.results import Run
from pandalm_eval.tables.cells import NOTHING, share, with_interval
from pandalm_eval.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Stretch:
    """A verdict's part of a stacked bar: its count, and start and width in percent."""

    verdict: str
    count: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Glance:
    """One run.

    Attributes:
        figure: accuracy, or without gold position consistency; `label` says which.
        n: pairs (prompts).
        interval: its 95% interval, printed; empty where it has none.
        verdicts, gold: of all its pairs; gold is empty where there is none.
    """

    run: Run
    label: str
    figure: str
    n: str
    interval: str
    bar: Bar | None
    verdicts: tuple[Stretch, ...]
    gold: tuple[Stretch, ...]


def counts(run: Run) -> str:
    """Pairs and prompts of a run; a dash for what its results file does not tell."""
    told = [run.figures.get(key) for key in ("n_pairs", "n_prompts")]
    pairs, prompts = (NOTHING if count is None else f"{count:.0f}" for count in told)
    return f"{pairs} ({prompts})"


def glance(run: Run) -> Glance:
    """The run's card."""
    key, label = ("acc", "accuracy")
    if key not in run.figures:
        key, label = ("position_consistency", "position consistency")
    row = {name: None if math.isnan(value) else value for name, value in run.figures.items()}
    printed = with_interval(*(row.get(f"{key}{end}") for end in ("", "_ci_low", "_ci_high")))
    figure, _, interval = printed.partition(" [")
    judged = run.judgments
    return Glance(
        run,
        label,
        figure,
        counts(run),
        f"[{interval}" if interval else "",
        Axis(key).bar(row),
        () if judged is None else _stacked(judged.verdict),
        () if judged is None else _stacked(judged.gold[judged.is_labelled]),
    )


_ORDER = (Verdict.FIRST, Verdict.TIE, Verdict.SECOND, Verdict.INVALID)


def _stacked(verdicts: Codes) -> tuple[Stretch, ...]:
    whole, start, found = len(verdicts), 0, []
    for verdict in _ORDER:
        if count := int((verdicts == CODES[verdict]).sum()):
            found.append(
                Stretch(
                    verdict.value,
                    count,
                    round(100 * start / whole, 2),
                    round(100 * count / whole, 2),
                )
            )
        start += count
    return tuple(found)


def runs_sheet(runs: Sequence[Run], manifests: Sequence[Mapping[str, Any] | None]) -> Sheet:
    """What was run, when, with which judge."""
    section = [
        {
            "judge": run.name.judge,
            "task": run.name.task,
            "protocol": run.name.protocol.value,
            "prompt": run.name.prompt,
            "decoding": run.name.decoding,
            "gold": run.name.gold_source,
            "pairs (prompts)": counts(run),
            "of the set": "whole" if run.part is None else str(run.part),
            "invalid readings": _invalid(run.judgments, run.figures),
            "run at": when(told),
        }
        for run, told in zip(runs, manifests, strict=True)
    ]
    rows = [dict(run.figures) for run in runs]
    axes = {"pairs (prompts)": "n_pairs", "invalid readings": "invalid_rate"}
    return sheet("runs", "Runs on this page", section, rows, axes)


def _invalid(judged: Columns | None, figures: Mapping[str, float]) -> str:
    if judged is None:
        return share(figures.get("invalid_rate")) if "invalid_rate" in figures else NOTHING
    return f"{judged.readings(INVALID)} of {judged.readings()}"
