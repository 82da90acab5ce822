"""`--kind models`: candidates against each other, as one judge (or the human labels) sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pandalm_eval.errors import InputError
from pandalm_eval.judgments import Judgment, Protocol, Reading
from pandalm_eval.labels import LABELS
from pandalm_eval.metrics import SUFFIXES
from pandalm_eval.outcomes import Contest, Outcomes
from pandalm_eval.results import Run
from pandalm_eval.statistics.equal_length import NotIdentified, at_equal_length
from pandalm_eval.statistics.paired import draws_for, holm, sign_flip
from pandalm_eval.statistics.ranking import Ranking, rank, rank_groups
from pandalm_eval.statistics.shares import Estimate
from pandalm_eval.tables import models_text

ALPHA = 0.05
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
            `_ci_low`, `_ci_high`, labelled_prompts, judge_weight, or correction_reason.
        ranking: one a judge and candidate: {judge, candidate, best_rank, worst_rank, win_rate …,
            log_strength, below_best and its interval}.
        notes: what a reader must know.
    """

    rows: list[Row]
    ranking: list[Row]
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
        for run in runs:
            judged = _by_gold(run) if gold else run
            outcomes = outcomes_of(judged)
            own = _contests(outcomes, labelled=judged.name.gold_source == LABELS)
            told = {"judge": judged.name.judge, "protocol": judged.name.protocol.value}
            rows += [told | row for row in own]
            ranking += [told | row for row in _ranking(outcomes, own)]
        return cls(rows, ranking, _notes(rows))

    def better(self) -> list[tuple[str, str]]:
        """(better, worse) candidates whose difference is significant."""
        return [
            (row["a"], row["b"]) if row["win_rate"] > 0.5 else (row["b"], row["a"])
            for row in self.rows
            if row["significant"]
        ]

    def as_json(self) -> dict[str, Any]:
        """Rows, ranking and notes."""
        return {"rows": self.rows, "ranking": self.ranking, "notes": self.notes}

    def sections(self) -> list[list[dict[str, str]]]:
        """By judge: the ranking, the matrix of win rates, the contests."""
        return models_text.sections(self.rows, self.ranking)


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
    labelled = [_told_by_gold(j) for j in run.judgments or () if j.gold is not None]
    if not labelled:
        raise InputError(f"{run.path}: has no gold labels to read in place of verdicts.")
    name = replace(run.name, judge=f"{GOLD} ({run.name.gold_source})", protocol=Protocol.SINGLE)
    return replace(run, name=name, judgments=labelled)


def _told_by_gold(judgment: Judgment) -> Judgment:
    assert judgment.gold is not None  # the caller's choice
    return replace(judgment, readings=(Reading(judgment.gold),), verdict=judgment.gold)


def _contests(outcomes: Outcomes, *, labelled: bool) -> list[Row]:
    met = outcomes.contests()
    contests = [outcomes.contest(a, b) for a, b in met]
    draws = draws_for(len(met), ALPHA)
    tests = [_p_value(contest, draws) for contest in contests]
    tested = [place for place, p in enumerate(tests) if p is not None]
    adjusted: list[float | None] = [None] * len(met)
    if tested:
        for place, p in zip(tested, holm(np.array([tests[i] for i in tested])), strict=True):
            adjusted[place] = float(p)
    return [
        {"a": outcomes.names[a], "b": outcomes.names[b]}
        | figures(contest)
        | {"p_value": p, "p_adjusted": raised, "significant": raised is not None and raised < ALPHA}
        | _equal_length(contest)
        | (_correction(contest) if labelled else {})
        for (a, b), contest, p, raised in zip(met, contests, tests, adjusted, strict=True)
    ]


def figures(contest: Contest) -> Row:
    """Counts, win rate, interval and bounds of a contest."""
    row: Row = contest.counts()
    row |= {"n": len(contest.score), "n_prompts": len(np.unique(contest.cluster))}
    row |= _rate(contest)
    row["win_rate_low"], row["win_rate_high"] = contest.bounds()
    return row


def _rate(contest: Contest) -> Row:
    return _estimated(contest.win_rate(), "win_rate")


def _estimated(rate: Estimate | None, key: str) -> Row:
    told = [None] * 4 if rate is None else [rate.value, rate.stderr, rate.low, rate.high]
    return {f"{key}{suffix}": _defined(value) for suffix, value in zip(SUFFIXES, told, strict=True)}


def _correction(contest: Contest) -> Row:
    """By people's labels alone and with the judge's help, or why not."""
    if not contest.is_labelled:
        return {"correction_reason": "no labels"}
    try:
        found = contest.corrected()
    except InputError as error:
        return {"correction_reason": str(error)}
    return {
        **_estimated(found.classical, "human_win_rate"),
        **_estimated(found.corrected, "corrected_win_rate"),
        "labelled_prompts": found.labelled,
        "judge_weight": found.weight,
    }


def _defined(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _p_value(contest: Contest, draws: int) -> float | None:
    """Of no difference, by prompts; None where there is no verdict."""
    valid = contest.valid
    if not valid.any():
        return None
    return sign_flip(2 * contest.score[valid] - 1, contest.cluster[valid], draws=draws).p_value


def _equal_length(contest: Contest) -> Row:
    valid = contest.valid
    if not valid.any():
        return {"equal_length_reason": "no verdicts"}
    found = at_equal_length(contest.score[valid], contest.longer[valid], contest.cluster[valid])
    if isinstance(found, NotIdentified):
        return {"equal_length_reason": found.reason}
    return {
        "equal_length_win_rate": _defined(found.value),
        "equal_length_ci_low": _defined(found.low),
        "equal_length_ci_high": _defined(found.high),
    }


def _ranking(outcomes: Outcomes, contests: Sequence[Row]) -> list[Row]:
    """The candidates from strong to weak; a rank for each end of what the tests leave open."""
    valid = ~np.isnan(outcomes.score)
    if not valid.any():
        return []
    names = outcomes.names
    fitted: Ranking = rank(
        outcomes.first[valid],
        outcomes.second[valid],
        outcomes.score[valid],
        outcomes.cluster[valid],
        len(names),
    )
    different = np.zeros((len(names), len(names)), dtype=bool)
    for row in contests:
        a, b = names.index(row["a"]), names.index(row["b"])
        different[a, b] = different[b, a] = row["significant"]
    best = fitted.order[0]
    return [
        {
            "candidate": names[i],
            "best_rank": group.best,
            "worst_rank": group.worst,
            "n": int(outcomes.all_of(i).valid.sum()),
            **_rate(outcomes.all_of(i)),
            "log_strength": _defined(fitted.log_strengths[i]),
            "below_best": _defined(fitted.contrasts[best, i]),
            "below_best_ci_low": _defined(fitted.intervals[best, i, 0]),
            "below_best_ci_high": _defined(fitted.intervals[best, i, 1]),
            "unbounded": any(i in pair for pair in fitted.unbounded),
        }
        for i, group in zip(fitted.order, rank_groups(fitted.order, different), strict=True)
    ]


def _notes(rows: Sequence[Row]) -> list[str]:
    notes = [
        "Win rate: (win + ½ tie) / (win + tie + lose), from a's side; invalid judgments are "
        "outside and bounded by `if invalid lost, won`. Intervals are 95% with the prompt as the "
        "sampling unit.",
        "p: two-sided sign-flip test on the prompts' sums, adjusted by Holm over all contests of "
        "the judge; a rank range leaves open what these tests leave open at .05.",
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
