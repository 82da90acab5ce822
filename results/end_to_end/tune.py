"""The second candidate of the end-to-end run: a LoRA tuning of the first.

    python results/end_to_end/tune.py MODEL ANNOTATIONS PROMPTS ADAPTER

MODEL is a checkpoint's folder, ANNOTATIONS an `annotations.json` of AlpacaEval (CC BY-NC 4.0,
research only), whose second outputs are learnt, under the prompt that `pandalm-respond` asks with.
PROMPTS is the file of prompts that will be answered: none of them is trained on. One pass at a
constant seed; the loss is on the answer alone.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)

from pandalm_eval.instructions import Prompt, read_prompts

EXAMPLES = 320  # drawn at random
LONGEST = 320  # tokens of prompt and answer


def encoded(tokenizer: Any, prompt: Prompt, answer: str) -> dict[str, list[int]]:
    """Ids of both, with labels on the answer."""
    asked = tokenizer(prompt.alpaca())["input_ids"]
    told = tokenizer(answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    ids = (asked + told)[:LONGEST]
    return {
        "input_ids": ids,
        "attention_mask": [1] * len(ids),
        "labels": ([-100] * len(asked) + told)[:LONGEST],
    }


def main(model: str, annotations: str, prompts: str, adapter: str) -> None:
    """Tune and save the adapter."""
    torch.manual_seed(2023)
    tokenizer = AutoTokenizer.from_pretrained(model)
    asked_later = tuple(" ".join(one.message().split()) for one in read_prompts(Path(prompts)))
    rows = json.loads(Path(annotations).read_text("utf-8"))
    # Beginnings, since one of them lost its emojis on the way into the later file.
    kept = [row for row in rows if not " ".join(row["instruction"].split()).startswith(asked_later)]
    print(f"{len(rows) - len(kept)} of {len(rows)} prompts are to be answered later: left out")
    kept = random.Random(2023).sample(kept, EXAMPLES)
    examples = [encoded(tokenizer, Prompt(row["instruction"], ""), row["output_2"]) for row in kept]
    tuned = get_peft_model(
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16),
        LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    arguments = TrainingArguments(
        output_dir=f"{adapter}-checkpoints",
        num_train_epochs=1,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=2,
        learning_rate=2e-4,
        lr_scheduler_type="cosine",
        warmup_steps=3,
        bf16=True,
        use_cpu=True,
        train_sampling_strategy="group_by_length",
        save_strategy="no",
        logging_steps=5,
        report_to=[],
        seed=2023,
    )
    collate = DataCollatorForSeq2Seq(tokenizer, padding=True)
    Trainer(tuned, arguments, train_dataset=examples, data_collator=collate).train()
    tuned.save_pretrained(adapter)
    tokenizer.save_pretrained(adapter)


if __name__ == "__main__":
    main(*sys.argv[1:])
