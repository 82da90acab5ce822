"""Data of the search study: prompts of AlpacaEval, with one system's answers to learn from.

    python results/search/make_data.py ANNOTATIONS TEST_SET FOLDER

ANNOTATIONS is one of AlpacaEval's `annotations.json` (CC BY-NC 4.0, research only); its second
outputs are learnt. TEST_SET is the PandaLM test set: its prompts, on which the choice is confirmed,
are left out, and those nearly equal to one. TRAIN records with short answers are learnt, so that a
CPU can; VALIDATION prompts are drawn of all others that are not long themselves.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from pandalm_eval.instructions import Prompt
from train_judge.contamination import Contamination, read_evaluation

TRAIN, VALIDATION = 96, 40
LONGEST = 450  # characters of an answer
LONGEST_PROMPT = 250


def main(annotations: str, test_set: str, folder: str) -> None:
    """Write `train.jsonl` and `validation.jsonl`."""
    held_out = Contamination({"test": read_evaluation(Path(test_set))})
    rows = json.loads(Path(annotations).read_text("utf-8"))
    kept = [row for row in rows if not held_out.holding(Prompt(row["instruction"], ""))]
    brief = [row for row in kept if len(row["instruction"]) <= LONGEST_PROMPT]
    short = [row for row in brief if 0 < len(row["output_2"].strip()) <= LONGEST]
    train = random.Random(2023).sample(short, TRAIN)
    validation = random.Random(2024).sample([row for row in brief if row not in train], VALIDATION)
    for name, part in (("train", train), ("validation", validation)):
        with (Path(folder) / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in part:
                record = {"instruction": row["instruction"], "output": row["output_2"].strip()}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    print(f"{len(rows)} prompts, {len(kept)} of them not in the test set, {len(short)} short")


if __name__ == "__main__":
    main(*sys.argv[1:])
