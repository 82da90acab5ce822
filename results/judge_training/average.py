"""The mean of the weights of models that were trained from the same one.

python results/judge_training/average.py OUTPUT FOLDER FOLDER...
"""

from __future__ import annotations

import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(output: str, first: str, *others: str) -> None:
    """Write the model and its tokenizer."""
    model = AutoModelForCausalLM.from_pretrained(first, dtype=torch.float32)
    total = model.state_dict()
    for folder in others:
        other = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()
        total = {name: value + other[name] for name, value in total.items()}
    count = 1 + len(others)
    model.load_state_dict({name: value / count for name, value in total.items()})
    model.save_pretrained(output)
    AutoTokenizer.from_pretrained(first).save_pretrained(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
