"""How a request wants its text generated, and when a row of a batch is done."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria

from pandalm_eval.errors import UsageError
from pandalm_eval.models.text import Finish
from pandalm_eval.verdicts import THINKING_ENDS, is_settled

_BUDGETS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_SAMPLING = {"temperature", "top_p", "top_k", "min_p", "typical_p"}
_BEAMS = {"early_stopping", "length_penalty"}
# Each of these is exact in a left-padded batch (see `HFJudge._generate`), which holds for
# `repetition_penalty` because it looks at a set of tokens; n-gram penalties look at sequences.
_KNOWN = {
    "until",
    "until_settled",
    "do_sample",
    "num_beams",
    "repetition_penalty",
    *_BUDGETS,
    *_SAMPLING,
    *_BEAMS,
}


@dataclass(frozen=True)
class Decoding:
    """One way of decoding; requests with equal ones may share a batch.

    Attributes:
        until: stop strings; the text ends before the first of them.
        max_new_tokens: budget of new tokens.
        until_settled: also stop once the first line can no longer become a verdict.
        arguments: what `GenerationConfig` gets beside the budget, as sorted pairs.
    """

    until: tuple[str, ...]
    max_new_tokens: int
    arguments: tuple[tuple[str, Any], ...]
    until_settled: bool = False

    @classmethod
    def from_arguments(cls, given: dict[str, Any], *, default_budget: int) -> Decoding:
        """Read a request's generation arguments.

        Greedy unless sampling or beams are asked for: temperature 0 means greedy, and arguments
        without effect (top_p without sampling, early_stopping without beams) are left out, as
        transformers would warn of each.

        Raises:
            UsageError: an unknown argument.
        """
        unknown = sorted(set(given) - _KNOWN)
        if unknown:
            near = difflib.get_close_matches(unknown[0], sorted(_KNOWN), n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(_KNOWN))}."
            raise UsageError(f"hf-judge does not know the generation argument {unknown[0]}; {hint}")
        arguments = {key: value for key, value in given.items() if value is not None}
        until = arguments.pop("until", [])
        until_settled = bool(arguments.pop("until_settled", False))
        budgets = [int(arguments.pop(name)) for name in _BUDGETS if name in arguments]
        temperature = float(arguments.get("temperature", 0))
        sample = bool(arguments.pop("do_sample", temperature > 0))
        beams = int(arguments.pop("num_beams", 1))
        idle = (set() if sample else _SAMPLING) | (set() if beams > 1 else _BEAMS)
        arguments = {key: value for key, value in arguments.items() if key not in idle}
        return cls(
            until=tuple(text for text in ([until] if isinstance(until, str) else until) if text),
            max_new_tokens=budgets[0] if budgets else default_budget,
            arguments=tuple(sorted({**arguments, "do_sample": sample, "num_beams": beams}.items())),
            until_settled=until_settled,
        )

    @property
    def num_beams(self) -> int:
        return int(dict(self.arguments)["num_beams"])

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn, so that the same prompt may get another text."""
        return bool(dict(self.arguments)["do_sample"])

    def config(self, **token_ids: Any) -> GenerationConfig:
        """Return the configuration for `generate`; `token_ids` are those of end and padding."""
        return GenerationConfig(
            max_new_tokens=self.max_new_tokens, use_cache=True, **dict(self.arguments), **token_ids
        )

    def cut(self, text: str) -> str:
        """Return `text` up to the first stop string.

        >>> Decoding(until=("\\n", "###"), max_new_tokens=8, arguments=()).cut("1###\\nBecause")
        '1'
        """
        found = [text.find(stop) for stop in self.until if stop in text]
        return text[: min(found)] if found else text


class RowsStop(StoppingCriteria):
    """Stops each row once its own new text contains a stop string, or is settled where that counts.

    Only new tokens are read: a prompt may contain the stop string. Special tokens are kept, so a
    turn marker works as a stop string. Rows keep their place in greedy decoding and sampling; with
    beams they do not, and this must not be used.

    Attributes:
        stopped: per row, the number of new tokens when it stopped, or None.
    """

    def __init__(self, tokenizer: Any, decoding: Decoding, *, rows: int, prompt_width: int) -> None:
        self._tokenizer = tokenizer
        self._until = decoding.until
        self._until_settled = decoding.until_settled and not thinks_aloud(tokenizer)
        self._width = prompt_width
        self.stopped: list[int | None] = [None] * rows

    def __call__(self, input_ids: torch.Tensor, scores: Any = None, **kwargs: Any) -> torch.Tensor:
        new = input_ids[:, self._width :].tolist()
        for row, ids in enumerate(new):
            if self.stopped[row] is None:
                text = self._tokenizer.decode(ids, skip_special_tokens=False)
                if any(stop in text for stop in self._until) or (
                    self._until_settled and is_settled(text)
                ):
                    self.stopped[row] = len(ids)
        done = [count is not None for count in self.stopped]
        return torch.tensor(done, device=input_ids.device)


def thinks_aloud(tokenizer: Any) -> bool:
    """Whether the judge has a token that ends its thinking: a verdict may then stand behind it."""
    return any(end in tokenizer.get_vocab() for end in THINKING_ENDS)


def trim(ids: Sequence[int], *, eos: set[int], stopped: int | None) -> tuple[list[int], Finish]:
    """Return a row's own new tokens, without what a batch appends after its end, and why it ended.

    The end-of-sequence token counts as a new token.

    >>> trim([5, 6, 2, 2, 2], eos={2}, stopped=None)
    ([5, 6, 2], 'stop')
    >>> trim([5, 6, 7], eos={2}, stopped=None)
    ([5, 6, 7], 'length')
    """
    kept = list(ids) if stopped is None else list(ids[:stopped])
    for place, token in enumerate(kept):
        if token in eos:
            return kept[: place + 1], "stop"
    return kept, "length" if stopped is None else "stop"
