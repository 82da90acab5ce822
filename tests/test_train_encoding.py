from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_judges import TOKENIZERS
from transformers import AutoTokenizer

from pandalm_eval.errors import InputError
from pandalm_eval.models.tokens import Encoder
from pandalm_eval.prompts import Fields, PromptStyle, render, target
from pandalm_eval.verdicts import LABELS, TARGETS, Verdict
from train_judge.config import Learns
from train_judge.encoding import ExampleEncoder
from train_judge.examples import Example

EXAMPLE = Example(
    instruction="Name three colours.",
    input="as a list",
    response1="red, green and blue",
    response2="One.",
    verdict=Verdict.FIRST,
    reason="Response 1 names three.",
    reference="red, green, blue",
)


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest, folders: dict[str, Path]) -> object:
    return AutoTokenizer.from_pretrained(folders[request.param])


def prompt_of(example: Example) -> str:
    fields = Fields.clean(example.instruction, example.input, example.response1, example.response2)
    return render(PromptStyle.PANDALM, fields)


@pytest.mark.parametrize("learns", [Learns.ALL, Learns.VERDICT])
@pytest.mark.parametrize("verdict", LABELS)
def test_what_is_learnt_is_what_judging_reads_and_scores(
    tokenizer: object, learns: Learns, verdict: Verdict
) -> None:
    example = replace(EXAMPLE, verdict=verdict)
    encoded = ExampleEncoder(tokenizer, 2048, learns)(example)
    judge = Encoder(tokenizer)
    prompt = prompt_of(example)
    assert encoded.prompt == judge.prompt(prompt)
    scored = judge.continuation(prompt, encoded.prompt, TARGETS[verdict])
    assert encoded.target[: len(scored)] == scored
    assert encoded.target[-1] == tokenizer.eos_token_id  # type: ignore[attr-defined]
    decode = tokenizer.decode  # type: ignore[attr-defined]
    texts = ("", "") if learns is Learns.VERDICT else (example.reason, example.reference)
    whole = decode(encoded.prompt + encoded.target[:-1], clean_up_tokenization_spaces=False)
    assert whole == decode(encoded.prompt) + target(verdict, *texts)
    assert not encoded.shortened


def test_long_responses_are_shortened_evenly_and_the_target_never(tokenizer: object) -> None:
    long = replace(EXAMPLE, response1="one " * 900, response2="two " * 900)
    whole = ExampleEncoder(tokenizer, 2**20, Learns.ALL)(long)
    encoded = ExampleEncoder(tokenizer, 1024, Learns.ALL)(long)
    assert encoded.shortened
    assert encoded.target == whole.target
    assert 900 < len(encoded.prompt) + len(encoded.target) <= 1024
    text = tokenizer.decode(encoded.prompt)  # type: ignore[attr-defined]
    assert abs(text.count("one") - text.count("two")) <= 1
    assert "Name three colours." in text


def test_both_orders_of_a_long_pair_are_shortened_alike(tokenizer: object) -> None:
    long = replace(EXAMPLE, response1="one " * 700, response2="two " * 50)
    encode = ExampleEncoder(tokenizer, 1024, Learns.VERDICT)
    own, swapped = encode(long), encode(long.swapped())
    texts = [tokenizer.decode(one.prompt) for one in (own, swapped)]  # type: ignore[attr-defined]
    assert texts[0].count("one ") == texts[1].count("one ")
    assert texts[0].count("two ") == texts[1].count("two ")


def test_a_target_without_room_for_its_prompt_is_refused(tokenizer: object) -> None:
    endless = replace(EXAMPLE, reference="colours " * 2000)
    with pytest.raises(InputError, match=r"target has \d+ tokens .* max_length=1024"):
        ExampleEncoder(tokenizer, 1024, Learns.ALL)(endless)
    assert ExampleEncoder(tokenizer, 1024, Learns.VERDICT)(endless)  # which does not learn it


def test_what_surely_fits_does(tokenizer: object) -> None:
    encode = ExampleEncoder(tokenizer, 2048, Learns.ALL)
    bytes_left = encode.surely_fits
    assert bytes_left > 200
    worst = replace(EXAMPLE, reason="\x01" * (bytes_left // 2), reference="é" * (bytes_left // 4))
    assert len(encode(worst).prompt + encode(worst).target) <= 2048


def test_the_three_verdicts_begin_with_tokens_of_their_own(tokenizer: object) -> None:
    first = ExampleEncoder(tokenizer, 1024, Learns.ALL).first_tokens()
    assert len(set(first)) == 3


@pytest.mark.parametrize(
    ("reason", "swapped"),
    [
        ("Response 1 is better.", "Response 2 is better."),
        ("Answer 2 beats answer 1.", "Answer 1 beats answer 2."),
        ("Responses 1 and 2 are alike.", "Responses 2 and 1 are alike."),
        ("Both response 1 and 2 are fine.", "Both response 2 and 1 are fine."),
        ("Responses 2, 1 are equal.", "Responses 1, 2 are equal."),
        ("Response #1 beats Response (2).", "Response #2 beats Response (1)."),
        ("The first response is longer.", "The second response is longer."),
        ("First one wins; the second is cut.", "Second one wins; the first is cut."),
        ("It beats the second.", "It beats the first."),
        ("The second sentence is wrong.", "The second sentence is wrong."),
        ("Response A is right, answer two is not.", "Response B is right, answer one is not."),
        ("An answer a child could give.", "An answer a child could give."),
        ("The former is better.", "The former is better."),
        ("It has 2 errors and 1 gap.", "It has 2 errors and 1 gap."),
        ("Response 12 is no name.", "Response 12 is no name."),
        ("", ""),
    ],
)
def test_a_swapped_reason_names_the_other_response(reason: str, swapped: str) -> None:
    example = replace(EXAMPLE, reason=reason).swapped()
    assert example.reason == swapped
    assert example.verdict is Verdict.SECOND
    assert example.swapped() == replace(EXAMPLE, reason=reason)
