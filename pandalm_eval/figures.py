"""Figures of a run as the harness asks for them: key by key, each from the list of judgments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pandalm_eval.judgments import Judgment, Protocol
from pandalm_eval.metrics import SUFFIXES, keys_for, metrics_for, printable, summarise

Summarise = Callable[[Sequence[Judgment]], Mapping[str, float]]


class Figures:
    """Computes all figures of the same judgments once.

    Attributes:
        keys: of the results file, in its order.
        higher_is_better: by key, for the harness's arrows.
    """

    def __init__(
        self, keys: Sequence[str], summarise: Summarise, higher_is_better: Mapping[str, bool]
    ) -> None:
        self.keys = list(keys)
        self.higher_is_better = dict(higher_is_better)
        self._summarise = summarise
        self._of: tuple[int, ...] = ()
        self._values: Mapping[str, float] = {}

    def value(self, key: str, judgments: Sequence[Judgment]) -> float | str:
        """The figure `key` of the judgments, `N/A` where it is undefined."""
        same = tuple(map(id, judgments))
        if same != self._of:
            self._values, self._of = self._summarise(judgments), same
        return printable(self._values[key])


def agreement_figures(protocol: Protocol, *, gold: bool) -> Figures:
    """Judge against gold, and the judge's biases."""
    return Figures(
        keys_for(protocol, gold=gold),
        lambda judgments: summarise(judgments, protocol),
        {
            f"{metric.key}{suffix}": metric.higher_is_better
            for metric in metrics_for(protocol, gold=gold)
            for suffix in SUFFIXES
        },
    )
