"""pandalm_eval.search.judging: every order is read once, and by one process."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from pandalm_eval.judgments import Protocol
from pandalm_eval.models.rule import RuleJudge
from pandalm_eval.pairs import Pair
from pandalm_eval.search.judging import Judge
from pandalm_eval.search.readings import Readings
from pandalm_eval.search.space import Judging
from pandalm_eval.single_orders import Ordered
from pandalm_eval.verdicts import Verdict


def pairs(count: int) -> list[Pair]:
    return [
        Pair(f"p{n}:a:b", f"p{n}", f"Prompt {n}", "", "long answer", "short", None, "a", "b")
        for n in range(count)
    ]


def orders(count: int) -> list[Ordered]:
    return [(pair, swapped) for pair in pairs(count) for swapped in (False, True)]


def longest(protocol: Protocol = Protocol.VERDICT) -> Judging:
    return Judging("rule", {"name": "longest"}, protocol)


@pytest.mark.parametrize("protocol", [Protocol.VERDICT, Protocol.FULL, Protocol.LOGPROB])
def test_verdicts_are_told_for_the_pairs_own_order(tmp_path: Path, protocol: Protocol) -> None:
    told = longest(protocol)
    with Judge(told, Readings(tmp_path, told)) as judge:
        found = judge.read([(pairs(1)[0], True), (pairs(2)[1], False)])
    assert [reading.verdict for reading in found] == [Verdict.FIRST, Verdict.FIRST]


def test_equal_answers_are_a_tie_that_nobody_reads(tmp_path: Path) -> None:
    same = Pair("p:a:b", "p", "Prompt", "", "same", "same", None, "a", "b")
    for protocol in (Protocol.VERDICT, Protocol.LOGPROB):
        told = longest(protocol)
        with Judge(told, Readings(tmp_path, told)) as judge:
            (reading,) = judge.read([(same, True)])
        assert reading.verdict is Verdict.TIE
        assert judge.made.readings == 0
        assert len(judge.readings) == 1  # kept all the same: it tells of both candidates


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prompts that the rule was really asked."""
    prompts: list[str] = []
    original = RuleJudge.generate_until

    def noted(self: Any, requests: Any, **more: Any) -> Any:
        prompts.extend(request.args[0] for request in requests)
        return original(self, requests, **more)

    monkeypatch.setattr(RuleJudge, "generate_until", noted)
    return prompts


def test_nothing_is_read_twice(tmp_path: Path, asked: list[str]) -> None:
    for _ in range(2):
        with Judge(longest(), Readings(tmp_path, longest())) as judge:
            judge.read(orders(70)[:100])
            judge.read(orders(70))
    assert len(asked) == len(set(asked)) == 140


def test_two_processes_share_a_batch(tmp_path: Path, asked: list[str]) -> None:
    found = {}

    def work(name: int) -> None:
        with Judge(longest(), Readings(tmp_path, longest())) as judge:
            found[name] = judge.read(orders(200))

    both = [threading.Thread(target=work, args=(name,)) for name in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(timeout=60)
    assert found[0] == found[1]
    assert len(asked) == len(set(asked)) == 400


def test_a_judge_that_fails_loses_nothing(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = RuleJudge.generate_until

    def failing(self: Any, requests: Any, **more: Any) -> Any:
        if len(asked) >= 128:
            raise RuntimeError("the device is gone")
        return noted(self, requests, **more)

    monkeypatch.setattr(RuleJudge, "generate_until", failing)
    with (
        Judge(longest(), Readings(tmp_path, longest())) as judge,
        pytest.raises(RuntimeError, match="the device is gone"),
    ):
        judge.read(orders(100))
    monkeypatch.setattr(RuleJudge, "generate_until", noted)
    with Judge(longest(), Readings(tmp_path, longest())) as judge:
        assert len(judge.readings) == 128
        assert len(judge.read(orders(100))) == 200
    assert len(asked) == 200
