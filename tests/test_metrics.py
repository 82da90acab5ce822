"""Metrics against scikit-learn, sums by hand, and the figures known for the released verdicts."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.gold import GPT_LABELS, read_gold
from pandalm_eval.human import TEST_SET, read_test_set
from pandalm_eval.judgments import Judgment, Probabilities, Protocol, Reading, decide, resolve
from pandalm_eval.metrics import UNDEFINED, calibration_bins, keys_for, printable, summarise
from pandalm_eval.pairs import Pair
from pandalm_eval.statistics.shares import share
from pandalm_eval.verdicts import LABELS, Invalid, Verdict

FIRST, SECOND, TIE, INVALID = Verdict
NAMES = [verdict.value for verdict in Verdict]


def judgment(
    index: int,
    gold: Verdict | None,
    *told: Verdict | Probabilities,
    prompt: str | None = None,
    lengths: tuple[int, int] = (2, 1),
    truncated: bool = False,
) -> Judgment:
    """A judgment by its readings: one is the single protocol, probabilities the logprob one."""
    readings = tuple(
        Reading(decide(t), None, t, truncated)
        if isinstance(t, tuple)
        else Reading(t, Invalid.NO_VERDICT if t is INVALID else None, None, truncated)
        for t in told
    )
    if len(told) == 1:
        protocol = Protocol.SINGLE
    else:
        scored = any(isinstance(t, tuple) for t in told)
        protocol = Protocol.LOGPROB if scored else Protocol.FULL
    verdict, probabilities = resolve(protocol, readings)
    return Judgment(
        index=index,
        id=str(index),
        prompt_id=prompt or str(index),
        text_hash="",
        model1=None,
        model2=None,
        gold=gold,
        annotators=(),
        length1=lengths[0],
        length2=lengths[1],
        readings=readings,
        verdict=verdict,
        probabilities=probabilities,
    )


def table(*rows: tuple) -> list[Judgment]:
    return [judgment(index, *row) for index, row in enumerate(rows)]


def test_agreement_by_hand() -> None:
    # Judgments: first ✓, first ✗ (gold second), second ✓, invalid ✗ (gold tie), tie ✗ (gold first).
    found = summarise(
        table(
            (FIRST, FIRST, FIRST),
            (SECOND, FIRST, FIRST),
            (SECOND, SECOND, SECOND),
            (TIE, INVALID, FIRST),
            (FIRST, FIRST, SECOND),
        ),
        Protocol.FULL,
    )
    assert found["acc"] == 2 / 5
    # Precision: first 1/2, second 1/1, tie 0/1. Recall: first 1/2, second 1/2, tie 0/1.
    # F1: first 2·1/(2+2) = 1/2, second 2·1/(1+2) = 2/3, tie 0. Gold 2, 2, 1 of 5.
    assert found["precision_macro"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert found["recall_macro"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert found["f1_macro"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert found["precision_weighted"] == pytest.approx((2 * 1 / 2 + 2 * 1 + 0) / 5)
    assert found["recall_weighted"] == pytest.approx(2 / 5)
    assert found["f1_weighted"] == pytest.approx((2 * 1 / 2 + 2 * 2 / 3 + 0) / 5)
    # Chance: (2·2 + 2·1 + 1·1 + 0·1) / 25 = 7/25; kappa = (10/25 - 7/25) / (18/25) = 1/6.
    assert found["kappa"] == pytest.approx(1 / 6)


def test_order_and_length_by_hand() -> None:
    found = summarise(
        [
            # Readings for the pair's own order; forward shows response 1 first, swapped 2.
            judgment(0, FIRST, FIRST, FIRST, lengths=(5, 1)),  # longer; shown first, then second
            judgment(1, FIRST, FIRST, SECOND, lengths=(5, 1)),  # shown first twice: a tie
            judgment(2, FIRST, SECOND, FIRST, lengths=(5, 1)),  # shown second twice
            judgment(3, FIRST, TIE, TIE),
            judgment(4, FIRST, INVALID, SECOND),  # a valid decisive reading, shown first
            judgment(5, FIRST, SECOND, SECOND, lengths=(5, 1)),  # the shorter
            judgment(6, FIRST, SECOND, SECOND, lengths=(3, 3), truncated=True),  # alike in length
            judgment(7, FIRST, INVALID, INVALID),
        ],
        Protocol.FULL,
    )
    # Both valid: 0, 1, 2, 3, 5, 6; equal: 0, 3, 5, 6.
    assert found["position_consistency"] == pytest.approx(4 / 6)
    # Decisive readings: 2 each of 0, 1, 2, 5, 6 and one of 4; shown first: 1, 2, 0, 1, 1 and 1.
    assert found["first_position_rate"] == pytest.approx(6 / 11)
    # Decisive judgments of unequal lengths: 0 (longer), 5 (shorter).
    assert found["prefers_longer_rate"] == pytest.approx(1 / 2)
    assert found["invalid_rate"] == 3 / 16
    assert found["truncated_rate"] == 2 / 16
    assert (found["n_pairs"], found["n_prompts"]) == (8, 8)


def test_calibration_by_hand() -> None:
    found = summarise(
        table(
            # Means: (.8, .1, .1) first ✓; (.6, .3, .1) first ✗ (gold tie); (.62, .2, .18) first ✓.
            (FIRST, (0.9, 0.05, 0.05), (0.7, 0.15, 0.15)),
            (TIE, (0.6, 0.3, 0.1), (0.6, 0.3, 0.1)),
            (FIRST, (0.64, 0.2, 0.16), (0.6, 0.2, 0.2)),
            (SECOND, INVALID, (0.1, 0.8, 0.1)),  # invalid: wrong, and without probabilities
        ),
        Protocol.LOGPROB,
    )
    # .2² + .1² + .1² = .06; .6² + .3² + .9² = 1.26; .38² + .2² + .18² = .2168. Three of them.
    assert found["brier"] == pytest.approx((0.06 + 1.26 + 0.2168) / 3)
    # Bin [.8, .9): |.8 - 1| = .2. Bin [.6, .7): |(.6 + .62) - 1| = .22. Over 3.
    assert found["ece"] == pytest.approx((0.2 + 0.22) / 3)
    assert found["acc"] == 2 / 4
    assert found["invalid_rate"] == 1 / 8


@pytest.mark.parametrize(
    ("probabilities", "brier", "ece"),
    [
        ((1.0, 0.0, 0.0), 0.0, 0.0),  # a certain verdict falls into the last bin, not beyond
        ((0.0, 1.0, 0.0), 2.0, 1.0),  # certain and wrong
        ((1 / 3, 1 / 3, 1 / 3), 2 / 3, 1 / 3),  # a tie by rule, so wrong: |1/3 - 0|
    ],
)
def test_calibration_at_the_ends(probabilities: Probabilities, brier: float, ece: float) -> None:
    found = summarise(table((FIRST, probabilities, probabilities)), Protocol.LOGPROB)
    assert found["brier"] == pytest.approx(brier)
    assert found["ece"] == pytest.approx(ece)


VERDICTS = st.sampled_from(list(Verdict))
GOLD = st.sampled_from(LABELS)
PROBABILITIES = (
    st.tuples(*[st.integers(0, 20)] * 3)
    .filter(any)
    .map(lambda w: (w[0] / sum(w), w[1] / sum(w), w[2] / sum(w)))
)
PROMPTS = st.sampled_from("abcd")
LENGTHS = st.tuples(st.integers(0, 3), st.integers(0, 3))


def judgments(told: st.SearchStrategy) -> st.SearchStrategy[list[Judgment]]:
    rows = st.lists(st.tuples(GOLD, told, told, PROMPTS, LENGTHS), min_size=1, max_size=25)
    return rows.map(
        lambda found: [
            judgment(i, gold, one, two, prompt=prompt, lengths=lengths)
            for i, (gold, one, two, prompt, lengths) in enumerate(found)
        ]
    )


TEXT_JUDGMENTS = judgments(VERDICTS)
SCORED_JUDGMENTS = judgments(PROBABILITIES)


def value_of(judged: Sequence[Judgment], protocol: Protocol, key: str) -> float | str:
    return printable(summarise(judged, protocol)[key])


@given(judged=TEXT_JUDGMENTS)
def test_agreement_is_scikit_learns(judged: list[Judgment]) -> None:
    gold = [j.gold.value for j in judged if j.gold]
    told = [j.verdict.value for j in judged]
    found = summarise(judged, Protocol.FULL)
    assert found["acc"] == pytest.approx(sklearn.metrics.accuracy_score(gold, told))
    for average in ("macro", "weighted"):
        expected = sklearn.metrics.precision_recall_fscore_support(
            gold, told, labels=NAMES[:3], average=average, zero_division=0
        )
        ours = [found[f"{name}_{average}"] for name in ("precision", "recall", "f1")]
        assert ours == pytest.approx(expected[:3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where chance is certain
        kappa = sklearn.metrics.cohen_kappa_score(gold, told, labels=NAMES)
    assert found["kappa"] == pytest.approx(kappa, nan_ok=True)


@given(judged=SCORED_JUDGMENTS)
def test_brier_is_its_definition(judged: list[Judgment]) -> None:
    terms = [
        sum((p - (label is j.gold)) ** 2 for p, label in zip(j.probabilities, LABELS, strict=True))
        for j in judged
        if j.probabilities
    ]
    assert summarise(judged, Protocol.LOGPROB)["brier"] == pytest.approx(sum(terms) / len(terms))


@given(judged=SCORED_JUDGMENTS)
def test_ece_is_its_definition(judged: list[Judgment]) -> None:
    gap = 0.0
    for low in range(10):
        inside = [
            (max(j.probabilities), j.correct)
            for j in judged
            if j.probabilities and min(int(10 * max(j.probabilities)), 9) == low
        ]
        if inside:
            confidence = sum(c for c, _ in inside) / len(inside)
            share = sum(right for _, right in inside) / len(inside)
            gap += len(inside) / len(judged) * abs(confidence - share)
    assert summarise(judged, Protocol.LOGPROB)["ece"] == pytest.approx(gap)
    bins = calibration_bins(judged)
    told = [bin for bin in bins if bin.accuracy is not None and bin.confidence is not None]
    assert sum(bin.n for bin in bins) == sum(bin.n for bin in told) == len(judged)
    assert gap == pytest.approx(
        sum(bin.n * abs(bin.confidence - bin.accuracy) for bin in told) / len(judged)
    )


def test_calibration_bins_by_hand() -> None:
    """Confidences .7, .7 (one right) and .95 (right)."""
    sure, surer = (0.7, 0.2, 0.1), (0.95, 0.03, 0.02)
    judged = [
        judgment(0, FIRST, sure, sure),
        judgment(1, SECOND, sure, sure),
        judgment(2, FIRST, surer, surer),
    ]
    bins = calibration_bins(judged)
    assert [(bin.low, bin.high) for bin in bins[6:8]] == [(0.6, 0.7), (0.7, 0.8)]
    assert [bin.n for bin in bins] == [0] * 7 + [2, 0, 1]
    assert (bins[7].confidence, bins[7].accuracy) == (pytest.approx(0.7), 0.5)
    assert bins[9].ci_low is None  # a single prompt has no interval
    assert calibration_bins([])[9].n == 0


@given(judged=TEXT_JUDGMENTS, seed=st.integers(0, 99))
def test_order_does_not_change_a_digit(judged: list[Judgment], seed: int) -> None:
    shuffled = list(judged)
    random.Random(seed).shuffle(shuffled)
    one, two = (summarise(order, Protocol.FULL) for order in (judged, shuffled))
    assert {k: printable(v) for k, v in one.items()} == {k: printable(v) for k, v in two.items()}


@given(judged=st.one_of(TEXT_JUDGMENTS, SCORED_JUDGMENTS))
def test_intervals_are_ordered(judged: list[Judgment]) -> None:
    protocol = Protocol.LOGPROB if judged[0].probabilities else Protocol.FULL
    found = summarise(judged, protocol)
    for key, value in found.items():
        if f"{key}_ci_low" not in found:
            continue
        low, high, error = (found[f"{key}_{end}"] for end in ("ci_low", "ci_high", "stderr"))
        if not math.isnan(low):
            assert low <= high
            least = -1 if key == "kappa" else 0
            assert least <= low
            assert high <= (2 if key == "brier" else 1)
        if math.isnan(value) or found["n_prompts"] == 1:
            assert math.isnan(low)
            assert math.isnan(error)


@pytest.mark.parametrize("hits", [0, 1, 19, 20, 60, 80, 81, 100])
def test_rare_outcomes_have_the_interval_of_shares(hits: int) -> None:
    """100 prompts of one pair, so that the effective number is 100 whatever the share."""
    verdicts = [FIRST] * hits + [SECOND] * (100 - hits)
    judged = [judgment(i, FIRST, v, v, prompt=str(i)) for i, v in enumerate(verdicts)]
    found = summarise(judged, Protocol.FULL)
    wilson = share(np.array([1.0] * hits + [0.0] * (100 - hits)), np.arange(100))
    is_wilson = (found["acc_ci_low"], found["acc_ci_high"]) == pytest.approx(
        (wilson.low, wilson.high), abs=1e-12
    )
    assert is_wilson == (hits < 20 or hits > 80)
    assert found["acc_ci_low"] < found["acc_ci_high"]


def test_stderr_is_the_clustered_regressions() -> None:
    rng = random.Random(3)
    judged = [
        judgment(i, FIRST, *[rng.choice((FIRST, SECOND))] * 2, prompt=f"p{rng.randrange(20)}")
        for i in range(150)
    ]
    groups = [int(j.prompt_id[1:]) for j in judged]
    right = [float(j.correct) for j in judged]
    fit = sm.OLS(right, [1.0] * 150).fit(cov_type="cluster", cov_kwds={"groups": groups})
    found = summarise(judged, Protocol.FULL)
    assert found["acc"] == pytest.approx(fit.params[0])
    assert found["acc_stderr"] == pytest.approx(fit.bse[0], rel=1e-6)
    assert found["n_prompts"] == len(set(groups))


AGREEMENT = [
    *("acc", "precision_macro", "recall_macro", "f1_macro"),
    *("precision_weighted", "recall_weighted", "f1_weighted", "kappa"),
]
TWO_ORDERS = ["position_consistency", "first_position_rate"]
RATES = ["prefers_longer_rate", "invalid_rate", "truncated_rate"]


@pytest.mark.parametrize(
    ("protocol", "gold", "keys"),
    [
        (Protocol.FULL, True, AGREEMENT + TWO_ORDERS + RATES),
        (Protocol.VERDICT, True, AGREEMENT + TWO_ORDERS + RATES),
        (Protocol.SINGLE, True, AGREEMENT + RATES),
        (Protocol.LOGPROB, True, [*AGREEMENT, *TWO_ORDERS, *RATES, "brier", "ece"]),
        (Protocol.FULL, False, TWO_ORDERS + RATES),
        (Protocol.SINGLE, False, RATES),
        (Protocol.LOGPROB, False, TWO_ORDERS + RATES),
    ],
)
def test_keys(protocol: Protocol, gold: bool, keys: list[str]) -> None:
    expected = [key + end for key in keys for end in ("", "_stderr", "_ci_low", "_ci_high")]
    expected += ["n_pairs", "n_prompts"]
    assert keys_for(protocol, gold=gold) == expected
    p = (0.5, 0.25, 0.25)
    told = [p, p] if protocol is Protocol.LOGPROB else [FIRST] * protocol.orders
    judged = [judgment(i, FIRST if gold else None, *told) for i in range(3)]
    assert list(summarise(judged, protocol)) == expected


@pytest.mark.parametrize(
    ("rows", "protocol", "undefined"),
    [
        # Every pair alike: chance is certain.
        ([(FIRST, FIRST, FIRST)] * 2, Protocol.FULL, {"kappa"}),
        # Ties only: no decisive reading.
        ([(FIRST, TIE, TIE)] * 2, Protocol.FULL, {"first_position_rate", "prefers_longer_rate"}),
        # No valid reading. Accuracy is 0 all the same, and kappa is: observed 0, chance 0.
        (
            [(FIRST, INVALID, INVALID)] * 2,
            Protocol.FULL,
            {"position_consistency", "first_position_rate", "prefers_longer_rate"},
        ),
        (
            [(FIRST, INVALID, (0.5, 0.25, 0.25))] * 2,
            Protocol.LOGPROB,
            {"position_consistency", "prefers_longer_rate", "brier", "ece"},
        ),
    ],
)
def test_undefined(rows: list[tuple], protocol: Protocol, undefined: set[str]) -> None:
    found = {key: printable(value) for key, value in summarise(table(*rows), protocol).items()}
    ends = ("", "_stderr", "_ci_low", "_ci_high")
    expected = {key + end for key in undefined for end in ends}
    assert {key for key, value in found.items() if value == UNDEFINED} == expected
    assert not any(isinstance(v, float) and math.isnan(v) for v in found.values())


def test_one_prompt_has_figures_but_no_errors() -> None:
    judged = [judgment(i, FIRST, v, v, prompt="p") for i, v in enumerate((FIRST, SECOND, TIE))]
    assert value_of(judged, Protocol.FULL, "acc") == pytest.approx(1 / 3)
    for end in ("stderr", "ci_low", "ci_high"):
        assert value_of(judged, Protocol.FULL, f"acc_{end}") == UNDEFINED


def test_printable() -> None:
    assert printable(math.nan) == "N/A" == UNDEFINED
    assert printable(0.25) == 0.25


# Real data ---------------------------------------------------------------------------------------


def judged_by(pairs: Sequence[Pair], told: Sequence[Verdict | None]) -> list[Judgment]:
    """The pairs under the single protocol; None is a verdict that cannot be read."""
    found = []
    for index, (pair, verdict) in enumerate(zip(pairs, told, strict=True)):
        made = judgment(index, pair.gold, verdict or INVALID, prompt=pair.prompt_id)
        lengths = len(pair.response1.strip()), len(pair.response2.strip())
        found.append(replace(made, length1=lengths[0], length2=lengths[1]))
    return found


@pytest.mark.parametrize(
    ("name", "expected", "invalid"),
    [
        # Accuracy, macro precision, recall, F1, and rows without a verdict ("garbage").
        (GPT_LABELS, (0.7107, 0.5879, 0.5736, 0.5755), 25),
        ("pandalm/pandalm-7b-testset-v1.json", (0.6677, 0.5738, 0.5750, 0.5743), 0),
    ],
)
def test_released_verdicts(
    name: str, expected: tuple[float, ...], invalid: int, data_dir: Path
) -> None:
    pairs = read_test_set(data_dir / TEST_SET)
    gold = read_gold(data_dir / name)
    found = summarise(judged_by(pairs, [gold[pair.id] for pair in pairs]), Protocol.SINGLE)
    keys = ("acc", "precision_macro", "recall_macro", "f1_macro")
    assert tuple(round(found[key], 4) for key in keys) == expected
    assert found["invalid_rate"] == pytest.approx(invalid / 999)
    assert (found["n_pairs"], found["n_prompts"]) == (999, 170)
    assert found["acc_ci_low"] < found["acc"] < found["acc_ci_high"]


def test_trivial_judges(data_dir: Path) -> None:
    pairs = read_test_set(data_dir / TEST_SET)
    lengths = [(len(p.response1.strip()), len(p.response2.strip())) for p in pairs]
    longest = [TIE if a == b else FIRST if a > b else SECOND for a, b in lengths]
    found = summarise(judged_by(pairs, longest), Protocol.SINGLE)
    assert round(found["acc"], 4) == 0.6106
    assert round(found["f1_macro"], 4) == 0.4852
    assert found["prefers_longer_rate"] == 1
    second = summarise(judged_by(pairs, [SECOND] * 999), Protocol.SINGLE)
    assert round(second["acc"], 4) == 0.4725  # 472 of 999
    assert second["kappa"] == pytest.approx(0, abs=1e-12)
