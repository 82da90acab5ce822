"""The cells of a table of domains, as printed."""

from __future__ import annotations

from typing import Any

from pandalm_eval.tables.cells import NOTHING, one_line, share, with_interval

Row = dict[str, Any]


def sections(rows: list[Row], drops: list[Row]) -> list[list[dict[str, str]]]:
    """One row a judge and domain; then the human set beside each domain."""
    return [[_judge(row) for row in rows], [_drop(row) for row in drops]]


def _judge(row: Row) -> dict[str, str]:
    return {
        "domain": row["domain"],
        "judge": one_line(row["judge"]),
        "protocol": row["protocol"],
        "accuracy": _figure(row, "acc"),
        "macro F1": _figure(row, "f1_macro"),
        "kappa": _figure(row, "kappa"),
        "consistency": share(row.get("position_consistency")),
        "invalid": share(row.get("invalid_rate")) if row["source"] == "run" else NOTHING,
        "shortened": _shortened(row),
        "pairs (clusters)": f"{row['n_pairs']:.0f} ({row['n_prompts']:.0f})",
    }


def _shortened(row: Row) -> str:
    if row["source"] != "run":
        return NOTHING
    if "n_truncated" in row:
        return f"{row['n_truncated']} of {row['n_pairs']:.0f} pairs"
    return share(row.get("truncated_rate"))


def _figure(row: Row, key: str) -> str:
    return with_interval(row.get(key), row.get(f"{key}_ci_low"), row.get(f"{key}_ci_high"))


def _drop(row: Row) -> dict[str, str]:
    return {
        "judge": one_line(row["judge"]),
        "protocol": row["protocol"],
        "domain": row["domain"],
        "accuracy, human set": _figure(row, "acc_in"),
        "accuracy, domain": _figure(row, "acc_out"),
        "drop": _figure(row, "acc_drop"),
        "kappa, human set": _figure(row, "kappa_in"),
        "kappa, domain": _figure(row, "kappa_out"),
        "drop of kappa": _figure(row, "kappa_drop"),
    }
