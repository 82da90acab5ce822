"""An answer as token ids: the prompt with which candidates are asked, and what follows it."""

from __future__ import annotations

from typing import Any

from pandalm_eval.errors import InputError
from pandalm_eval.instructions import Prompt
from pandalm_eval.models.tokens import Encoder
from train_judge.answers import Answer
from train_judge.encoding import Encoded, end_of_sequence

LEAST = 8
"""Tokens of a target that must have room, where it has so many."""


class AnswerEncoder:
    """From answers to token ids of at most `max_length` together.

    The prompt is the one of `pandalm-respond`, to the byte, and never shortened. The target is the
    output and the end-of-sequence token. One that does not fit is cut at its end, as upstream does;
    it then has no end-of-sequence token, for that is not where the answer ends.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._encoder = Encoder(tokenizer)
        self._end = end_of_sequence(tokenizer)
        self.max_length = max_length
        bare = len(self._encoder.prompt(Prompt("-", "-").alpaca()))
        # No tokenizer makes more tokens than bytes; 8 for how texts join what stands around them.
        self.surely_fits = max_length - bare - LEAST - 8
        """Bytes of instruction and input together that always leave room for a target."""

    def __call__(self, answer: Answer) -> Encoded:
        """Token ids of prompt and target.

        Raises:
            InputError: the prompt leaves no room for the target's first tokens.
        """
        text = answer.prompt.alpaca()
        prompt = self._encoder.prompt(text)
        target = [*self._after(text, prompt, answer.output), self._end]
        room = self.max_length - len(prompt)
        if room < min(len(target), LEAST):
            raise InputError(
                f"the prompt has {len(prompt)} tokens and leaves no room for an answer within "
                f"max_length={self.max_length}. Leave such records out, or raise max_length."
            )
        return Encoded(prompt, target[:room], shortened=len(target) > room)

    def _after(self, text: str, prompt: list[int], output: str) -> list[int]:
        """Ids of an output behind its prompt, whose own ids stay as they are."""
        whole = self._encoder.prompt(text + output)
        if whole[: len(prompt)] == prompt:
            return whole[len(prompt) :]
        # The tokenizer joins the output's first characters to the line break before them.
        return list(self._tokenizer(output, add_special_tokens=False, verbose=False)["input_ids"])
