"""Metrics of judged pairs against gold: definitions, standard errors, intervals.

Each metric is a function of sums over pairs, so `Sums` names the columns that a pair contributes
and the functions below are written once for totals and for bootstrap draws alike.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pandalm_eval.columns import FIRST, INVALID, NONE, SECOND, Columns
from pandalm_eval.judgments import Judgment, Protocol
from pandalm_eval.statistics.clusters import (
    Floats,
    Numbers,
    Truths,
    bootstrap_sums,
    clustered_error,
    interval,
)
from pandalm_eval.statistics.shares import share, share_of_counts

UNDEFINED = "N/A"
"""What a results file says where the data leaves a value undefined."""

LEAST_EITHER_WAY = 20
"""Prompts with a hit, and with a miss, from which on a share's interval is the bootstrap's."""

_BINS = 10
"""Of the highest probability; equally wide."""

# Columns of a pair: gold × verdict (3 × 4, invalid last), then counts, then calibration by bin.
_CONFUSION = slice(0, 12)
_COUNTS = (
    "labelled",
    "correct",
    "both_valid",
    "consistent",
    "decisive_readings",
    "shown_first",
    "unequal_lengths",
    "longer",
    "readings",
    "invalid_readings",
    "truncated_readings",
    "with_probabilities",
    "brier",
)
_AT = {name: 12 + i for i, name in enumerate(_COUNTS)}
_CALIBRATION = slice(12 + len(_COUNTS), 12 + len(_COUNTS) + 2 * _BINS)
_WIDTH = _CALIBRATION.stop


def _counted(judged: Columns) -> Iterator[tuple[str, Floats | Truths]]:
    """What each pair adds to the columns of `_COUNTS`, (n,) each; a column that it skips is 0."""
    orders, n = judged.orders, len(judged)
    yield "labelled", judged.is_labelled
    yield "correct", judged.is_labelled & judged.is_correct
    decisive = [(order.verdict == FIRST) | (order.verdict == SECOND) for order in orders]
    shown_first = [order.verdict == code for order, code in zip(orders, (FIRST, SECOND))]  # noqa: B905
    yield "decisive_readings", _total(decisive, n)
    yield "shown_first", _total(shown_first, n)
    yield "readings", _total([order.is_read for order in orders], n)
    yield "invalid_readings", _total([order.verdict == INVALID for order in orders], n)
    yield "truncated_readings", _total([order.truncated for order in orders], n)
    if len(orders) == 2:
        forward, swapped = (order.verdict for order in orders)
        both = (forward != INVALID) & (swapped != INVALID) & (forward != NONE) & (swapped != NONE)
        yield "both_valid", both
        yield "consistent", both & (forward == swapped)
    decided = (judged.verdict == FIRST) | (judged.verdict == SECOND)
    unequal = decided & (judged.length1 != judged.length2)
    longer = np.where(judged.length1 > judged.length2, FIRST, SECOND)
    yield "unequal_lengths", unequal
    yield "longer", unequal & (judged.verdict == longer)


def _total(parts: Sequence[Truths], n: int) -> Floats:
    return np.sum(parts, axis=0, dtype=np.float64) if parts else np.zeros(n)


def _calibration(judged: Columns) -> tuple[Numbers, Floats, Numbers, Floats] | None:
    """Of the pairs with probabilities and gold: places, highest probability, its bin, Brier score.

    None where there is no such pair.
    """
    if judged.probabilities is None:
        return None
    rows = np.flatnonzero(judged.is_labelled & ~np.isnan(judged.probabilities[:, 0]))
    told = judged.probabilities[rows]
    confidence = told.max(axis=1, initial=0)
    bins = np.minimum((confidence * _BINS).astype(np.intp), _BINS - 1)
    brier = np.array(
        [
            math.fsum((p - (label == gold)) ** 2 for label, p in enumerate(row))
            for row, gold in zip(told.tolist(), judged.gold[rows].tolist(), strict=True)
        ]
    )
    return rows, confidence, bins, brier


def _share(part: Floats, whole: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(whole > 0, part / whole, np.nan)
    return result


@dataclass(frozen=True, slots=True)
class Share:
    """A metric that counts: how many of the pairs or readings in `whole` are in `part`, too."""

    part: str
    whole: str

    def counts(self, sums: Floats) -> tuple[Floats, Floats]:
        """Both counts, (...)."""
        return sums[..., _AT[self.part]], sums[..., _AT[self.whole]]

    def __call__(self, sums: Floats) -> Floats:
        """The share, (...); NaN where there is nothing to count."""
        return _share(*self.counts(sums))

    def ends(self, sums: Floats, draws: Floats) -> tuple[float, float]:
        """The 95% interval from sums by prompt (prompts, k) and bootstrap values (draws,).

        Where fewer than `LEAST_EITHER_WAY` prompts have a hit, or a miss, the bootstrap is too
        narrow, and at 0 or 1 it has no width at all; the interval is Wilson's then, on the
        effective number of pairs (`statistics.shares`).
        """
        part, whole = self.counts(sums)
        if min((part > 0).sum(), (part < whole).sum()) >= LEAST_EITHER_WAY:
            return interval(draws)
        found = share_of_counts(part, whole)
        return found.low, found.high


def _confusion(sums: Floats) -> Floats:
    return sums[..., _CONFUSION].reshape(*sums.shape[:-1], 3, 4)


def _by_label(table: Floats, name: str) -> Floats:
    """Precision, recall or F1 of first, second, tie: (..., 3); 0 where it would divide by zero."""
    hits = np.diagonal(table[..., :3], axis1=-2, axis2=-1)
    gold = table.sum(axis=-1)
    told = table[..., :3].sum(axis=-2)
    whole = {"precision": told, "recall": gold, "f1": (gold + told) / 2}[name]
    shares: Floats = np.divide(hits, whole, out=np.zeros_like(hits), where=whole > 0)
    return shares


def agreement(sums: Floats, *, name: str, weighted: bool) -> Floats:
    """Precision, recall or F1 over {first, second, tie}, always all three.

    Macro is the plain mean of the three; weighted weights them by their number of gold labels.
    """
    table = _confusion(sums)
    values = _by_label(table, name)
    if not weighted:
        return np.where(table.sum(axis=(-2, -1)) > 0, values.mean(axis=-1), np.nan)
    gold = table.sum(axis=-1)
    return _share((values * gold).sum(axis=-1), gold.sum(axis=-1))


def kappa(sums: Floats) -> Floats:
    """Cohen's kappa, invalid as a fourth category of the judge; NaN where chance is certain."""
    table = _confusion(sums)
    n = table.sum(axis=(-2, -1))
    observed = _share(np.trace(table[..., :3], axis1=-2, axis2=-1), n)
    chance = _share((table.sum(axis=-1) * table[..., :3].sum(axis=-2)).sum(axis=-1), n * n)
    return _share(observed - chance, 1 - chance)


def brier_score(sums: Floats) -> Floats:
    """Mean over pairs of Σ (p − y)² over the three verdicts, in [0, 2]."""
    return _share(sums[..., _AT["brier"]], sums[..., _AT["with_probabilities"]])


def calibration_error(sums: Floats) -> Floats:
    """Expected calibration error over 10 equal-width bins of the highest probability, in [0, 1]."""
    bins = sums[..., _CALIBRATION]
    gaps = np.abs(bins[..., :_BINS] - bins[..., _BINS:]).sum(axis=-1)
    return _share(gaps, sums[..., _AT["with_probabilities"]])


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """One of the bins of the calibration error.

    Attributes:
        low, high: which probabilities fall into it; the last one has its high end, too.
        n: pairs in it.
        confidence: their mean highest probability; None of an empty bin, as all below.
        accuracy: share of them whose verdict is gold, with `ci_low` and `ci_high` (95%, by
            prompt; None where it is not defined).
    """

    low: float
    high: float
    n: int
    confidence: float | None = None
    accuracy: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


def calibration_bins(judgments: Sequence[Judgment]) -> list[CalibrationBin]:
    """The bins that `calibration_error` sums over, of the judgments with probabilities and gold."""
    judged = Columns.of(judgments)
    if (found := _calibration(judged)) is None:
        return [CalibrationBin(low / _BINS, (low + 1) / _BINS, 0) for low in range(_BINS)]
    rows, confidence, places, _ = found
    judged = judged.take(rows)
    clusters, hits = judged.clusters(), judged.is_correct.astype(np.float64)
    bins = []
    for number in range(_BINS):
        low, high, inside = number / _BINS, (number + 1) / _BINS, places == number
        n = int(inside.sum())
        if not n:
            bins.append(CalibrationBin(low, high, 0))
            continue
        of = share(hits[inside], clusters[inside])
        ends = (None, None) if math.isnan(of.low) else (of.low, of.high)
        mean = float(confidence[inside].mean())
        bins.append(CalibrationBin(low, high, n, mean, of.value, *ends))
    return bins


@dataclass(frozen=True, slots=True)
class Metric:
    """A key of the results file.

    Attributes:
        key: its name.
        of: from sums (..., k) to values (...).
        higher_is_better: for the harness's arrows.
        protocols: where the key has a meaning.
        needs_gold: whether it compares with a label.
    """

    key: str
    of: Callable[[Floats], Floats]
    higher_is_better: bool = True
    protocols: frozenset[Protocol] = frozenset(Protocol)
    needs_gold: bool = True


_TWO_ORDERS = frozenset(Protocol) - {Protocol.SINGLE}
_LOGPROB = frozenset({Protocol.LOGPROB})

METRICS = (
    Metric("acc", Share("correct", "labelled")),
    *(
        Metric(f"{name}_{kind}", partial(agreement, name=name, weighted=kind == "weighted"))
        for kind in ("macro", "weighted")
        for name in ("precision", "recall", "f1")
    ),
    Metric("kappa", kappa),
    Metric(
        "position_consistency",
        Share("consistent", "both_valid"),
        protocols=_TWO_ORDERS,
        needs_gold=False,
    ),
    Metric(
        "first_position_rate",
        Share("shown_first", "decisive_readings"),
        higher_is_better=False,
        protocols=_TWO_ORDERS,
        needs_gold=False,
    ),
    Metric(
        "prefers_longer_rate",
        Share("longer", "unequal_lengths"),
        higher_is_better=False,
        needs_gold=False,
    ),
    Metric(
        "invalid_rate",
        Share("invalid_readings", "readings"),
        higher_is_better=False,
        needs_gold=False,
    ),
    Metric(
        "truncated_rate",
        Share("truncated_readings", "readings"),
        higher_is_better=False,
        needs_gold=False,
    ),
    Metric("brier", brier_score, False, _LOGPROB),
    Metric("ece", calibration_error, False, _LOGPROB),
)
"""In the order of the results table."""

COUNTS = ("n_pairs", "n_prompts")
SUFFIXES = ("", "_stderr", "_ci_low", "_ci_high")


def metrics_for(protocol: Protocol, *, gold: bool) -> list[Metric]:
    """The metrics that have a meaning for a protocol, with or without a gold label."""
    return [m for m in METRICS if protocol in m.protocols and (gold or not m.needs_gold)]


def keys_for(protocol: Protocol, *, gold: bool) -> list[str]:
    """Every key of a results file, in order: each metric with error and interval, then counts."""
    metrics = metrics_for(protocol, gold=gold)
    return [f"{m.key}{suffix}" for m in metrics for suffix in SUFFIXES] + list(COUNTS)


def sums_by_cluster(judgments: Sequence[Judgment]) -> Floats:
    """Column sums by prompt, (prompts, k), prompts in the order of their first pair."""
    judged = Columns.of(judgments)
    clusters = judged.clusters()
    count = int(clusters.max()) + 1
    sums = np.zeros((count, _WIDTH))  # one column after the other: all of them by pair are 360 MB

    def by_cluster(rows: Numbers | Truths, values: Floats | None = None) -> Floats:
        return np.bincount(clusters[rows], values, count).astype(np.float64)

    for gold, verdict in itertools.product(range(3), range(4)):
        sums[:, 4 * gold + verdict] = by_cluster(
            (judged.gold == gold) & (judged.verdict == verdict)
        )
    for name, values in _counted(judged):
        sums[:, _AT[name]] = np.bincount(clusters, values, count)
    if (found := _calibration(judged)) is not None:
        rows, confidence, bins, brier = found
        sums[:, _AT["with_probabilities"]] = by_cluster(rows)
        sums[:, _AT["brier"]] = by_cluster(rows, brier)
        correct = judged.is_correct[rows]
        for number in range(_BINS):
            inside = bins == number
            at = _CALIBRATION.start + number
            sums[:, at] = by_cluster(rows[inside], confidence[inside])
            sums[:, at + _BINS] = by_cluster(rows[inside & correct])
    return sums


def summarise(
    judgments: Sequence[Judgment], protocol: Protocol, *, gold: bool | None = None
) -> dict[str, float]:
    """Every key with its value: metric, `_stderr`, `_ci_low`, `_ci_high`, and counts.

    Args:
        judgments: at least one, in any order: they are sorted by index, so that ranks and limits
            cannot change a digit.
        gold: whether they are compared with gold; by default where one of them has it.

    Returns:
        {key: value}; NaN where the data leaves a value undefined.
    """
    judged = Columns.of(judgments).by_index()
    sums = sums_by_cluster(judged)
    with_gold = bool(judged.is_labelled.any()) if gold is None else gold
    metrics = metrics_for(protocol, gold=with_gold)
    total = sums.sum(axis=0)
    draws: dict[str, list[Floats]] = {metric.key: [] for metric in metrics}
    if len(sums) > 1:
        for chunk in bootstrap_sums(sums):
            for metric in metrics:
                draws[metric.key].append(metric.of(chunk))
    values: dict[str, float] = {}
    for metric in metrics:
        value = float(metric.of(total))
        defined = not math.isnan(value) and len(sums) > 1
        low, high = math.nan, math.nan
        if defined:
            drawn = np.concatenate(draws[metric.key])
            of = metric.of
            low, high = of.ends(sums, drawn) if isinstance(of, Share) else interval(drawn)
        values[metric.key] = value
        values[f"{metric.key}_stderr"] = clustered_error(metric.of, sums) if defined else math.nan
        values[f"{metric.key}_ci_low"], values[f"{metric.key}_ci_high"] = low, high
    return values | {"n_pairs": len(judged), "n_prompts": len(sums)}


def printable(value: float) -> float | str:
    """The value, or `N/A` where it is undefined: results files never hold NaN."""
    return UNDEFINED if math.isnan(value) else value
