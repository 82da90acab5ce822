"""A pair: an instruction (and input) with two responses, and the gold label if there is one.

Pair files of the user are read here; the PandaLM test set has its own reader, `human.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError, listing
from pandalm_eval.records import json_type, stream_records
from pandalm_eval.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison.

    Attributes:
        id: unique within the set.
        prompt_id: the sampling unit (cluster); pairs with equal instruction and input share it.
        instruction, input, response1, response2: texts as the source has them.
        gold: the label to agree with, None where there is none.
        model1, model2: who wrote the responses, where known.
        annotators: single human labels, where known.
    """

    id: str
    prompt_id: str
    instruction: str
    input: str
    response1: str
    response2: str
    gold: Verdict | None = None
    model1: str | None = None
    model2: str | None = None
    annotators: tuple[Verdict, ...] = ()

    @property
    def text_hash(self) -> str:
        """16 hexadecimal digits of SHA-256 over the four texts, in order, as a JSON list."""
        return short_hash(self.instruction, self.input, self.response1, self.response2)


def short_hash(*texts: str) -> str:
    """16 hexadecimal digits (64 bits) of SHA-256 over the JSON list of the texts."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]


def prompt_hash(instruction: str, input: str) -> str:
    """The cluster of a pair whose source names none: equal prompts, equal cluster."""
    return short_hash(instruction, input)


_LABELS = {
    "0": Verdict.TIE,
    "1": Verdict.FIRST,
    "2": Verdict.SECOND,
    "1.5": Verdict.TIE,
    "tie": Verdict.TIE,
    "first": Verdict.FIRST,
    "second": Verdict.SECOND,
}


def read_label(value: object) -> Verdict | None:
    """The label told by 0/1/2, 1.5, `tie`, `first` or `second` (any case); None for all else.

    >>> read_label(2), read_label("Tie"), read_label("1.0"), read_label("garbage"), read_label(True)
    (<Verdict.SECOND: 'second'>, <Verdict.TIE: 'tie'>, None, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas writes integer columns with gaps as 1.0
    return _LABELS.get(str(value).strip().lower())


# Half of a surrogate pair is valid in JSON ("\ud800") but in no UTF-8 text: tokenizers and Arrow
# refuse it.
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The same text with lone surrogates replaced by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def read_id(value: object) -> str | None:
    """The id told by a text or a whole number, without lone surrogates; None for all else.

    >>> read_id(7), read_id("a-7"), read_id(7.0), read_id(""), read_id(None), read_id(True)
    ('7', 'a-7', '7', None, None, None)
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as in read_label
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return clean_text(str(value)) or None


def id_field(path: Path, number: int, record: dict[str, Any], name: str, default: str) -> str:
    """The id in a field of a record; the default where the field is absent or null.

    Raises:
        InputError: the field is neither a text nor a whole number.
    """
    if (value := record.get(name)) is None:
        return default
    if (told := read_id(value)) is None:
        raise InputError(
            f"{path}: record {number} has {name} {value!r}; a text or a whole number is needed."
        )
    return told


def text_fields(
    path: Path, number: int, record: dict[str, Any], required: Sequence[str]
) -> dict[str, str]:
    """The named fields of one record as texts.

    Raises:
        InputError: all fields of the record that are missing or no text, in one message.
    """
    where = f"{path}: record {number}"
    if missing := [name for name in required if name not in record]:
        raise InputError(
            f"{where} has no field {listing(missing)} (it has: {listing(record)}). "
            f"Needed are {', '.join(required)}."
        )
    if wrong := [name for name in required if not isinstance(record[name], str)]:
        told = ", ".join(f"{name} is {json_type(record[name])}" for name in wrong)
        raise InputError(f"{where}: {told}; a text is needed.")
    return {name: clean_text(record[name]) for name in required}


_PAIR_FIELDS = {
    *("instruction", "input", "response1", "response2"),
    *("label", "id", "prompt_id", "model1", "model2", "reason"),
}


def read_pairs(path: Path) -> list[Pair]:
    """Pairs of a user's file: {instruction, input?, response1, response2, label?, id?, prompt_id?}.

    `id` defaults to the record's number; `prompt_id` to a hash of instruction and input; `model1`,
    `model2` name the candidates; `reason` is ignored.

    Raises:
        InputError: for the file or the record at fault, and for ids that occur twice.
    """
    pairs = list(stream_pairs(path))
    check_unique(path, [pair.id for pair in pairs])
    return pairs


def stream_pairs(path: Path) -> Iterator[Pair]:
    """Yield what `read_pairs` returns, of JSONL one line after the other; ids may occur twice."""
    for number, record in enumerate(stream_records(path)):
        if unknown := sorted(set(record) - _PAIR_FIELDS):
            raise InputError(
                f"{path}: record {number} has unknown field {listing(unknown)}. "
                f"Known are {', '.join(sorted(_PAIR_FIELDS))}."
            )
        if record.get("input") is None:  # absent, or a gap that pandas wrote
            record["input"] = ""
        texts = text_fields(path, number, record, _TEXTS)
        names = _name(record.get("model1")), _name(record.get("model2"))
        if (None in names or names[0] == names[1]) and names != (None, None):
            raise InputError(
                f"{path}: record {number} has model1 {names[0]!r} and model2 {names[1]!r}; two "
                "different names are needed, or neither field."
            )
        gold = None
        if (label := record.get("label")) is not None and (gold := read_label(label)) is None:
            raise InputError(
                f"{path}: record {number} has label {label!r}; it must be one of "
                "0, 1, 2, tie, first, second."
            )
        own_prompt = prompt_hash(texts["instruction"], texts["input"])
        yield Pair(
            id=id_field(path, number, record, "id", str(number)),
            prompt_id=id_field(path, number, record, "prompt_id", own_prompt),
            instruction=texts["instruction"],
            input=texts["input"],
            response1=texts["response1"],
            response2=texts["response2"],
            gold=gold,
            model1=names[0],
            model2=names[1],
        )


_TEXTS = ("instruction", "input", "response1", "response2")


def _name(value: object) -> str | None:
    return None if value is None else clean_text(str(value))


def check_unique(path: Path, ids: Sequence[str]) -> None:
    """Raise an InputError that lists every id which occurs more than once."""
    if doubled := {ids[place] for place in repeated(ids)}:
        listed = dict.fromkeys(id for id in ids if id in doubled)
        raise InputError(f"{path}: duplicate id {listing(listed)}. Each record needs its own.")


def repeated(ids: Sequence[str]) -> list[int]:
    """Places of the ids that stood before.

    >>> repeated(["a", "b", "a", "a"])
    [2, 3]
    """
    import numpy as np

    # The hashes of a million ids are 8 MB; the ids in a set are 100.
    hashes = np.fromiter(map(hash, ids), np.int64, len(ids))
    ordered = np.sort(hashes)
    suspects = np.isin(hashes, ordered[1:][ordered[1:] == ordered[:-1]])
    seen: set[str] = set()
    found = []
    for place in np.flatnonzero(suspects).tolist():
        if ids[place] in seen:
            found.append(place)
        seen.add(ids[place])
    return found
