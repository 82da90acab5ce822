"""What a leaderboard shows: judges by pair set and protocol, in the order of their accuracy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from pandalm_eval.judgments import Protocol
from pandalm_eval.leaderboard.check import Checked
from pandalm_eval.leaderboard.metadata import JudgeCard
from pandalm_eval.leaderboard.pair_sets import told_by
from pandalm_eval.results import Run
from pandalm_eval.statistics.paired import draws_for, holm, sign_flip
from pandalm_eval.tables.cells import NOTHING, share, with_interval
from pandalm_eval.tables.judges import CEILING, human_rows, rule_rows, run_row

Row = dict[str, Any]
_ALPHA = 0.05
_CARD = tuple(f.name for f in fields(JudgeCard))
_PROTOCOLS = list(Protocol)


@dataclass(frozen=True, slots=True)
class LeaderboardTable:
    """Every judge of a leaderboard.

    Attributes:
        rows: one a run: {set: what it judged, judge, source: run, protocol, best_rank, worst_rank
            (among the runs of the same pairs, gold and protocol), submission, submitter, date,
            link, licence, training_data, metrics with `_stderr`, `_ci_low`, `_ci_high`}; after
            them the rules on the same pairs, and each annotator where the other two agree.
        notes: what a reader must know.
    """

    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, submissions: Sequence[Checked]) -> LeaderboardTable:
        """The table of submissions that were checked."""
        rows: list[Row] = []
        for name, placed in _by_pairs(submissions):
            found = [_row(one, run) for one, run in placed]
            for row, ranks in zip(found, _ranks([run for _, run in placed]), strict=True):
                row["best_rank"], row["worst_rank"] = ranks
            found.sort(key=_order)
            first = placed[0][1]
            found += rule_rows(first)
            found += [row for row in human_rows(first) if row["gold"] == CEILING]
            rows += [{"set": name} | row for row in found]
        return cls(rows, list(_NOTES))

    def as_json(self) -> dict[str, Any]:
        """Rows and notes."""
        return {"rows": self.rows, "notes": self.notes}

    def sets(self) -> list[str]:
        """What was judged, a heading each, in the order of `sections`; then the judges."""
        return [*dict.fromkeys(row["set"] for row in self.rows), "Judges"]

    def titles(self) -> list[str]:
        """What each section shows."""
        return self.sets()

    def sections(self) -> list[list[dict[str, str]]]:
        """A table for each pair set, and one of the judges."""
        parts = [[_cells(row) for row in self.rows if row["set"] == name] for name in self.sets()]
        cards: dict[str, dict[str, str]] = {}
        for row in self.rows:
            if row["source"] == "run":
                cards.setdefault(row["judge"], _card(row))
        return [*parts[:-1], [cards[name] for name in sorted(cards, key=str.casefold)]]


_NOTES = (
    "Every figure is computed from the judgments of the submission. What that proves and what it "
    "cannot is told in docs/leaderboard.md.",
    "Rank: the places that a judge may have among those of the same pairs, gold and protocol, "
    "where no sign-flip test of two accuracies (prompts are the unit; Holm over all pairs of "
    f"judges, at {_ALPHA}) says otherwise. Figures of different protocols are not comparable.",
    "Annotator rows are the human ceiling: one annotator against the other two, on the pairs where "
    "those agree.",
    "Intervals are 95%, from a seeded bootstrap over prompts, Wilson's on the effective number of "
    "pairs where a share's hits or misses are rare. Invalid verdicts are wrong; under the single "
    "protocol text without a verdict counts as a tie.",
)


def _by_pairs(submissions: Sequence[Checked]) -> Iterator[tuple[str, list[tuple[Checked, Run]]]]:
    """Runs by what they judged: name of the set, and the runs with their submission."""
    groups: dict[tuple[str, str], list[tuple[Checked, Run]]] = {}
    for one in submissions:
        for run in one.runs:
            assert run.judgments is not None  # of a submission
            told = told_by(run.judgments)
            groups.setdefault((run.name.gold_source, told), []).append((one, run))
    for (gold, _), placed in sorted(groups.items(), key=lambda item: _set_name(item[1])):
        assert gold == placed[0][1].name.gold_source
        yield _set_name(placed), placed


def _set_name(placed: Sequence[tuple[Checked, Run]]) -> str:
    run = placed[0][1]
    pairs, prompts = int(run.figures["n_pairs"]), int(run.figures["n_prompts"])
    task = "pandalm_human" if run.name.task.startswith("pandalm_human") else run.name.task
    return f"{task}, gold {run.name.gold_source}: {pairs} pairs of {prompts} prompts"


def _row(one: Checked, run: Run) -> Row:
    assert one.submission is not None  # a board with faults is not built
    card = one.submission.judges[run.name.judge]
    told = {name: getattr(card, name) for name in _CARD}
    who = {"submission": one.name, "submitter": one.submission.submitter}
    row = run_row(run)
    row.pop("acc_ceiling_rows", None)
    return row | who | {"date": one.submission.date} | told


def _order(row: Row) -> tuple[Any, ...]:
    """By protocol, then accuracy from the best, then name: no two rows are equal in all."""
    way = row["judge"].casefold(), row["judge"], row["prompt"], row["decoding"], row["task"]
    return (_PROTOCOLS.index(Protocol(row["protocol"])), -(row.get("acc") or 0.0), *way)


def _ranks(runs: Sequence[Run]) -> list[tuple[int | None, int | None]]:
    """Best and worst place of each run among those of its protocol."""
    pairs = [
        (a, b)
        for a, b in itertools.combinations(range(len(runs)), 2)
        if runs[a].name.protocol is runs[b].name.protocol
    ]
    better: list[tuple[int, int]] = []
    if pairs:
        right, clusters = _answers(runs)
        draws = draws_for(len(pairs), _ALPHA)
        tests = [sign_flip(right[a] - right[b], clusters, draws=draws) for a, b in pairs]
        adjusted = holm(np.array([test.p_value for test in tests]))
        for (a, b), test, p in zip(pairs, tests, adjusted, strict=True):
            if p <= _ALPHA:
                better.append((a, b) if test.statistic > 0 else (b, a))
    sizes = [sum(one.name.protocol is run.name.protocol for one in runs) for run in runs]
    return [
        (
            1 + sum(worse == number for _, worse in better),
            sizes[number] - sum(winner == number for winner, _ in better),
        )
        for number in range(len(runs))
    ]


def _answers(runs: Sequence[Run]) -> tuple[Any, Any]:
    """Whether each run is right, (runs, pairs), and the number of each pair's prompt."""
    ordered = [run.judgments.by_index() for run in runs if run.judgments is not None]
    right = np.array([judged.is_correct for judged in ordered], dtype=np.float64)
    return right, ordered[0].clusters()


def _cells(row: Row) -> dict[str, str]:
    return {
        "rank": _places(row),
        "judge": row["judge"],
        "protocol": row["protocol"],
        "accuracy": _figure(row, "acc"),
        "macro F1": _figure(row, "f1_macro"),
        "weighted F1": _figure(row, "f1_weighted"),
        "kappa": _figure(row, "kappa"),
        "consistency": share(row.get("position_consistency")),
        "first position": share(row.get("first_position_rate")),
        "longer": share(row.get("prefers_longer_rate")),
        "invalid": f"{row['n_invalid']} of {row['n_readings']} readings"
        if "n_invalid" in row
        else NOTHING,
        "n": f"{row['n_pairs']:.0f}",
    }


def _places(row: Row) -> str:
    if row.get("best_rank") is None:
        return NOTHING
    best, worst = row["best_rank"], row["worst_rank"]
    return str(best) if best == worst else f"{best}–{worst}"


def _figure(row: Row, key: str) -> str:
    return with_interval(row.get(key), row.get(f"{key}_ci_low"), row.get(f"{key}_ci_high"))


def _card(row: Row) -> dict[str, str]:
    told = {"judge": row["judge"]} | {name.replace("_", " "): row[name] for name in _CARD}
    return told | {name: row[name] for name in ("submitter", "date", "submission")}
