"""The prompts that candidates answer, and how a candidate is asked.

The template is Alpaca's in upstream's spelling (WeOpenML/PandaLM,
`pandalm/utils/candidate_model_inference.py`); its tuning code leaves out the last newline, and the
spelling at generation is the one that its figures were made with.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pandalm_eval.errors import InputError, listing
from pandalm_eval.pairs import prompt_hash, text_fields
from pandalm_eval.records import read_records

INFERENCE_SET = "pandalm/testset-inference-v1.json"
"""The 170 prompts of the PandaLM test set (in the data folder)."""

_ALPACA = (
    "Below is an instruction that describes a task{with_input}. Write a response that "
    "appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n{input}"
    "### Response:\n"
)
_WITH_INPUT = ", paired with an input that provides further context"


@dataclass(frozen=True, slots=True)
class Prompt:
    """An instruction, and an input that may be empty."""

    instruction: str
    input: str

    @property
    def id(self) -> str:
        """The hash that stands for the prompt wherever its text may not."""
        return prompt_hash(self.instruction, self.input)

    def alpaca(self) -> str:
        """The prompt under the Alpaca template.

        >>> Prompt("Add.", "1 + 1").alpaca()[-32:]
        '### Input:\\n1 + 1\\n\\n### Response:\\n'
        """
        return _ALPACA.format(
            with_input=_WITH_INPUT if self.input else "",
            instruction=self.instruction,
            input=f"### Input:\n{self.input}\n\n" if self.input else "",
        )

    def message(self) -> str:
        """The user's message to a chat model."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


def read_prompts(path: Path) -> list[Prompt]:
    """Prompts of a JSON list or JSONL of {instruction, input?}; other fields are ignored.

    Raises:
        InputError: for the file or the record at fault, and for prompts that occur twice.
    """
    prompts = []
    for number, record in enumerate(read_records(path)):
        if record.get("input") is None:
            record["input"] = ""
        prompts.append(Prompt(**text_fields(path, number, record, ("instruction", "input"))))
    refuse_doubled(path, prompts)
    return prompts


def refuse_doubled(path: Path, prompts: list[Prompt]) -> None:
    """Raise an InputError that names every prompt which occurs more than once."""
    if doubled := [named(prompt) for prompt, count in Counter(prompts).items() if count > 1]:
        raise InputError(
            f"{path}: {len(doubled)} prompts occur more than once: {listing(doubled, 3)}. Answers "
            "are joined by prompt, so each may stand there once."
        )


def named(prompt: Prompt) -> str:
    """A prompt in messages: its first words, quoted, on one line."""
    words = " ".join(prompt.instruction.split())
    more = f" + input {' '.join(prompt.input.split())[:20]!r}" if prompt.input else ""
    return f"{words[:50]!r}{more}"
