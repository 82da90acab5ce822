"""pandalm_eval.search.choose, contestants, reliability: from answers to a choice that is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.instructions import Prompt
from pandalm_eval.judgments import Reading
from pandalm_eval.responses import Candidate
from pandalm_eval.search.choose import STRATEGIES, as_text, choose, read_choice, write_choice
from pandalm_eval.search.contestants import Contestants, as_answers
from pandalm_eval.search.judging import Judge
from pandalm_eval.search.readings import Order, Readings
from pandalm_eval.search.reliability import Reliability
from pandalm_eval.search.space import Judging
from pandalm_eval.search.strategies.asking import Asked
from pandalm_eval.verdicts import Verdict

LONGEST = Judging("rule", {"name": "longest"})
LENGTHS = {"delta": 3, "alpha": 9, "charlie": 1, "bravo": 5}


def candidates(prompts: int = 12) -> list[Candidate]:
    """Answers of different lengths, so that the rule prefers alpha, then bravo."""
    return [
        Candidate(
            name,
            {Prompt(f"Prompt {n}", ""): "x" * (length + n) for n in range(prompts)},
            Path(name),
        )
        for name, length in LENGTHS.items()
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_finds_what_the_judge_prefers(tmp_path: Path, strategy: str) -> None:
    options = {"seed": 1} | (
        {"budget": 160} if strategy in ("adaptive", "uniform", "halving") else {}
    )
    with Judge(LONGEST, Readings(tmp_path, LONGEST)) as judge:
        found = choose(Contestants(candidates()), judge, strategy, options, {})
    assert found.best == "alpha"
    assert found.candidates == ["delta", "alpha", "charlie", "bravo"]
    assert (found.invalid_rate, found.warnings) == (0, [])
    assert found.made == found.asked + found.probed > 0


def test_the_command_line_names_every_strategy() -> None:
    """It does not import them, since every command would pay for that."""
    from pandalm_eval.cli.search import _STRATEGIES

    assert tuple(STRATEGIES) == _STRATEGIES


def test_a_second_choice_reads_nothing_again(tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        with Judge(LONGEST, Readings(tmp_path, LONGEST)) as judge:
            found.append(choose(Contestants(candidates()), judge, "sequential", {"seed": 1}, {}))
    # Two blocks of two: 3 contests × 12 prompts × 2 orders.
    assert [(one.asked, one.made) for one in found] == [(72, 72), (72, 0)]
    assert found[0].best == found[1].best


def test_the_other_order_of_some_pairs_tells_how_consistent_the_judge_is(tmp_path: Path) -> None:
    options = {"seed": 1, "budget": 30}
    with Judge(LONGEST, Readings(tmp_path, LONGEST)) as judge:
        found = choose(Contestants(candidates()), judge, "uniform", options, {})
    assert found.asked <= 30
    assert found.consistency is not None
    assert found.consistency[0] == 1
    assert found.probed > 0


def test_a_choice_is_kept_and_read_back(tmp_path: Path) -> None:
    with Judge(LONGEST, Readings(tmp_path, LONGEST)) as judge:
        found = choose(
            Contestants(candidates()), judge, "round_robin", {"seed": 1}, {"echo": "diverged"}
        )
    path = write_choice(tmp_path, found)
    assert json.loads(path.read_text())["best"] == "alpha"
    again = read_choice(tmp_path)
    assert (again.best, again.missing) == ("alpha", {"echo": "diverged"})
    text = as_text(again)
    assert text.startswith("alpha is chosen by round_robin among 4 candidates on 12 prompts")
    assert "diverged" in text
    assert "looks better than it is" in text


def test_several_choices_must_be_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has choices by: none"):
        read_choice(tmp_path)
    with Judge(LONGEST, Readings(tmp_path, LONGEST)) as judge:
        for strategy in ("round_robin", "sequential"):
            found = choose(Contestants(candidates()), judge, strategy, {"seed": 1}, {})
            write_choice(tmp_path, found)
    with pytest.raises(UsageError, match="round_robin, sequential"):
        read_choice(tmp_path)
    assert read_choice(tmp_path, "sequential").strategy == "sequential"


def test_candidates_must_have_answered_the_same(tmp_path: Path) -> None:
    other = Candidate("other", {Prompt("Another", ""): "x"}, Path("other"))
    with pytest.raises(InputError, match="answered different prompts"):
        Contestants([*candidates(), other])
    with pytest.raises(UsageError, match="at least two candidates"):
        Contestants(candidates()[:1])


def test_a_pair_has_one_name_whatever_the_numbers_are() -> None:
    contestants = Contestants(candidates())
    one, exchanged = contestants.pair(1, 3, 0)  # alpha, bravo
    other, turned = contestants.pair(3, 1, 0)
    assert one == other
    assert (exchanged, turned) == (False, True)
    batch = Asked(
        first=np.array([0, 1]),
        second=np.array([1, 3]),
        prompt=np.array([2, 2]),
        swapped=np.array([False, True]),
    )
    orders, told = contestants.orders(batch)
    # delta against alpha is told as alpha against delta, so that its own order is the swapped one.
    assert [(pair.model1, pair.model2, swapped) for pair, swapped in orders] == [
        ("alpha", "delta", True),
        ("alpha", "bravo", True),
    ]
    assert told == [True, False]


def test_answers_are_probabilities_from_the_askers_side() -> None:
    readings = [
        Reading(Verdict.FIRST),
        Reading(Verdict.FIRST),
        Reading(Verdict.INVALID),
        Reading(Verdict.TIE, probabilities=(0.3, 0.2, 0.5)),
    ]
    found = as_answers(readings, [False, True, False, True])
    expected = [[1, 0, 0], [0, 1, 0], [np.nan] * 3, [0.2, 0.3, 0.5]]
    np.testing.assert_array_equal(found, expected)


def reliability(*verdicts: tuple[Verdict, Verdict]) -> Reliability:
    found = {}
    for number, both in enumerate(verdicts):
        for swapped, verdict in zip((False, True), both, strict=True):
            found[Order(str(number), swapped)] = Reading(verdict)
    return Reliability.of(found, {str(number): str(number) for number in range(len(verdicts))})


def test_a_judge_that_says_always_the_first_is_warned_about() -> None:
    found = reliability(*[(Verdict.FIRST, Verdict.SECOND)] * 30)
    assert found.first_position_rate == 1
    (warning,) = found.warnings()
    assert warning.startswith("position consistency is 0.0000 [0.0000, ")
    assert "of 30 pairs, below 0.7" in warning


def test_invalid_readings_are_warned_about() -> None:
    invalid = (Verdict.INVALID, Verdict.FIRST)
    found = reliability(*[(Verdict.FIRST, Verdict.FIRST)] * 8, invalid, invalid)
    assert found.invalid_rate == 0.1  # 2 of 20
    assert found.warnings() == ["0.1000 of 20 readings are invalid, more than 0.05"]


def test_without_both_orders_consistency_is_unknown() -> None:
    found = Reliability.of({Order("a", False): Reading(Verdict.FIRST)}, {"a": "p"})
    assert found.consistency is None
    assert "is unknown" in found.warnings()[0]
