"""Verdicts that rounding could turn: found while a batch is generated, to be read again alone.

In a batch the products of matrices are rounded otherwise than for a single prompt. Where two tokens
are nearly equal, and the verdict is another with each, the batch may write the wrong one.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import LogitsProcessor

from pandalm_eval.verdicts import Verdict, is_settled, parse_verdict

TOLERANCE = {torch.bfloat16: 0.5, torch.float16: 0.0625, torch.float32: 0.001}
"""Two logits that differ by no more may change places: 4 standard deviations, as measured."""
_RIVALS = 8


class CloseCalls(LogitsProcessor):
    """Watches the first line of each row; changes no score.

    Attributes:
        rows: those whose verdict was nearly another.
    """

    def __init__(self, tokenizer: Any, dtype: torch.dtype, *, rows: int, prompt_width: int) -> None:
        self.rows: set[int] = set()
        self._tokenizer = tokenizer
        self._tolerance = TOLERANCE.get(dtype, TOLERANCE[torch.float32])
        self._width = prompt_width
        self._open = set(range(rows))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if not self._open:
            return scores
        values, tokens = scores.topk(min(_RIVALS, scores.shape[-1]))
        near = values >= values[:, :1] - self._tolerance
        for row in sorted(self._open):
            ids = input_ids[row, self._width :].tolist()
            rivals = tokens[row][near[row]].tolist()
            if is_settled(begun := self._text(ids)) or "\n" in begun.lstrip():
                self._open.remove(row)
            elif len({self._verdict([*ids, rival]) for rival in rivals}) > 1:
                self._open.remove(row)
                self.rows.add(row)
        return scores

    def _verdict(self, ids: list[int]) -> Verdict:
        return parse_verdict(self._text(ids)).verdict

    def _text(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))
