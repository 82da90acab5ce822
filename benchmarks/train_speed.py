"""Tokens a second of training: upstream's way against `train_judge`, same model, same examples.

Upstream's way (WeOpenML/PandaLM, its tuning script): every text is tokenised twice before training,
once with its target and once without; examples come in random order, each batch padded to its
longest; the logits of all tokens are computed, and the loss taken on the target's. All else is
equal: weights, precision, optimizer, learning rate, batch, the examples and how they are cut. The
two take turns. Prints Markdown; tokens are those of prompts and targets, without padding; the time
is that of tokenising and learning, without loading and saving the model.

    python benchmarks/train_speed.py MODEL EXAMPLES.jsonl --examples 64
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import DataCollatorForSeq2Seq, Trainer

from train_judge.arguments import training_arguments
from train_judge.base_model import base_checkpoint, load_model
from train_judge.config import Config, Swap
from train_judge.learning_data import RecordTable
from train_judge.subject import subject_of
from train_judge.train import train


def ours(config: Config) -> tuple[float, int]:
    """Seconds and tokens."""
    train(config)
    log = json.loads((Path(config.output) / "log.json").read_text("utf-8"))
    seconds = next(record["train_runtime"] for record in log if "train_runtime" in record)
    subject = subject_of(config, base_checkpoint(config).load_tokenizer())
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:  # reading is a part of it, once more for the clock
        RecordTable(Path(config.train), Path(cache), subject.format, subject.encode)
    return seconds + time.perf_counter() - start, log[-1]["num_input_tokens_seen"]


def upstream(config: Config) -> tuple[float, int]:
    """Seconds and tokens."""
    tokenizer = base_checkpoint(config).load_tokenizer()
    model = load_model(config)
    subject = subject_of(config, tokenizer)
    texts = [
        (tokenizer.decode(one.prompt), tokenizer.decode(one.target))
        for one in map(subject.encode, subject.format.read(Path(config.train)))
    ]
    start = time.perf_counter()
    rows = []
    for prompt, target in texts:
        whole = tokenizer(prompt + target, add_special_tokens=False)["input_ids"]
        alone = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        labels = [-100] * len(alone) + whole[len(alone) :]
        rows.append({"input_ids": whole, "attention_mask": [1] * len(whole), "labels": labels})
    arguments = training_arguments(config, len(rows) // config.batch)
    arguments.include_num_input_tokens_seen = "no"
    arguments.save_strategy = "no"
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=DataCollatorForSeq2Seq(tokenizer, padding=True),
    )
    trainer.train()
    return time.perf_counter() - start, sum(len(row["input_ids"]) for row in rows)


UPSTREAM, OURS = "upstream's way", "`train_judge`"
WAYS: dict[str, Any] = {UPSTREAM: upstream, OURS: ours}


def measure(
    model: str,
    lines: Sequence[str],
    *,
    max_length: int = 1024,
    repeats: int = 2,
    gguf_file: str | None = None,
) -> dict[str, Any]:
    """Tokens a second of each way.

    Args:
        model: folder of the base model, with `gguf_file` if it is one.
        lines: of a JSONL file of examples.
    """
    speeds: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        examples = Path(folder, "examples.jsonl")
        examples.write_text("\n".join(lines), "utf-8")
        config = Config(
            pretrained=model,
            gguf_file=gguf_file,
            train=str(examples),
            output=folder,
            max_length=max_length,
            swap=Swap.NONE,
            epochs=1,
            batch=16,
            micro_batch=8,
            log_every=10**6,
        )
        for repeat in range(repeats):
            for way, run in WAYS.items():
                seconds, tokens = run(replace(config, output=f"{folder}/{repeat}-{way[0]}"))
                speeds[way].append(tokens / seconds)
    return {
        "examples": len(lines),
        "max_length": max_length,
        "repeats": repeats,
        "tokens_a_second": speeds,
        "ratio": statistics.median(speeds[OURS]) / statistics.median(speeds[UPSTREAM]),
    }


def markdown(found: dict[str, Any]) -> str:
    """The measurement as a table."""
    rows = "\n".join(
        f"| {way} | {statistics.median(each):.1f} | {', '.join(f'{one:.1f}' for one in each)} |"
        for way, each in found["tokens_a_second"].items()
    )
    return f"""{found["examples"]} examples of at most {found["max_length"]} tokens, batch 16 in \
passes of 8.

| way | tokens a second, median | each |
| --- | --- | --- |
{rows}

Ratio of the medians: {found["ratio"]:.2f}."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="folder of the base model")
    parser.add_argument("examples_file", metavar="EXAMPLES", type=Path, help="JSONL of examples")
    parser.add_argument("--examples", type=int, default=64, help="how many, the file's first")
    parser.add_argument("--max_length", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    lines = options.examples_file.read_text("utf-8").splitlines()[: options.examples]
    print(
        markdown(
            measure(options.model, lines, max_length=options.max_length, repeats=options.repeats)
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
