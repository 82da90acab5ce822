"""An answer to an instruction, from which a model learns to answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError, listing
from pandalm_eval.instructions import Prompt
from pandalm_eval.pairs import text_fields
from pandalm_eval.records import stream_records


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model is asked, and what it is to answer: texts as their source has them."""

    instruction: str
    input: str
    output: str

    @property
    def prompt(self) -> Prompt:
        """What the model is asked."""
        return Prompt(self.instruction, self.input)

    @property
    def prompt_id(self) -> str:
        """The sampling unit: equal instruction and input, equal id."""
        return self.prompt.id

    @property
    def characters(self) -> int:
        """Of all texts."""
        return len(self.instruction) + len(self.input) + len(self.output)

    @property
    def whole_bytes(self) -> int:
        """Bytes of what is never shortened: instruction and input."""
        return len(self.instruction.encode()) + len(self.input.encode())


def stream_answers(path: Path) -> Iterator[Answer]:
    """Yield answers of JSONL or a JSON list: {instruction, input?, output}; others are ignored.

    `response` may stand in place of `output`. JSONL is read line by line.

    Raises:
        InputError: for the file or the record at fault; at the end, for all empty outputs together.
    """
    empty = []
    for number, record in enumerate(stream_records(path)):
        answer = _read(path, number, record)
        if answer.output.strip():
            yield answer
        else:
            empty.append(number)
    if empty:
        raise InputError(
            f"{path}: {len(empty)} of its records have an empty output: record {listing(empty)}. "
            "Nothing is learnt from them; leave them out."
        )


def _read(path: Path, number: int, record: dict[str, Any]) -> Answer:
    if "output" in record and "response" in record:
        raise InputError(
            f"{path}: record {number} has both output and response. Name the answer output, and "
            "leave the other out."
        )
    field = "response" if "response" in record else "output"
    if record.get("input") is None:
        record["input"] = ""
    texts = text_fields(path, number, record, ("instruction", "input", field))
    return Answer(texts["instruction"], texts["input"], texts[field])
