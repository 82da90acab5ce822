"""Shortening a pair so that its prompt fits the judge's context.

Backends cut an overlong prompt from the left, which removes the instruction, or refuse it. Here
the responses are shortened instead, at their ends and evenly: one character limit for both, so that
only what is longer than the limit loses anything. The marker and the instruction stay. Where
instruction and input alone take more than half of the budget, the input, and after it the
instruction, are shortened to that half first.

A task whose input is a long passage may ask that the input alone is shortened, at its end: question
and responses then stay whole, unless they do not fit without any input either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from pandalm_eval.prompts import Fields

CountTokens = Callable[[str], int]

BYTES_PER_TOKEN = 3
"""The stated estimate where no tokenizer can be had: one token for each 3 bytes of UTF-8, rounded
up. English runs at 4 to 5 bytes a token, so the estimate shortens early rather than late."""


class Shorten(StrEnum):
    """What a prompt that is too long loses first."""

    RESPONSES = "responses"
    INPUT = "input"


def estimate_tokens(text: str) -> int:
    """Number of tokens by the stated estimate.

    >>> estimate_tokens("seven b")
    3
    """
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a prompt may be.

    Attributes:
        tokens: context minus new tokens, at least 1.
        count: tokens of a prompt, special tokens included.
    """

    tokens: int
    count: CountTokens

    def holds(self, prompt: str) -> bool:
        """Whether the prompt fits. No tokenizer makes more tokens than bytes, plus two specials."""
        if len(prompt) * 4 + 2 <= self.tokens:  # at most 4 bytes a character: no need to encode
            return True
        return self.count(prompt) <= self.tokens


def fit(
    fields: Fields,
    build: Callable[[Fields], str],
    budget: Budget,
    shorten: Shorten = Shorten.RESPONSES,
) -> tuple[Fields, bool]:
    """The fields, shortened if their prompt is too long in either order, and whether they were.

    Args:
        fields: clean texts.
        build: the whole prompt of the fields, chat template included.
        budget: the limit.
        shorten: what is shortened first.

    Returns:
        Fields whose prompts fit in both orders, and True if anything was shortened. Where even the
        empty template does not fit, the fields come back empty: the caller must refuse that.
    """

    def fits(candidate: Fields) -> bool:
        return budget.holds(build(candidate)) and budget.holds(build(candidate.swapped()))

    if fits(fields):
        return fields, False
    if shorten is Shorten.INPUT:
        input = shorten_input(fields.input, lambda text: fits(replace(fields, input=text)))
        if fits(shortened := replace(fields, input=input)):
            return shortened, True
    return _shorten_responses(_shorten_task(fields, build, budget), fits), True


def shorten_input(input: str, fits: Callable[[str], bool]) -> str:
    """The longest beginning of the input that fits, without blanks at its end; empty if none."""
    return _cut(input, _longest(len(input), lambda n: fits(input[:n])))


def _shorten_task(fields: Fields, build: Callable[[Fields], str], budget: Budget) -> Fields:
    half = Budget(budget.tokens // 2, budget.count)

    def fits(candidate: Fields) -> bool:
        return half.holds(build(replace(candidate, response1="", response2="")))

    if fits(fields):
        return fields
    input = shorten_input(fields.input, lambda text: fits(replace(fields, input=text)))
    fields = replace(fields, input=input)
    if input:
        return fields
    keep = _longest(
        len(fields.instruction),
        lambda n: fits(replace(fields, instruction=fields.instruction[:n])),
    )
    return replace(fields, instruction=_cut(fields.instruction, keep))


def _shorten_responses(fields: Fields, fits: Callable[[Fields], bool]) -> Fields:
    def limited(limit: int) -> Fields:
        return replace(
            fields,
            response1=_cut(fields.response1, limit),
            response2=_cut(fields.response2, limit),
        )

    longest = max(len(fields.response1), len(fields.response2))
    return limited(_longest(longest, lambda limit: fits(limited(limit))))


def _cut(text: str, length: int) -> str:
    return text[:length].rstrip() if length < len(text) else text


def _longest(upper: int, fits: Callable[[int], bool]) -> int:
    """The largest n in [0, upper] that fits, by bisection; 0 if none does."""
    low, high = 0, upper
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
