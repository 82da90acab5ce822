"""Rules that a tiny model learns within seconds: the response that says "right" is better.

And, as an instruction: say the word that you are told.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pandalm_eval.prompts import Fields, PromptStyle, render

_WORDS = ("red", "blue", "green", "tall", "small", "old", "new", "warm", "cold", "quick")


def examples(count: int, seed: int) -> list[dict[str, str]]:
    """Examples of distinct prompts; another seed has other prompts."""
    drawn = random.Random(seed)

    def response(is_right: bool) -> str:
        words = drawn.sample(_WORDS, 3)
        if is_right:
            words.insert(drawn.randrange(4), "right")
        return " ".join(words)

    rows = []
    for number in range(count):
        verdict = drawn.choice(("first", "second", "tie"))
        rows.append(
            {
                "instruction": f"Say {drawn.choice(_WORDS)} {seed}-{number}",
                "input": "",
                "response1": response(verdict == "first"),
                "response2": response(verdict == "second"),
                "verdict": verdict,
            }
        )
    return rows


def answers(count: int, seed: int) -> list[dict[str, str]]:
    """Instructions with their answers, of distinct prompts; another seed has other prompts."""
    drawn = random.Random(seed)
    rows = []
    for number in range(count):
        word = drawn.choice(_WORDS)
        rows.append({"instruction": f"{seed}-{number}: say {word}", "output": word})
    return rows


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def make_base(folder: Path) -> Path:
    """An untrained two-layer LLaMA, its tokenizer trained on prompts of the rule."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=512,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    prompts = [
        render(
            PromptStyle.PANDALM,
            Fields.clean(row["instruction"], "", row["response1"], row["response2"]),
        )
        for row in examples(200, seed=1)
    ]
    tokenizer.train_from_iterator([f"{prompt}1\n2\nTie\n" for prompt in prompts], trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(wrapped),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
            bos_token_id=wrapped.bos_token_id,
            eos_token_id=wrapped.eos_token_id,
            tie_word_embeddings=True,
        )
    )
    model.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


def write_config(folder: Path, base: Path, **changes: Any) -> Path:
    """A configuration of a short training in `folder`, with its data beside it."""
    told = {
        "pretrained": str(base),
        "train": str(write_lines(folder / "train.jsonl", examples(96, seed=1))),
        "output": str(folder / "out"),
        "epochs": 2,
        "batch": 16,
        "micro_batch": 8,
        "learning_rate": 2e-3,
        "bf16": False,
        "log_every": 1,
        "save_every": 3,
        **changes,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(told), "utf-8")
    return path
