"""What rounding could turn is found, and read again alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_judges import PROMPTS, generate, judge, plain
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from pandalm_eval.models import _close_calls
from pandalm_eval.models._close_calls import CloseCalls

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
