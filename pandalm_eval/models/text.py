"""A judge's text together with what is known about how it came to be."""

from __future__ import annotations

from typing import Literal

Finish = Literal["stop", "length", "error"]


class JudgeText(str):
    """New text of a judge: an ordinary `str` wherever the harness looks at it.

    Attributes:
        finish: why generation ended: `stop` (end of sequence or a stop string), `length`
            (new-token budget used up), `error` (the request failed), None where unknown.
        seconds: time spent on this reading: its batch's wall time divided by the batch's size;
            None where it was not measured.
        new_tokens: number of generated tokens, None where unknown.
    """

    finish: Finish | None
    seconds: float | None
    new_tokens: int | None

    def __new__(
        cls,
        text: str,
        *,
        finish: Finish | None = None,
        seconds: float | None = None,
        new_tokens: int | None = None,
    ) -> JudgeText:
        self = super().__new__(cls, text)
        self.finish = finish
        self.seconds = seconds
        self.new_tokens = new_tokens
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        return (str(self),), {
            "finish": self.finish,
            "seconds": self.seconds,
            "new_tokens": self.new_tokens,
        }
