"""`--kind models`: candidates against each other, as one judge (or the human labels) sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pandalm_eval.errors import InputError
from pandalm_eval.judgments import Protocol
from pandalm_eval.labels import LABELS
from pandalm_eval.outcomes import Outcomes
from pandalm_eval.results import Run
from pandalm_eval.tables import models_text
from pandalm_eval.tables.contests import contest_rows
from pandalm_eval.tables.limited import limited_fields, limited_notes
from pandalm_eval.tables.ranks import better, ranked

GOLD = "gold labels"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelsTable:
    """Who wins against whom, in what order they stand, and how sure that is.

    Attributes:
        rows: one a judge and contest: {judge, protocol, a, b, win, tie, lose, invalid, n,
            n_prompts, win_rate with `_stderr`, `_ci_low`, `_ci_high`, win_rate_low and _high (all
            invalid lost, won), p_value, p_adjusted, significant, equal_length_…}, from a's side;
            where people judged a part: human_win_rate and corrected_win_rate, each with `_stderr`,
            `_ci_low`, `_ci_high`, labelled_prompts, judge_weight, or correction_reason; of a
            limited run n_judged and n_whole, all its pairs and those of the set.
        ranking: one a judge and candidate: {judge, candidate, best_rank, worst_rank, win_rate …,
            log_strength, below_best and its interval}.
        better: (better, worse) candidates whose difference is significant (`tables.ranks`).
        notes: what a reader must know.
    """

    rows: list[Row]
    ranking: list[Row]
    better: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, runs: Sequence[Run], *, gold: bool = False) -> ModelsTable:
        """The table of runs whose pairs name their candidates.

        Args:
            gold: read the gold labels in place of the judge's verdicts.

        Raises:
            InputError: a run without judgments, or whose pairs name no candidates.
        """
        rows: list[Row] = []
        ranking: list[Row] = []
        differences: list[tuple[str, str]] = []
        seen: Counter[tuple[str, str]] = (
            Counter()
        )  # of runs by one judge, each has its own sections
        for run in runs:
            judged = _by_gold(run) if gold else run
            outcomes = outcomes_of(judged)
            own = contest_rows(outcomes, labelled=judged.name.gold_source == LABELS)
            name = judged.name.judge, judged.name.protocol.value
            seen[name] += 1
            numbered = f"{name[0]} [{seen[name]}]" if seen[name] > 1 else name[0]
            told = {"judge": numbered, "protocol": name[1]} | limited_fields(run)
            rows += [told | row for row in own]
            found = better(outcomes, own)
            differences += found
            ranking += [told | row for row in ranked(outcomes, found)]
        return cls(rows, ranking, differences, limited_notes(runs) + _notes(rows))

    def as_json(self) -> dict[str, Any]:
        """Rows, ranking and notes."""
        return {"rows": self.rows, "ranking": self.ranking, "notes": self.notes}

    def sections(self) -> list[list[dict[str, str]]]:
        """By judge: the ranking, the matrix of win rates, the contests."""
        return models_text.sections(self.rows, self.ranking)

    def titles(self) -> list[str]:
        """What each section shows."""
        return models_text.titles(self.rows)


def outcomes_of(run: Run) -> Outcomes:
    """Wins and losses of a run's candidates, in the order of their names."""
    if run.judgments is None:
        raise InputError(
            f"{run.path}: has no samples beside it, and the figures alone hold no wins by prompt. "
            "Run again with --log_samples."
        )
    outcomes = Outcomes.of(run.judgments, run.name.protocol)
    if len(outcomes.names) < 2:
        raise InputError(
            f"{run.path}: its pairs do not name their candidates (model1, model2), so none can be "
            "compared. Take a run of pandalm-compare, pandalm-winrate or pandalm_human."
        )
    return outcomes


def _by_gold(run: Run) -> Run:
    """The run as if the gold labels were the verdicts; pairs without a label are left out."""
    judged = run.judgments
    if judged is None or not judged.is_labelled.any():
        raise InputError(f"{run.path}: has no gold labels to read in place of verdicts.")
    name = replace(run.name, judge=f"{GOLD} ({run.name.gold_source})", protocol=Protocol.SINGLE)
    labelled = judged.take(judged.is_labelled)
    return replace(run, name=name, judgments=labelled.told(labelled.gold))


def _notes(rows: Sequence[Row]) -> list[str]:
    notes = [
        "Win rate: (win + ½ tie) / (win + tie + lose), from a's side; invalid judgments are "
        "outside and bounded by `if invalid lost, won`. Intervals are 95% with the prompt as the "
        "sampling unit.",
        "p: two-sided sign-flip test on the prompts' sums, adjusted by Holm over all contests of "
        "the judge. A rank range leaves open what such tests leave open at .05; two candidates "
        "that never met are tested by their scores against the same others on the same prompts.",
        "Strength: Bradley–Terry with ties (Davidson), log scale; `below best` is the distance to "
        "the best candidate with its cluster-bootstrap interval; `unbounded` where one side never "
        "loses.",
    ]
    if any("judge_weight" in row for row in rows):
        notes.append(
            "By people: the labelled pairs alone. Corrected: those and the judge's verdicts on all "
            "pairs, by prediction-powered inference; valid if the labelled prompts are a random "
            "sample, which their place, lengths and scores do not contradict."
        )
    if any("equal_length_win_rate" in row for row in rows):
        notes.append(
            "At equal length: the win rate that a logit on the log ratio of lengths expects of "
            "answers of the same length."
        )
    return notes
