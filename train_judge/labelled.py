"""A pair with the answers to it, in one order or both: what `label` writes and `filter` reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError
from pandalm_eval.pairs import Pair, clean_text, id_field, prompt_hash, text_fields
from pandalm_eval.records import json_type, stream_records
from pandalm_eval.verdicts import Verdict


class Order(StrEnum):
    """In which order the responses were shown."""

    FORWARD = "forward"
    SWAPPED = "swapped"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to one order.

    Attributes:
        order: as it was shown.
        verdict: told for the pair's own order; invalid where the answer could not be read.
        reason: told for the pair's own order; may be empty.
        reference: an answer to the task; may be empty.
        source: who or what answered: a model, a data set.
        text: what was written, where a model was asked here.
    """

    order: Order
    verdict: Verdict
    reason: str
    reference: str
    source: str
    text: str | None = None

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        told = {name: getattr(self, name) for name in ("order", "verdict", "reason", "reference")}
        told["source"] = self.source
        return told if self.text is None else told | {"text": self.text}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A pair and its answers: one or two, of different orders."""

    pair: Pair
    answers: tuple[Answer, ...]

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        return pair_record(self.pair) | {"answers": [answer.record() for answer in self.answers]}


_TEXTS = ("instruction", "input", "response1", "response2")


def pair_record(pair: Pair) -> dict[str, Any]:
    """A pair as JSON holds it: what `pandalm_eval.pairs.stream_pairs` reads."""
    fields = ("id", "prompt_id", *_TEXTS, "model1", "model2")
    return {name: getattr(pair, name) for name in fields}


def stream_labelled(path: Path) -> Iterator[Labelled]:
    """Yield what `label` wrote, line by line.

    Raises:
        InputError: for the file or the record at fault.
    """
    for number, record in enumerate(stream_records(path)):
        texts = text_fields(path, number, record, _TEXTS)
        own_prompt = prompt_hash(texts["instruction"], texts["input"])
        pair = Pair(
            id=id_field(path, number, record, "id", str(number)),
            prompt_id=id_field(path, number, record, "prompt_id", own_prompt),
            instruction=texts["instruction"],
            input=texts["input"],
            response1=texts["response1"],
            response2=texts["response2"],
            model1=record.get("model1"),
            model2=record.get("model2"),
        )
        yield Labelled(pair, _answers(path, number, record.get("answers")))


def _answers(path: Path, number: int, told: object) -> tuple[Answer, ...]:
    if not isinstance(told, list) or not told:
        raise InputError(
            f"{path}: record {number} has no list of answers (answers is {json_type(told)}). "
            "Label the pairs first: python -m train_judge.label."
        )
    try:
        answers = tuple(
            Answer(
                order=Order(one["order"]),
                verdict=Verdict(one["verdict"]),
                **_told(one, "reason", "reference", "source"),
                text=one.get("text"),
            )
            for one in told
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: record {number} has an answer that is none of ours ({error!r}). Needed are "
            "order, verdict, reason, reference and source."
        ) from None
    if len({answer.order for answer in answers}) < len(answers):
        raise InputError(f"{path}: record {number} has two answers of one order.")
    return answers


def _told(answer: dict[str, Any], *names: str) -> dict[str, str]:
    """Fields of an answer; a TypeError where one is no text."""
    if wrong := [name for name in names if not isinstance(answer[name], str)]:
        raise TypeError(f"{', '.join(wrong)}: no text")
    return {name: clean_text(answer[name]) for name in names}
