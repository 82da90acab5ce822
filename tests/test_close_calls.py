"""What rounding could turn is found, and read again alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lm_eval.api.instance import Instance
from small_judges import PROMPTS, generate, judge, plain
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from pandalm_eval.models import _close_calls
from pandalm_eval.models._close_calls import CloseCalls, decided_together, is_close
from pandalm_eval.verdicts import LABELS, TARGETS

WORDS = ["1", "2", "Tie", "\n", "The", "A", "</s>"]
ONE, TWO, TIE, BREAK, THE, A, END = range(len(WORDS))


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    plain_words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, "A"))
    plain_words.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=plain_words, eos_token="</s>")


def scores(**near: float) -> list[float]:
    """Logits of the words: those named, and far below them the rest."""
    return [near.get(name, -50.0) for name in ("ONE", "TWO", "TIE", "BREAK", "THE", "A", "END")]


@pytest.mark.parametrize(
    ("begun", "logits", "is_close"),
    [
        ([], scores(ONE=9.0, TWO=8.75), True),
        ([], scores(ONE=9.0, TWO=8.0), False),
        ([], scores(ONE=9.0, THE=8.75), True),  # a verdict, or prose
        ([], scores(THE=9.0, A=9.0), False),  # prose, or other prose
        ([BREAK], scores(TIE=9.0, TWO=9.0), True),  # the first line is still to come
        ([ONE], scores(BREAK=9.0, END=9.0), False),  # both end it
        ([ONE], scores(BREAK=9.0, ONE=8.9), True),  # 1, or 11
        ([ONE, BREAK], scores(ONE=9.0, TWO=9.0), False),  # the line has ended
        ([THE], scores(ONE=9.0, TWO=9.0), False),  # prose already
    ],
)
def test_a_call_is_close_where_near_tokens_give_other_verdicts(
    tokenizer: PreTrainedTokenizerFast, begun: list[int], logits: list[float], is_close: bool
) -> None:
    prompt = [A, A]
    watch = CloseCalls(tokenizer, torch.bfloat16, rows=2, prompt_width=len(prompt))
    given = torch.tensor([logits, scores(ONE=9.0)])
    kept = watch(torch.tensor([prompt + begun] * 2), given.clone())
    assert torch.equal(kept, given)
    assert watch.rows == ({0} if is_close else set())


def test_close_rows_are_read_again_alone(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_close_calls.TOLERANCE, torch.float32, torch.inf)
    monkeypatch.setattr(CloseCalls, "_verdict", lambda self, ids: ids[-1])  # all calls are close
    subject = judge(folders["merged"], batch_size=4)
    alone = []
    generated = subject.model.generate

    def counted(**arguments: object) -> object:
        alone.append(len(arguments["input_ids"]))  # type: ignore[arg-type]
        return generated(**arguments)

    monkeypatch.setattr(subject.model, "generate", counted)
    assert generate(subject, PROMPTS) == plain(folders["merged"], PROMPTS)
    assert alone.count(1) >= len(PROMPTS)


def scored(*documents: tuple[str, str]) -> list[Instance]:
    """What the log-probability protocol asks of pairs, by their prompts in both orders."""
    return [
        Instance("loglikelihood", {}, (prompt, TARGETS[label]), idx, ("pairs", number, 1))
        for number, orders in enumerate(documents)
        for idx, (prompt, label) in enumerate((p, v) for p in orders for v in LABELS)
    ]


@pytest.mark.parametrize(
    ("forward", "swapped", "is_near"),
    [
        ([-0.1, -3.0, -6.0], [-3.0, -0.1, -6.0], False),  # first, in both orders
        ([-0.1, -3.0, -6.0], [-0.1, -3.2, -6.0], True),  # the place decides: nearly a tie
        ([-0.1, -3.0, -6.0], [-0.1, -3.0, -6.0], True),  # a tie, as rounded here
        ([-0.1, -3.0, -6.0], [-0.8, -0.9, -6.0], True),  # clear over both, but one order is not
        ([-0.1, -5.0, -6.0], [-0.5, -1.2, -6.0], False),
        ([-3.0, -3.2, -0.1], [-3.2, -3.0, -0.1], False),  # the judge says tie
        ([-2.0, -0.8, -0.9], [-0.8, -2.0, -0.9], True),  # second, or tie
        ([float("nan")] * 3, [-3.0, -0.1, -6.0], False),  # invalid, and stays so
    ],
)
def test_a_scored_pair_is_close_where_a_small_gain_turns_a_verdict(
    forward: list[float], swapped: list[float], is_near: bool
) -> None:
    assert is_close([*forward, *swapped], torch.bfloat16) is is_near
    if not is_near:
        assert not is_close([*forward, *swapped], torch.float32)


def test_only_both_orders_of_a_pair_are_decided_together() -> None:
    pairs = scored(("A:", "B:"), ("C:", "D:"))
    other = Instance("loglikelihood", {}, ("Sky?", " blue"), 0, ("colours", 0, 1))
    assert decided_together([*pairs, other]) == [tuple(range(6)), tuple(range(6, 12)), (12,)]
    without_one = pairs[1:6]  # answered in an earlier run
    assert decided_together(without_one) == [(place,) for place in range(5)]


def test_close_pairs_are_read_again_alone(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a batch size that parts the orders of a pair, and identical responses among them."""
    one, two, three, four, five, _ = PROMPTS
    requests = scored((one, two), (three, three), (four, five))
    expected = judge(folders["merged"], batch_size=1).loglikelihood(requests)
    monkeypatch.setitem(_close_calls.TOLERANCE, torch.float32, 1e4)  # all are close
    subject = judge(folders["merged"], batch_size=3)
    score, sizes, kept = subject._engine.score, [], {}

    def counted(batch: list[object]) -> object:
        sizes.append(len(batch))
        return score(batch)  # type: ignore[arg-type]

    def keep(kind: str, arguments: tuple[str, str], value: object) -> None:
        assert arguments not in kept or arguments[0] == three
        kept[arguments] = value

    monkeypatch.setattr(subject._engine, "score", counted)
    monkeypatch.setattr(subject.cache_hook, "add_partial", keep)
    found = subject.loglikelihood(requests)
    assert sorted(sizes) == [1, 1, 1, 1, 2, 3]
    assert found[:6] + found[12:] == expected[:6] + expected[12:]
    assert found[6:9] == found[9:12]
    assert [kept[request.args] for request in requests] == found


def test_nothing_is_read_again_where_the_user_says_so(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_close_calls.TOLERANCE, torch.float32, 1e4)
    subject = judge(folders["merged"], batch_size=3, exact=False)
    score, sizes = subject._engine.score, []

    def counted(batch: list[object]) -> object:
        sizes.append(len(batch))
        return score(batch)  # type: ignore[arg-type]

    monkeypatch.setattr(subject._engine, "score", counted)
    monkeypatch.setattr(CloseCalls, "__call__", None)  # any use would fail
    subject.loglikelihood(scored((PROMPTS[0], PROMPTS[1]), (PROMPTS[3], PROMPTS[4])))
    assert sorted(sizes) == [1, 3]
    assert len(generate(subject, PROMPTS)) == len(PROMPTS)
