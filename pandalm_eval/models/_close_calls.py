"""Verdicts that rounding could turn: found in a batch, to be read again alone.

In a batch the products of matrices are rounded otherwise than for a single prompt. Where two tokens
are nearly equal, and the verdict is another with each, the batch may write the wrong one; and where
the scored verdicts of a pair are nearly equal over both orders, it may decide for the wrong one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from lm_eval.api.instance import Instance
from transformers import LogitsProcessor

from pandalm_eval.judgments import Protocol, read_logprobs, resolve
from pandalm_eval.verdicts import LABELS, TARGETS, Verdict, is_settled, parse_verdict

TOLERANCE = {torch.bfloat16: 0.5, torch.float16: 0.0625, torch.float32: 0.001}
"""Two logits that differ by no more may change places: 4 standard deviations, as measured."""
_RIVALS = 8
_SHARE = 0.8  # of the tolerance, for scored verdicts
_SCORED = [TARGETS[label] for label in LABELS] * 2  # what the protocol asks of a pair, both orders


def tolerance(dtype: torch.dtype) -> float:
    """How far rounding may move the difference of two logits of a model in `dtype`."""
    return TOLERANCE.get(dtype, TOLERANCE[torch.float32])


def decided_together(requests: Sequence[Instance]) -> list[tuple[int, ...]]:
    """Places of the six requests that decide a pair by log-probabilities; any other alone."""
    documents = defaultdict(list)
    for place, request in enumerate(requests):
        documents[request.task_name, request.doc_id].append(place)
    groups: list[tuple[int, ...]] = []
    for places in documents.values():
        is_pair = [requests[place].args[1] for place in places] == _SCORED
        groups += [tuple(places)] if is_pair else [(place,) for place in places]
    return groups


def is_close(logprobs: Sequence[float], dtype: torch.dtype) -> bool:
    """Whether rounding could turn the verdict of a pair or of one of its orders.

    `logprobs` are the pair's six. Each verdict in turn is favoured in both orders, by a share of
    the tolerance, as two errors seldom go the same way.
    """
    gain = _SHARE * tolerance(dtype)

    def verdicts(favoured: Verdict | None) -> tuple[Verdict, ...]:
        readings = [
            read_logprobs(
                [
                    value + gain if label is favoured else value
                    for label, value in zip(labels, values, strict=True)
                ],
                swapped=swapped,
            )
            for swapped, labels, values in (
                (False, LABELS, logprobs[:3]),
                (True, [label.swapped for label in LABELS], logprobs[3:]),
            )
        ]
        pair, _ = resolve(Protocol.LOGPROB, readings)
        return pair, *(reading.verdict for reading in readings)

    return len({verdicts(favoured) for favoured in (None, *LABELS)}) > 1


class CloseCalls(LogitsProcessor):
    """Watches the first line of each row; changes no score.

    Attributes:
        rows: those whose verdict was nearly another.
    """

    def __init__(self, tokenizer: Any, dtype: torch.dtype, *, rows: int, prompt_width: int) -> None:
        self.rows: set[int] = set()
        self._tokenizer = tokenizer
        self._tolerance = tolerance(dtype)
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
