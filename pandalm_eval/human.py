"""The PandaLM test set: 999 pairs over 170 prompts, three human labels each.

Source: WeOpenML/PandaLM (arXiv 2306.05087), `data/testset-v1.json`. Gold is the majority of the
annotators (upstream never said which label is gold; there is no three-way split in the set).
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError, listing
from pandalm_eval.pairs import (
    Pair,
    check_unique,
    id_field,
    prompt_hash,
    read_label,
    text_fields,
)
from pandalm_eval.records import read_records
from pandalm_eval.verdicts import Verdict

TEST_SET = "pandalm/testset-v1.json"

_log = logging.getLogger(__name__)
_ANNOTATORS = ("annotator1", "annotator2", "annotator3")


def read_test_set(path: Path) -> list[Pair]:
    """Pairs of the released file, gold = majority of the three annotators.

    Six responses of the released file are the JSON value `true`: a spreadsheet's reading of the
    word. They are read as the text "True", and said so once.

    Raises:
        InputError: for the file or the record at fault.
    """
    pairs, booleans = [], []
    for number, record in enumerate(read_records(path)):
        for side in ("response1", "response2"):
            if record.get(side) is True:
                booleans.append(f"{record.get('idx', number)} ({side})")
                record[side] = "True"
        texts = text_fields(
            path, number, record, ("instruction", "input", "response1", "response2")
        )
        names = text_fields(path, number, record, ("cmp_key",))["cmp_key"].split("_")
        if len(names) != 2 or not all(names):
            raise InputError(
                f"{path}: record {number} has cmp_key {record['cmp_key']!r}; two model names "
                "joined by one underscore are needed."
            )
        annotators = _annotators(path, number, record)
        pairs.append(
            Pair(
                id=id_field(path, number, record, "idx", str(number)),
                prompt_id=prompt_hash(texts["instruction"], texts["input"]),
                gold=majority(annotators),
                model1=names[0],
                model2=names[1],
                annotators=annotators,
                **texts,
            )
        )
    check_unique(path, [pair.id for pair in pairs])
    if booleans:
        _say_booleans(path, len(booleans), listing(booleans))
    return pairs


@functools.cache  # several tasks of a run read the same file; it is said once
def _say_booleans(path: Path, count: int, told: str) -> None:
    _log.warning(
        "%s: %d responses are the JSON value true and are read as the text 'True': idx %s",
        path.name,
        count,
        told,
    )


def _annotators(path: Path, number: int, record: dict[str, Any]) -> tuple[Verdict, ...]:
    labels = {name: read_label(record.get(name)) for name in _ANNOTATORS}
    if wrong := [name for name, label in labels.items() if label is None]:
        told = ", ".join(f"{name} is {record.get(name)!r}" for name in wrong)
        raise InputError(f"{path}: record {number}: {told}; 0 (tie), 1 or 2 is needed.")
    return tuple(label for label in labels.values() if label is not None)


def majority(labels: tuple[Verdict, ...]) -> Verdict | None:
    """The label that more than half of the annotators gave, else None.

    >>> majority((Verdict.FIRST, Verdict.TIE, Verdict.FIRST))
    <Verdict.FIRST: 'first'>
    """
    label, count = Counter(labels).most_common(1)[0]
    return label if count * 2 > len(labels) else None
