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

from filelock import FileLock, Timeout

from pandalm_eval.errors import InputError, UsageError, listing
from pandalm_eval.judgments import Judgment, Protocol
from pandalm_eval.outcomes import Outcomes
from pandalm_eval.pairs import short_hash
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.records import read_object
from pandalm_eval.responses import Candidate, read_candidate
from pandalm_eval.results import read_runs
from pandalm_eval.search.answering import run_harness
from pandalm_eval.search.contestants import Contestants
from pandalm_eval.search.judging import Judge
from pandalm_eval.search.study import Prompts
from pandalm_eval.tables.cells import NOTHING, p_value, share, with_interval
from pandalm_eval.tables.contests import contest_rows
from pandalm_eval.task import document
from train_judge.steps import checksum, write_json

Row = dict[str, Any]

_FILE = "confirmed.json"


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

    def titles(self) -> list[str]:
        """What the table shows."""
        return ["The chosen configuration against the default"]


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
        "if invalid lost, won": bounds if row["invalid"] else NOTHING,
        "p": p_value(row["p_value"]),
        "may be cited": row["may_be_cited"],
    }


_CHOSEN_BY_THESE = "no: chosen by these"
_SECOND_CHOICE = "no: a second choice"
_NOTES = (
    "Win rate: (win + ½ tie) / (win + tie + lose) of the chosen one; both orders, different "
    "verdicts are a tie; invalid judgments are outside. Intervals are 95% with the prompt as the "
    "sampling unit; p is of a two-sided sign-flip test on the prompts.",
    "The validation prompts chose this candidate out of many, so its figures there are biased "
    "upward. The held-out figures may be cited as long as no other choice is confirmed on the same "
    "prompts and the better one taken.",
)


def confirm(
    folder: Path,
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
        judge: of both sets.
        warnings: of the choice.

    Raises:
        UsageError: another process is confirming.
        InputError: a held-out prompt stands among the validation prompts, or a file is at fault.
    """
    chosen, default = (candidate.name for candidate in validation)
    _require_unseen(validation[0], held_out[chosen])
    place = folder / "confirmed"
    place.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(place / ".lock", timeout=0):
            run = _run(place, judge, held_out, (chosen, default))
            (found,) = read_runs([run])
            assert found.judgments is not None  # --log_samples
            others = [one for one in confirmed_rows(folder) if one["a"] != chosen]
            judged = {
                Prompts.VALIDATION: (_judgments(validation, judge), _CHOSEN_BY_THESE),
                Prompts.HELD_OUT: (found.judgments, _SECOND_CHOICE if others else "yes"),
            }
            told = {"judge": found.name.judge, "protocol": judge.told.protocol.value}
            rows = [
                {"set": prompts.value, "may_be_cited": cited}
                | told
                | _contest(judgments, judge.told.protocol, chosen)
                for prompts, (judgments, cited) in judged.items()
            ]
            notes = [*_NOTES, *(f"Warning: {one}." for one in warnings)]
            if others:
                names = listing(sorted({row["a"] for row in others}), 3)
                notes.append(f"Warning: {names} was confirmed on these prompts before.")
            table = ConfirmedTable(rows, notes)
            write_json(run / _FILE, table.as_json())
    except Timeout:
        raise UsageError(f"{place}: another process is confirming. Wait until it ends.") from None
    return table


def confirmed_rows(folder: Path) -> list[Row]:
    """Rows of everything that was confirmed in a study, whatever was chosen then."""
    found = sorted((folder / "confirmed").glob(f"*/{_FILE}"))
    return [row for path in found for row in read_object(path)["rows"]]


def _contest(judgments: Sequence[Judgment], protocol: Protocol, chosen: str) -> Row:
    names = {str(name) for one in judgments for name in (one.model1, one.model2)}
    ordered = sorted(names, key=lambda name: name != chosen)
    (row,) = contest_rows(Outcomes.of(judgments, protocol, ordered), labelled=False)
    return row


def _judgments(validation: Sequence[Candidate], judge: Judge) -> list[Judgment]:
    both = Contestants(validation)
    pairs = [both.pair(0, 1, prompt)[0] for prompt in range(len(both.prompts))]
    readings = judge.read([(pair, swapped) for pair in pairs for swapped in (False, True)])
    protocol = judge.told.protocol
    return [
        Judgment.of(document(index, pair), protocol, readings[2 * index : 2 * index + 2])
        for index, pair in enumerate(pairs)
    ]


def _require_unseen(validation: Candidate, held_out: Path) -> None:
    asked = read_candidate(held_out, validation.name).answers
    if seen := [prompt for prompt in asked if prompt in validation.answers]:
        raise InputError(
            f"{held_out}: {len(seen)} of its {len(asked)} prompts chose the candidate, so it "
            "confirms nothing. Name answers to other prompts."
        )


def _run(place: Path, judge: Judge, held_out: Mapping[str, Path], names: tuple[str, str]) -> Path:
    """The comparison as a run of the harness; the same one is not made again.

    Its folder's name holds the judge and the answers: others are another run.
    """
    chosen, default = names
    told = judge.told
    key = [judge.readings.folder.name, *(checksum(path) for path in held_out.values())]
    output = place / f"{chosen}-against-{default}-{short_hash(*key)}"
    if (output / _FILE).exists():
        return output
    arguments = dict(told.model_args)
    batch = arguments.pop("batch_size", None)
    metadata = {
        "responses": {name: str(path) for name, path in held_out.items()},
        "baseline": default,
        "protocol": told.protocol.value,
        "prompt": told.prompt.value,
    }
    words = [
        *("--model", told.model, "--model_args", json.dumps(arguments)),
        *("--tasks", "pandalm-compare", "--metadata", json.dumps(metadata)),
        *("--output_path", str(output), "--log_samples"),
        *("--use_cache", str(place / "answers.sqlite")),
        *([] if batch is None else ["--batch_size", str(batch)]),
        *(["--apply_chat_template"] if told.prompt is PromptStyle.CHAT else []),
    ]
    shutil.rmtree(output, ignore_errors=True)  # of a killed run
    run_harness(words, f"{output}: the run on the held-out prompts")
    return output


def require_two(chosen: str, default: str) -> None:
    """Raise a UsageError where the choice is the default: there is nothing to compare."""
    if chosen == default:
        raise UsageError(
            f"the judge chose the default itself, {default}: there is nothing to confirm. Name "
            "another default with --baseline, or report the choice as it is."
        )
