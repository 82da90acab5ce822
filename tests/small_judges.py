"""Small random judges with tokenizers of three kinds, and what plain transformers says of them."""

from __future__ import annotations

import json
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
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from pandalm_eval.models.hf_judge import HFJudge
from pandalm_eval.models.text import JudgeText

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


def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random two-layer LLaMA for every tokenizer; its weights are wide enough to avoid ties."""
    folders = {}
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
        folders[name] = folder
    return folders


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
