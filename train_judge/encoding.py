"""A pair with its verdict as token ids: the judge's own prompt, and the target that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pandalm_eval.errors import InputError
from pandalm_eval.fitting import Budget, fit
from pandalm_eval.models.tokens import Encoder
from pandalm_eval.prompts import Fields, PromptStyle, render, target
from pandalm_eval.verdicts import TARGETS, Verdict
from train_judge.config import Learns
from train_judge.examples import Example


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of one record.

    Attributes:
        prompt: with the tokenizer's own special tokens, as the model will be asked.
        target: what it is to write; the loss is on these alone.
        shortened: whether anything was cut off.
    """

    prompt: list[int]
    target: list[int]
    shortened: bool


def end_of_sequence(tokenizer: Any) -> int:
    """The token that ends a text; raise an InputError where there is none."""
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"the tokenizer {tokenizer.name_or_path} has no end-of-sequence token, so that a "
            "model could not learn to stop. Name one in its tokenizer_config.json."
        )
    return int(tokenizer.eos_token_id)


_SHORTEST = (Verdict.TIE, "-", "-")


class ExampleEncoder:
    """From examples to token ids of at most `max_length` together.

    The prompt is rendered, shortened and encoded by the functions that judge: training and judging
    cannot differ. The target, verdict first and end-of-sequence last, is never shortened.
    """

    def __init__(self, tokenizer: Any, max_length: int, learns: Learns) -> None:
        self._tokenizer = tokenizer
        self._encoder = Encoder(tokenizer)
        self.max_length = max_length
        self.learns = learns
        self._end = end_of_sequence(tokenizer)
        bare = self._count(_prompt(Fields("", "-", "", ""))) + len(self._ids(target(*_SHORTEST)))
        # No tokenizer makes more tokens than bytes; 8 for how texts join what stands around them.
        self.surely_fits = max_length - bare - 8
        """Bytes of reason and reference together that always leave room for a prompt."""

    def __call__(self, example: Example) -> Encoded:
        """Token ids of prompt and target.

        Raises:
            InputError: beside the target and the template nothing of a text has room.
        """
        if self.learns is Learns.VERDICT:
            example = example.verdict_alone()
        verdict = TARGETS[example.verdict]
        rest = target(example.verdict, example.reason, example.reference).removeprefix(verdict)
        fields = Fields.clean(
            example.instruction, example.input, example.response1, example.response2
        )
        # The target's ids can only be had after a prompt, and the prompt's room after the target's
        # length: so first alone, which is what it is for every tokenizer but for a token or two.
        room = self.max_length - len(self._ids(verdict + rest)) - 2
        budget = Budget(max(room, 1), self._count)
        fitted, shortened = fit(fields, _prompt, budget)
        text = _prompt(fitted)
        prompt = self._encoder.prompt(text)
        # In two steps, so that the verdict's tokens are those that judging scores.
        begun = self._encoder.continuation(text, prompt, verdict)
        ids = [*begun, *self._after(verdict, rest), self._end]
        emptied = [
            name
            for name in ("instruction", "response1", "response2")
            if getattr(fields, name) and not getattr(fitted, name)
        ]
        if emptied or len(prompt) + len(ids) > self.max_length:
            raise InputError(
                f"the target has {len(ids)} tokens and leaves no room for the prompt within "
                f"max_length={self.max_length}. Filter such examples out (train_judge.filter "
                "--max_target_tokens), or raise max_length."
            )
        return Encoded(prompt, ids, shortened)

    def first_tokens(self) -> Sequence[int]:
        """The tokens that targets of the three verdicts begin with, in the order of LABELS.

        Raises:
            InputError: two verdicts begin alike.
        """
        text = _prompt(Fields("", "", "", ""))
        prompt = self._encoder.prompt(text)
        ids = [self._encoder.continuation(text, prompt, told)[0] for told in TARGETS.values()]
        if len(set(ids)) < len(ids):
            raise InputError(
                f"the tokenizer {self._tokenizer.name_or_path} begins two verdicts with one token."
            )
        return ids

    def _after(self, verdict: str, rest: str) -> list[int]:
        """Ids of what follows the verdict, which begins with a line break.

        Raises:
            InputError: the tokenizer joins the two.
        """
        alone, whole = self._ids(verdict), self._ids(verdict + rest)
        if whole[: len(alone)] != alone:
            raise InputError(
                f"the tokenizer {self._tokenizer.name_or_path} joins the verdict {verdict!r} to "
                "what follows it, so that learnt and scored verdicts would differ."
            )
        return whole[len(alone) :]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _count(self, prompt: str) -> int:
        return len(self._encoder.prompt(prompt))


def _prompt(fields: Fields) -> str:
    return render(PromptStyle.PANDALM, fields)
