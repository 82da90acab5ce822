"""A space of tiny trainings, and files that it names, for tests of the search."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import yaml
from tiny_judge import write_lines

_WORDS = ("red", "blue", "green", "tall", "small", "old", "new", "warm", "cold", "quick", "slow")


def prompts(count: int, seed: int) -> list[dict[str, str]]:
    """Prompts with the answer that is wanted; another seed has quite other prompts."""
    drawn = random.Random(seed)
    return [
        {
            "instruction": f"{seed}-{number} " + " ".join(drawn.choices(_WORDS, k=6)),
            "input": (word := drawn.choice(_WORDS)),
            "output": f"{word} {word}",
        }
        for number in range(count)
    ]


def told(folder: Path, base: Path, **changes: Any) -> dict[str, Any]:
    """The keys of a space of 2 trainings × 2 epochs = 4 candidates; its files are written, too."""
    return {
        "tuning": {
            "pretrained": str(base),
            "train": str(write_lines(folder / "train.jsonl", prompts(16, seed=1))),
            "max_length": 256,
            "batch": 8,
            "micro_batch": 8,
            "bf16": False,
            "log_every": 1,
        },
        "grid": {"epochs": [1, 2], "learning_rate": [1e-3, 1e-2]},
        "default": {"epochs": 2, "learning_rate": 1e-3},
        "answers": {
            "validation": str(write_lines(folder / "validation.jsonl", prompts(6, seed=2))),
            "held_out": str(write_lines(folder / "held_out.jsonl", prompts(5, seed=3))),
            "max_new_tokens": 8,
        },
        "judge": {"model": "rule", "model_args": {"name": "longest"}},
        **changes,
    }


def write_space(folder: Path, base: Path, **changes: Any) -> Path:
    """The file of such a space."""
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump(told(folder, base, **changes)), "utf-8")
    return path
