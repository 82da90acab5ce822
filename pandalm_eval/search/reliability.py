"""How far a judge can be trusted with a choice, from the readings that the choice rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pandalm_eval.judgments import Reading
from pandalm_eval.search.readings import Order
from pandalm_eval.statistics.shares import Estimate, share
from pandalm_eval.verdicts import Verdict

CONSISTENT = 0.7
"""Position consistency below which a choice is warned about: of three verdicts one hangs on the
order."""

READABLE = 0.05
"""Invalid rate above which a choice is warned about."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """Figures of some readings.

    Attributes:
        consistency: of the pairs read in both orders with a verdict each, the share whose verdicts
            are equal; clustered by prompt. None without such a pair.
        first_position_rate: of decisive readings, the share for the response shown first; NaN
            without one.
        invalid_rate: share of readings without a verdict; NaN without one.
        readings: how many.
    """

    consistency: Estimate | None
    first_position_rate: float
    invalid_rate: float
    readings: int

    @classmethod
    def of(cls, found: Mapping[Order, Reading], prompt_of: Mapping[str, str]) -> Reliability:
        """The figures of readings; `prompt_of` gives a pair's prompt."""
        decisive = [
            (reading.verdict is Verdict.SECOND) == order.swapped
            for order, reading in found.items()
            if reading.verdict in (Verdict.FIRST, Verdict.SECOND)
        ]
        invalid = sum(reading.verdict is Verdict.INVALID for reading in found.values())
        return cls(
            _consistency(found, prompt_of),
            float(np.mean(decisive)) if decisive else math.nan,
            invalid / len(found) if found else math.nan,
            len(found),
        )

    def warnings(self) -> list[str]:
        """What speaks against trusting the choice, with its figure."""
        told = []
        if self.consistency is None:
            told.append("no pair has a verdict in both orders, so position consistency is unknown")
        elif self.consistency.value < CONSISTENT:
            told.append(
                f"position consistency is {self.consistency.value:.4f} "
                f"[{self.consistency.low:.4f}, {self.consistency.high:.4f}] of "
                f"{self.consistency.n} pairs, below {CONSISTENT}: much of what this judge says "
                "hangs on the order in which it reads"
            )
        if self.invalid_rate > READABLE:
            told.append(
                f"{self.invalid_rate:.4f} of {self.readings} readings are invalid, more than "
                f"{READABLE}"
            )
        return told


def _consistency(found: Mapping[Order, Reading], prompt_of: Mapping[str, str]) -> Estimate | None:
    equal, prompts = [], []
    for order, reading in found.items():
        other = None if order.swapped else found.get(Order(order.pair, True))
        if other is None or Verdict.INVALID in (reading.verdict, other.verdict):
            continue
        equal.append(float(reading.verdict is other.verdict))
        prompts.append(prompt_of[order.pair])
    if not equal:
        return None
    return share(np.array(equal), np.unique(prompts, return_inverse=True)[1])


def read_once(found: Mapping[Order, Reading]) -> Iterable[str]:
    """Ids of the pairs that were read in one order only."""
    for order in found:
        if Order(order.pair, not order.swapped) not in found:
            yield order.pair
