"""The cells of a table of candidates, as printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pandalm_eval.tables.cells import NOTHING, one_line, p_value, share, with_interval

Row = dict[str, Any]


def sections(rows: Sequence[Row], ranking: Sequence[Row]) -> list[list[dict[str, str]]]:
    """For each judge its ranking, its matrix and its contests."""
    parts = []
    for judge in dict.fromkeys((row["judge"], row["protocol"]) for row in rows):
        own = [row for row in rows if (row["judge"], row["protocol"]) == judge]
        order = [row for row in ranking if (row["judge"], row["protocol"]) == judge]
        name = f"{one_line(judge[0])} ({judge[1]})"
        parts += [[_ranked(name, row) for row in order]]
        parts += [_matrix(own, [row["candidate"] for row in order])]
        parts += [[_contest(row) for row in own]]
        parts += [[_correction(row) for row in own if is_corrected(row)]]
    return parts


def titles(rows: Sequence[Row]) -> list[str]:
    """What each of `sections` shows."""
    told = ("Ranking", "Win rates, row against column,", "Contests", "Win rates corrected")
    judges = dict.fromkeys((row["judge"], row["protocol"]) for row in rows)
    return [f"{what} by {one_line(name)} ({way})" for name, way in judges for what in told]


def _ranked(judge: str, row: Row) -> dict[str, str]:
    return {
        f"candidate, by {judge}": one_line(row["candidate"]),
        "rank": ranks(row),
        "win rate over all": _rate(row),
        "strength": _number(row["log_strength"]),
        "below best": _distance(row),
    }


def ranks(row: Row) -> str:
    """The ranks that a candidate may have."""
    best, worst = row["best_rank"], row["worst_rank"]
    return str(best) if best == worst else f"{best}–{worst}"


def _distance(row: Row) -> str:
    if row["below_best"] == 0 and row["below_best_ci_low"] == row["below_best_ci_high"]:
        return NOTHING  # the best itself
    if row["below_best"] is None:
        return "unbounded" if row["unbounded"] else NOTHING
    ends = [_number(row["below_best_ci_low"]), _number(row["below_best_ci_high"])]
    told = [end if end != NOTHING else "unbounded" for end in ends]
    return f"{_number(row['below_best'])} [{', '.join(told)}]"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _rate(row: Row) -> str:
    return with_interval(row["win_rate"], row["win_rate_ci_low"], row["win_rate_ci_high"])


def _matrix(rows: Iterable[Row], names: Sequence[str]) -> list[dict[str, str]]:
    """Win rate of the row's candidate against the column's; a star where it is significant."""
    cells: dict[tuple[str, str], str] = {}
    for row in rows:
        star = "*" if row["significant"] else ""
        rate = row["win_rate"]
        cells[row["a"], row["b"]] = share(rate) + star
        cells[row["b"], row["a"]] = share(None if rate is None else 1 - rate) + star
    return [
        {"win rate, row against column": one_line(one)}
        | {one_line(other): cells.get((one, other), NOTHING) for other in names}
        for one in names
    ]


def _contest(row: Row) -> dict[str, str]:
    return {
        "a": one_line(row["a"]),
        "b": one_line(row["b"]),
        "win": str(row["win"]),
        "tie": str(row["tie"]),
        "lose": str(row["lose"]),
        "invalid": str(row["invalid"]),
        "win rate of a": _rate(row),
        "if invalid lost, won": f"{share(row['win_rate_low'])}, {share(row['win_rate_high'])}",
        "p (Holm)": p_value(row["p_adjusted"]),
        "at equal length": equal_length(row),
        "n (prompts)": f"{row['n']} ({row['n_prompts']})",
    }


def is_corrected(row: Row) -> bool:
    """Whether people judged a part of a contest, so that it is corrected or says why not."""
    return "judge_weight" in row or _refused(row)


def _refused(row: Row) -> bool:
    return row.get("correction_reason") not in (None, "no labels")


def _correction(row: Row) -> dict[str, str]:
    """The judge's win rate, people's, and the two together, side by side."""
    told = {
        name: with_interval(*(row.get(f"{key}{end}") for end in ("", "_ci_low", "_ci_high")))
        for name, key in {
            "by the judge": "win_rate",
            "by people": "human_win_rate",
            "corrected": "corrected_win_rate",
        }.items()
    }
    if _refused(row):
        told["corrected"] = f"refused: {one_line(row['correction_reason'])}"
    prompts = f"{row.get('labelled_prompts', NOTHING)} of {row['n_prompts']}"
    return {"a": one_line(row["a"]), "b": one_line(row["b"]), **told, "labelled prompts": prompts}


def equal_length(row: Row) -> str:
    """The win rate at equal length, or why it is not identified."""
    if "equal_length_win_rate" not in row:
        return f"not identified: {row['equal_length_reason']}"
    ends = row["equal_length_ci_low"], row["equal_length_ci_high"]
    return with_interval(row["equal_length_win_rate"], *ends)
