"""How a table of judges is printed: Markdown, CSV, LaTeX (booktabs) or JSON."""

from __future__ import annotations

import json
from typing import Any

from pandalm_eval.tables.judges import JudgesTable, Row


def render(table: JudgesTable, format: str) -> str:
    """The table as text. JSON and CSV have full digits; Markdown and LaTeX are rounded."""
    if format == "json":
        told = {"rows": table.rows, "agreements": table.agreements, "notes": table.notes}
        return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False)
    import pandas as pd

    if format == "csv":
        text: str = pd.DataFrame(table.rows).to_csv(index=False)
        return text.rstrip("\n")
    from tabulate import tabulate

    style = "github" if format == "markdown" else "latex_booktabs"
    parts = [tabulate([_judge(row) for row in table.rows], "keys", style, disable_numparse=True)]
    if table.agreements:
        rows = [_agreement(row) for row in table.agreements]
        parts.append(tabulate(rows, "keys", style, disable_numparse=True))
    mark = "" if format == "markdown" else "% "
    parts.append("\n".join(f"{mark}{note}" for note in table.notes))
    return "\n\n".join(parts)


def _judge(row: Row) -> dict[str, str]:
    return {
        "judge": row["judge"],
        "source": row.get("reference") or row["source"],
        "protocol": row["protocol"],
        "gold": row["gold"],
        "accuracy": _figure(row, "acc"),
        "macro F1": _averaged(row, "macro"),
        "weighted F1": _averaged(row, "weighted"),
        "kappa": _figure(row, "kappa"),
        "consistency": _share(row.get("position_consistency")),
        "first position": _share(row.get("first_position_rate")),
        "invalid": _invalid(row),
        "acc on ceiling rows": ", ".join(
            f"{_share(part['acc'])} (n={part['n']})" for part in row.get("acc_ceiling_rows") or ()
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
        return f"{_share(row.get('f1'))} (averaging not stated)" if kind == "macro" else "–"
    return f"{_share(row.get('f1'))} ({averaging})" if averaging.startswith(kind) else "–"


def _figure(row: Row, key: str) -> str:
    low, high = row.get(f"{key}_ci_low"), row.get(f"{key}_ci_high")
    text = _share(row.get(key))
    return text if low is None or high is None else f"{text} [{_share(low)}, {_share(high)}]"


def _share(value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.4f}"


def _invalid(row: Row) -> str:
    if "n_invalid" in row:
        return f"{row['n_invalid']} of {row['n_readings']} readings"
    return _share(row.get("invalid_rate"))


def _count(row: Row) -> str:
    prompts = f" ({row['n_prompts']:.0f})" if row.get("n_prompts") else ""
    return f"{row['n_pairs']:.0f}{prompts}" if row.get("n_pairs") else "–"


def _agreement(row: Row) -> dict[str, str]:
    low, high = _share(row["acc_difference_ci_low"]), _share(row["acc_difference_ci_high"])
    return {
        "a": row["a"],
        "b": row["b"],
        "agreement": _share(row["agreement"]),
        "kappa": _share(row["kappa"]),
        "accuracy a − b": f"{_share(row['acc_difference'])} [{low}, {high}]",
        "n (prompts)": f"{row['n']} ({row['n_prompts']})",
    }
