"""The chosen candidate against the default: on the prompts that chose it, and on those held out.

The figures of the validation prompts are biased upward, since the best of many was taken by them.
Those of the held-out prompts are not, as long as one choice alone is confirmed on them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.judgments import Judgment
from pandalm_eval.outcomes import Outcomes
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.responses import Candidate, read_candidate
from pandalm_eval.results import read_runs
from pandalm_eval.search.contestants import Contestants
from pandalm_eval.search.judging import Judge
from pandalm_eval.search.space import Judging
from pandalm_eval.search.study import Prompts
from pandalm_eval.tables.cells import p_value, share, with_interval
from pandalm_eval.tables.contests import contest_rows
from pandalm_eval.task import document
from train_judge.steps import write_json

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ConfirmedTable:
    """The contest of two candidates on two sets of prompts (a `tables.render.Table`).

    Attributes:
        rows: one a set, from the chosen one's side: {set, judge, protocol, a, b, win, tie, lose,
            invalid, n, n_prompts, win_rate with `_stderr`, `_ci_low`, `_ci_high`, `win_rate_low`
            and `_high` (all invalid lost, won), p_value, may_be_cited, …}.
        notes: what a reader must know.
    """

    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Rows and notes."""
        return {"rows": self.rows, "notes": self.notes}

    def sections(self) -> list[list[dict[str, str]]]:
        """One table, a line a set of prompts."""
        return [[_cells(row) for row in self.rows]]


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    rate, low, high = (row[f"win_rate{end}"] for end in ("", "_ci_low", "_ci_high"))
    bounds = f"{share(row['win_rate_low'])}, {share(row['win_rate_high'])}"
    return {
        "prompts": row["set"],
        "chosen": row["a"],
        "default": row["b"],
        "judge": f"{row['judge']} ({row['protocol']})",
        "win": str(row["win"]),
        "tie": str(row["tie"]),
        "lose": str(row["lose"]),
        "invalid": str(row["invalid"]),
        "n": str(row["n"]),
        "win rate": with_interval(rate, low, high),
        "if invalid lost, won": bounds if row["invalid"] else "–",
        "p": p_value(row["p_value"]),
        "may be cited": "yes" if row["may_be_cited"] else "no: chosen by these",
    }


_NOTES = (
    "Win rate: (win + ½ tie) / (win + tie + lose) of the chosen one; both orders, different "
    "verdicts are a tie; invalid judgments are outside. Intervals are 95% with the prompt as the "
    "sampling unit; p is of a two-sided sign-flip test on the prompts.",
    "The validation prompts chose this candidate out of many, so its figures there are biased "
    "upward. The held-out figures may be cited as long as no second choice is confirmed on the "
    "same prompts and the better one taken.",
)


def confirm(
    folder: Path,
    judging: Judging,
    validation: Sequence[Candidate],
    held_out: Mapping[str, Path],
    judge: Judge,
    warnings: Sequence[str],
) -> ConfirmedTable:
    """Compare the chosen candidate with the default on both sets of prompts.

    Args:
        folder: the study's; the run on the held-out prompts stays in `confirmed/`.
        validation: the chosen candidate and the default, with their answers.
        held_out: their response files on prompts that the choice never saw, by name.
        judge: reads what is missing of the validation prompts.
        warnings: of the choice.

    Raises:
        InputError: a held-out prompt stands among the validation prompts, or a file is at fault.
    """
    chosen, default = (candidate.name for candidate in validation)
    _require_unseen(validation[0], held_out[chosen])
    place = folder / "confirmed" / judge.readings.folder.name  # another judge, another folder
    run = _run(place / f"{chosen}-against-{default}", judging, held_out, default)
    (found,) = read_runs([run])
    assert found.judgments is not None  # --log_samples
    told = {"judge": found.name.judge, "protocol": judging.protocol.value}
    rows = [
        _row(Prompts.VALIDATION, told, _judgments(validation, judge, judging), judging, chosen),
        _row(Prompts.HELD_OUT, told, found.judgments, judging, chosen),
    ]
    table = ConfirmedTable(rows, [*_NOTES, *(f"Warning: {one}." for one in warnings)])
    write_json(run / "confirmed.json", table.as_json())
    return table


def _row(
    prompts: Prompts,
    told: Mapping[str, str],
    judgments: Sequence[Judgment],
    judging: Judging,
    chosen: str,
) -> Row:
    names = {str(name) for one in judgments for name in (one.model1, one.model2)}
    ordered = sorted(names, key=lambda name: name != chosen)
    (row,) = contest_rows(Outcomes.of(judgments, judging.protocol, ordered), labelled=False)
    return {"set": prompts.value, "may_be_cited": prompts is Prompts.HELD_OUT, **told, **row}


def _judgments(validation: Sequence[Candidate], judge: Judge, judging: Judging) -> list[Judgment]:
    both = Contestants(validation)
    pairs = [both.pair(0, 1, prompt)[0] for prompt in range(len(both.prompts))]
    orders = [(pair, swapped) for pair in pairs for swapped in (False, True)]
    readings = judge.read(orders)
    return [
        Judgment.of(document(index, pair), judging.protocol, readings[2 * index : 2 * index + 2])
        for index, pair in enumerate(pairs)
    ]


def _require_unseen(validation: Candidate, held_out: Path) -> None:
    asked = read_candidate(held_out).answers
    if seen := [prompt for prompt in asked if prompt in validation.answers]:
        raise InputError(
            f"{held_out}: {len(seen)} of its {len(asked)} prompts chose the candidate, so it "
            "confirms nothing. Name answers to other prompts."
        )


def _run(output: Path, judging: Judging, held_out: Mapping[str, Path], default: str) -> Path:
    """The comparison as a run of the harness; one that is whole is not made again."""
    if (output / "confirmed.json").exists():
        return output
    from pandalm_eval.search.answering import run_harness

    arguments = dict(judging.model_args)
    batch = arguments.pop("batch_size", None)
    metadata = {
        "responses": {name: str(path) for name, path in held_out.items()},
        "baseline": default,
        "protocol": judging.protocol.value,
        "prompt": judging.prompt.value,
    }
    words = ["--model", judging.model, "--model_args", json.dumps(arguments)]
    words += ["--tasks", "pandalm-compare", "--metadata", json.dumps(metadata)]
    words += ["--output_path", str(output), "--log_samples"]
    words += ["--use_cache", str(output.parent / "answers.sqlite")]
    words += ["--batch_size", str(batch)] if batch is not None else []
    words += ["--apply_chat_template"] if judging.prompt is PromptStyle.CHAT else []
    shutil.rmtree(output, ignore_errors=True)  # of a killed run
    if code := run_harness(words):
        raise InputError(f"{output}: the run on the held-out prompts ended with code {code}.")
    return output


def require_two(chosen: str, default: str) -> None:
    """Raise a UsageError where the choice is the default: there is nothing to compare."""
    if chosen == default:
        raise UsageError(
            f"the judge chose the default itself, {default}: there is nothing to confirm. Name "
            "another default with --baseline, or report the choice as it is."
        )
