"""Requests into batches: by number of rows or by tokens, longest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, TypeVar

import torch

from pandalm_eval.errors import InputError
from pandalm_eval.models._prefill import families

# batch_size=auto: tokens that one batch keeps in memory (prompts and new tokens of all rows and
# beams). About 8 GB of keys and values for a 7B model; halved where that does not fit.
TOKENS_PER_BATCH = 16_384
SHORTEST_SHARE = 0.5


class Sized(Protocol):
    """What a batch is made of: a prompt's token ids, and how many tokens it keeps in memory."""

    ids: list[int]

    @property
    def tokens(self) -> int: ...


Work = TypeVar("Work", bound=Sized)
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Batching:
    """Rows of a batch: exactly `rows`, or with None as many as fit `TOKENS_PER_BATCH`.

    `packed`: whether prompts are read without padding, so that their lengths may differ.
    """

    rows: int | None
    most_rows: int
    packed: bool = False

    def split(self, work: list[Work]) -> Iterator[list[Work]]:
        """Yield batches of about equal lengths; the longest first, as it is what may not fit.

        Prompts that begin alike stay together.
        """
        alike = [[work[place] for place in family] for family in families([w.ids for w in work])]
        alike.sort(key=lambda family: -max(len(item.ids) for item in family))
        batch: list[Work] = []
        for item in chain.from_iterable(alike):
            if batch and self._is_full(batch, item):
                yield batch
                batch = []
            batch.append(item)
        if batch:
            yield batch

    def _is_full(self, batch: list[Work], item: Work) -> bool:
        if self.rows is not None:
            return len(batch) == self.rows
        # A row much shorter than the first would mostly be padding.
        if not self.packed and len(item.ids) < SHORTEST_SHARE * len(batch[0].ids):
            return True
        # Padded to the longest, every row takes as much as the largest.
        widest = max(one.tokens for one in [*batch, item])
        return len(batch) == self.most_rows or widest * (len(batch) + 1) > TOKENS_PER_BATCH


def run_fitting(run: Callable[[list[Work]], list[Answer]], batch: list[Work]) -> list[Answer]:
    """Run a batch, in halves where the device has too little memory for it.

    Raises:
        InputError: a single prompt does not fit.
    """
    try:
        return run(batch)
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            raise InputError(
                f"the device has too little memory for a single prompt of {len(batch[0].ids)} "
                "tokens: use dtype=bfloat16, fewer new tokens, or parallelize=True."
            ) from error
    torch.accelerator.empty_cache()
    half = len(batch) // 2
    return run_fitting(run, batch[:half]) + run_fitting(run, batch[half:])
