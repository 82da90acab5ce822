"""Human labels of some pairs of a comparison, to correct the judge's win rates by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError, listing
from pandalm_eval.instructions import Prompt
from pandalm_eval.pairs import Pair, read_label, text_fields
from pandalm_eval.records import read_records
from pandalm_eval.verdicts import Verdict


def read_labels(path: Path, pairs: Sequence[Pair]) -> dict[str, Verdict]:
    """Labels by pair id.

    A record is {id, label}, the id and side being the pair's; or {instruction, input?, model1,
    model2, label}, told for the models as the record names them.

    Raises:
        InputError: a record without a readable label, of no pair of this comparison, or of one that
            another record has labelled.
    """
    ids = {pair.id for pair in pairs}
    labels: dict[str, Verdict] = {}
    strangers, doubled = [], []
    for number, record in enumerate(read_records(path)):
        label = read_label(record.get("label"))
        if label is None:
            raise InputError(
                f"{path}: record {number} has label {record.get('label')!r}; it must be one of "
                "0, 1, 2, tie, first, second."
            )
        id, told = _pair_of(path, number, record, label, ids)
        if id not in ids:
            strangers.append(number)
        elif id in labels:
            doubled.append(number)
        labels[id] = told
    if strangers:
        raise InputError(
            f"{path}: records {listing(strangers)} are of no pair of this comparison. Take labels "
            "of these candidates and prompts."
        )
    if doubled:
        raise InputError(f"{path}: records {listing(doubled)} label a pair that has its label.")
    return labels


def _pair_of(
    path: Path, number: int, record: dict[str, Any], label: Verdict, ids: set[str]
) -> tuple[str, Verdict]:
    if record.get("id") is not None:
        return str(record["id"]), label
    if record.get("input") is None:
        record["input"] = ""
    told = text_fields(path, number, record, ("instruction", "input", "model1", "model2"))
    prompt = Prompt(told["instruction"], told["input"]).id
    straight = f"{prompt}:{told['model1']}:{told['model2']}"
    turned = f"{prompt}:{told['model2']}:{told['model1']}"
    return (turned, label.swapped) if turned in ids else (straight, label)
