"""Another gold than the annotators: a released judge's verdicts, or labels of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError, listing
from pandalm_eval.pairs import Pair, check_unique, id_field, read_label
from pandalm_eval.records import read_records
from pandalm_eval.verdicts import Verdict

GPT_LABELS = "pandalm/gpt-3.5-turbo-testset-v1.json"
"""Verdicts of gpt-3.5-turbo on the PandaLM test set, one order (in the data folder)."""


def read_gold(path: Path, label_field: str | None = None) -> dict[str, Verdict | None]:
    """Labels by pair id from a file of {idx or id, label}: released verdicts or a user's own.

    Args:
        path: JSON list or JSONL.
        label_field: name of the label's field; by default the first of `label`, `verdict`,
            `gpt_result`, `pandalm_result` that the first record has.

    Returns:
        {id: label}; None where the value is no label ("garbage", null).

    Raises:
        InputError: no id, no label field, duplicate ids.
    """
    records = read_records(path)
    known = ("label", "verdict", "gpt_result", "pandalm_result")
    field = label_field or next((name for name in known if name in records[0]), None)
    if field is None:
        raise InputError(
            f"{path}: record 0 has no label field (it has: {listing(records[0])}). "
            f"One of {', '.join(known)} is needed."
        )
    ids = [record_id(path, number, record) for number, record in enumerate(records)]
    check_unique(path, ids)
    return {id: read_label(record.get(field)) for id, record in zip(ids, records, strict=True)}


def record_id(path: Path, number: int, record: dict[str, Any]) -> str:
    """`idx` or `id` of a record as text; an InputError where it has neither."""
    for name in ("idx", "id"):
        if record.get(name) is not None:
            return id_field(path, number, record, name, "")
    raise InputError(f"{path}: record {number} has neither idx nor id to match it by.")


def with_gold(pairs: Sequence[Pair], path: Path) -> list[Pair]:
    """The same pairs under the gold of a file; pairs without a label there get None.

    Raises:
        InputError: the file names ids that are no pairs of the set, or no pair has a label.
    """
    gold = read_gold(path)
    if unknown := sorted(set(gold) - {pair.id for pair in pairs}):
        raise InputError(
            f"{path}: {len(unknown)} ids are not in the pair set: {listing(unknown)}. "
            "Take the labels of this set."
        )
    if not any(gold.values()):
        raise InputError(f"{path}: no record has a readable label (0, 1, 2, tie, first, second).")
    return [replace(pair, gold=gold.get(pair.id)) for pair in pairs]
