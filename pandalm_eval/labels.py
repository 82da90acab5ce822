"""Human labels of some pairs of a comparison, to correct the judge's win rates by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pandalm_eval.errors import InputError, listing
from pandalm_eval.instructions import Prompt
from pandalm_eval.pairs import Pair, read_label, text_fields
from pandalm_eval.records import read_records
from pandalm_eval.statistics.correction import require_enough
from pandalm_eval.statistics.sampling import check_random
from pandalm_eval.verdicts import Verdict

LABELS = "labels"
"""The gold of a comparison of which people judged a part."""


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


def check_sample(path: Path, pairs: Sequence[Pair]) -> None:
    """Refuse labels that no correction can rest on, before anything is judged.

    For each two candidates with a labelled pair: at least 30 of their prompts have one, and the
    labelled prompts may be a random sample by their place and the responses' lengths
    (`statistics.sampling`). The judge's scores are looked at once they are there.

    Args:
        path: the label file, for messages.
        pairs: of the comparison, with labels as gold, in the order of the prompts.

    Raises:
        InputError: naming the candidates.
    """
    contests: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        one, two = sorted((str(pair.model1), str(pair.model2)))
        contests.setdefault((one, two), []).append(pair)
    for (one, two), own in contests.items():
        labelled = {pair.prompt_id for pair in own if pair.gold is not None}
        if not labelled:
            continue
        prompts: dict[str, int] = {}
        known = {
            "length of response 1": np.array([float(len(pair.response1)) for pair in own]),
            "length of response 2": np.array([float(len(pair.response2)) for pair in own]),
        }
        try:
            require_enough(len(labelled))
            check_random(
                np.array([pair.gold is not None for pair in own]),
                np.array([prompts.setdefault(pair.prompt_id, len(prompts)) for pair in own]),
                known,
            )
        except InputError as error:
            raise InputError(f"{path}: {one} against {two}: {error}") from None


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
