"""The cells of a table of judges, as printed."""

from __future__ import annotations

from typing import Any

from pandalm_eval.tables.cells import one_line, p_value, share, with_interval

Row = dict[str, Any]


def sections(rows: list[Row], agreements: list[Row]) -> list[list[dict[str, str]]]:
    """One row a judge; then how far each two runs agree."""
    return [[_judge(row) for row in rows], [_agreement(row) for row in agreements]]


def _judge(row: Row) -> dict[str, str]:
    return {
        "judge": one_line(row["judge"]),
        "source": row.get("reference") or row["source"],
        "protocol": row["protocol"],
        "gold": row["gold"],
        "accuracy": _figure(row, "acc"),
        "macro F1": _averaged(row, "macro"),
        "weighted F1": _averaged(row, "weighted"),
        "kappa": _figure(row, "kappa"),
        "consistency": share(row.get("position_consistency")),
        "first position": share(row.get("first_position_rate")),
        "invalid": _invalid(row),
        "acc on ceiling rows": ", ".join(
            f"{share(part['acc'])} (n={part['n']})" for part in row.get("acc_ceiling_rows") or ()
        )
        or "–",
        "n (prompts)": _count(row),
    }


def _averaged(row: Row, kind: str) -> str:
    """A run's own average, or the published one, with its averaging where that is not certain."""
    if row["source"] != "published":
        return _figure(row, f"f1_{kind}")
    averaging = str(row.get("averaging", ""))
    if averaging == "not stated":
        return f"{share(row.get('f1'))} (averaging not stated)" if kind == "macro" else "–"
    return f"{share(row.get('f1'))} ({averaging})" if averaging.startswith(kind) else "–"


def _figure(row: Row, key: str) -> str:
    return with_interval(row.get(key), row.get(f"{key}_ci_low"), row.get(f"{key}_ci_high"))


def _invalid(row: Row) -> str:
    if "n_invalid" in row:
        return f"{row['n_invalid']} of {row['n_readings']} readings"
    return share(row.get("invalid_rate"))


def _count(row: Row) -> str:
    prompts = f" ({row['n_prompts']:.0f})" if row.get("n_prompts") else ""
    return f"{row['n_pairs']:.0f}{prompts}" if row.get("n_pairs") else "–"


def _agreement(row: Row) -> dict[str, str]:
    return {
        "a": one_line(row["a"]),
        "b": one_line(row["b"]),
        "agreement": share(row["agreement"]),
        "kappa": share(row["kappa"]),
        "accuracy a − b": with_interval(
            *(row.get(f"acc_difference{end}") for end in ("", "_ci_low", "_ci_high"))
        ),
        "p (Holm)": p_value(row.get("p_adjusted")),
        "n (prompts)": f"{row['n']} ({row['n_prompts']})",
    }
