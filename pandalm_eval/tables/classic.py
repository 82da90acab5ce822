"""`--kind classic`: two tunings on the harness's classic tasks, with paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pandalm_eval.classic_runs import METRICS, Answered, Item, Key, Tuning
from pandalm_eval.errors import UsageError
from pandalm_eval.statistics.paired import draws_for, holm, mean_difference, sign_flip
from pandalm_eval.tables.cells import NOTHING, estimated, one_line, p_value, share, with_interval

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClassicTable:
    """Two tunings side by side.

    Attributes:
        rows: one a task: {task, metric, a, b, value_a, value_b (over the common items, where they
            are tested; else as the results file prints them), difference with error and interval,
            p_value, p_adjusted, n, n_clusters}, from a's side; None where there is nothing; where a
            run was limited also n_whole, the items of the task.
        notes: what is missing, and what a reader must know.
    """

    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, tunings: Sequence[Tuning]) -> ClassicTable:
        """The table of two tunings.

        Raises:
            UsageError: fewer or more than two.
        """
        if len(tunings) != 2:
            names = ", ".join(tuning.name for tuning in tunings)
            raise UsageError(
                f"--kind classic sets two tunings side by side, but there are {len(tunings)}: "
                f"{names}. Name the results of two."
            )
        a, b = tunings
        rows, missing = [], []
        draws = draws_for(len(METRICS))
        for task in METRICS:
            row, told = _compared(task, a, b, draws)
            whole, limited = _limited(task, a, b)
            rows.append(row | whole)
            missing += limited + told
        tested = [row for row in rows if row["p_value"] is not None]
        if tested:
            adjusted = holm(np.array([row["p_value"] for row in tested]))
            for row, p in zip(tested, adjusted.tolist(), strict=True):
                row["p_adjusted"] = p
        return cls(rows, [*missing, *_NOTES])

    def as_json(self) -> dict[str, Any]:
        """Rows and notes."""
        return {"rows": self.rows, "notes": self.notes}

    def sections(self) -> list[list[dict[str, str]]]:
        """One row a task."""
        return [[_cells(row) for row in self.rows]]

    def titles(self) -> list[str]:
        """What each section shows."""
        return ["Two tunings on classic tasks"]


_NOTES = (
    "Differences are of the first less the second, over the items that both answered; intervals "
    "are 95%, from a seeded bootstrap, and p-values two-sided, by sign-flip test, corrected for "
    "the number of tasks by Holm. The unit is the item; the passage for SQuAD 2.0.",
)


def _compared(task: str, a: Tuning, b: Tuning, draws: int) -> tuple[Row, list[str]]:
    """A task's row, and what keeps it from being whole."""
    one, two = a.tasks.get(task), b.tasks.get(task)
    row: Row = {
        "task": task,
        "metric": METRICS[task],
        "a": a.name,
        "b": b.name,
        "value_a": one and one.value,
        "value_b": two and two.value,
        "p_value": None,
        "p_adjusted": None,
        "n": 0,
        "n_clusters": 0,
    }
    told = [_lack(task, tuning.name, found) for tuning, found in ((a, one), (b, two))]
    problems = [problem for problem in told if problem]
    if problems or one is None or two is None or one.items is None or two.items is None:
        return row, problems
    common = [key for key in one.items if key in two.items]
    problems = _apart(task, a.name, b.name, one.items, two.items, common)
    if not common:
        return row, problems
    values = np.array([[one.items[key].value, two.items[key].value] for key in common])
    numbers: dict[str, int] = {}
    clusters = np.array(
        [numbers.setdefault(one.items[key].cluster, len(numbers)) for key in common]
    )
    differences = values[:, 0] - values[:, 1]
    found = mean_difference(differences, clusters)
    row |= estimated("difference", found)
    row |= {
        "value_a": float(values[:, 0].mean()),
        "value_b": float(values[:, 1].mean()),
        "p_value": sign_flip(differences, clusters, draws=draws).p_value,
        "n": found.n,
        "n_clusters": found.clusters,
    }
    return row, problems


def _limited(task: str, a: Tuning, b: Tuning) -> tuple[Row, list[str]]:
    """`n_whole` where one of both answered a part, and a note of each that did."""
    parts = [(t.name, t.tasks[task].part) for t in (a, b) if task in t.tasks]
    cut = [(name, part) for name, part in parts if part is not None]
    notes = [f"{task}: limited (--limit or --samples), {name} {part} items." for name, part in cut]
    return ({"n_whole": cut[0][1].whole} if cut else {}), notes


def _lack(task: str, name: str, found: Answered | None) -> str | None:
    if found is None:
        return f"{task}: no result of {name}."
    if found.items is None:
        return f"{task}: no samples of {name} (--log_samples), so it is printed but not tested."
    return None


def _apart(
    task: str,
    a: str,
    b: str,
    one: dict[Key, Item] | Any,
    two: dict[Key, Item] | Any,
    common: Sequence[Key],
) -> list[str]:
    """What both did not answer alike."""
    told = [
        f"{task}: {len(mine) - len(common)} items only {name} answered are left out."
        for name, mine in ((a, one), (b, two))
        if len(mine) > len(common)
    ]
    if asked := sum(one[key].prompt != two[key].prompt for key in common):
        told.append(f"{task}: {asked} of {len(common)} items were asked in different words.")
    return told


def _cells(row: Row) -> dict[str, str]:
    ends = row.get("difference_ci_low"), row.get("difference_ci_high")
    return {
        "task": row["task"],
        "metric": row["metric"],
        one_line(row["a"]): share(row["value_a"]),
        one_line(row["b"]): share(row["value_b"]),
        "difference": with_interval(row.get("difference"), *ends),
        "p": p_value(row["p_value"]),
        "p (Holm)": p_value(row["p_adjusted"]),
        "items (clusters)": f"{row['n']} ({row['n_clusters']})" if row["n"] else NOTHING,
    }
