"""What a caption must say of a table's figures, made of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]

_AVERAGES = "Macro and weighted F1 are over first, second and tie."
_WRONG = "an invalid verdict is wrong"
_OUTSIDE = "an invalid verdict is outside the win rate"


def facts(rows: Rows) -> str:
    """Protocol, gold, averaging, n, invalid and interval of a table's own rows.

    Rows of rules, annotators and published figures stand beside runs and are told by the table.
    """
    runs = [row for row in rows if row.get("source", "run") == "run"]
    told = [
        _named("Protocol", (row.get("protocol") for row in runs)),
        _named("Gold", (row.get("gold") for row in runs)),
        _AVERAGES if any("f1_macro" in row for row in runs) else "",
        _counts(runs),
        _invalid(runs),
        "Brackets are 95% intervals with the prompt as the sampling unit."
        if any(key.endswith("_ci_low") for row in runs for key in row)
        else "",
    ]
    return " ".join(part for part in told if part)


def _named(what: str, values: Iterable[Any]) -> str:
    found = list(dict.fromkeys(str(value) for value in values if value is not None))
    return f"{what}: {', '.join(found)}." if found else ""


def _counts(runs: Rows) -> str:
    """Numbers of pairs and prompts; a range where runs differ."""
    pairs = [row.get("n_pairs", row.get("n")) for row in runs]
    prompts = [row.get("n_prompts", row.get("n_clusters")) for row in runs]
    n, clusters = _range(pairs), _range(prompts)
    if not n:
        return ""
    return f"n: {n} pairs" + (f" of {clusters} prompts or other clusters." if clusters else ".")


def _range(values: Iterable[Any]) -> str:
    found = sorted({int(value) for value in values if value is not None})
    return "–".join(map(str, (found[0], found[-1])[: len(found)])) if found else ""


def _invalid(runs: Rows) -> str:
    """How many readings, or judgments of contests, are invalid, and what becomes of them."""
    if any("n_invalid" in row for row in runs):
        counted = [row for row in runs if "n_invalid" in row]
        invalid = sum(row["n_invalid"] for row in counted)
        return f"Invalid: {invalid} of {sum(r['n_readings'] for r in counted)} readings; {_WRONG}."
    if any("invalid" in row for row in runs):
        counted = [row for row in runs if "invalid" in row]
        invalid = sum(row["invalid"] for row in counted)
        return f"Invalid: {invalid} of {sum(row['n'] for row in counted)} judgments; {_OUTSIDE}."
    return ""
