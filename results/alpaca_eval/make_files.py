"""Inputs of the runs on AlpacaEval, from its released annotations.

    python results/alpaca_eval/make_files.py ANNOTATIONS FOLDER

ANNOTATIONS holds one `annotations.json` a system, under the system's name
(`results/SYSTEM/alpaca_eval_gpt4/annotations.json` of tatsu-lab/alpaca_eval at cd543a1; CC BY-NC
4.0, research only). Written to FOLDER, none of it to be committed:

- `responses/SYSTEM.json`: answers to the 805 prompts, also of the baseline text_davinci_003
- `gpt-4.jsonl`: the released verdicts, for the `recorded` judge under the single protocol
- `pairs.jsonl`: a seeded sample of the prompts' pairs, for `pandalm-pairs`, and their verdicts as
  labels, `gpt-4-labels.jsonl`, for `gold=`

A system is named by its file: that of falcon-7b-instruct calls itself falcon-40b-instruct inside.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pandalm_eval.instructions import Prompt
from pandalm_eval.joining import joined
from pandalm_eval.judgments import Protocol
from pandalm_eval.pairs import Pair
from pandalm_eval.responses import read_candidates

BASELINE = "text_davinci_003"
VERDICTS = {1: "first", 2: "second", 0: "tie", 1.5: "tie", None: None}
SEED = 2023


def write(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), "utf-8")


def verdict(pair: Pair, preferences: dict[tuple[str, str], Any]) -> str | None:
    """What GPT-4 said of a pair, told for the pair's own order; None where it gave no answer."""
    system = pair.model1 if pair.model2 == BASELINE else pair.model2
    told = VERDICTS[preferences[str(system), pair.instruction]]
    other = {"first": "second", "second": "first"}
    # The annotations tell it with the baseline as output 1.
    return told if pair.model1 == BASELINE or told is None else other.get(told, told)


def main() -> None:
    """Read the annotations, write the three."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("annotations", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=int, default=60, help="prompts of the sample of pairs")
    options = parser.parse_args()
    files = sorted(options.annotations.glob("*.json"))
    annotations = {file.stem: json.loads(file.read_text("utf-8")) for file in files}
    answers = {
        name: [{"instruction": row["instruction"], "response": row["output_2"]} for row in rows]
        for name, rows in annotations.items()
    }
    rows = next(iter(annotations.values()))
    answers[BASELINE] = [
        {"instruction": row["instruction"], "response": row["output_1"]} for row in rows
    ]
    for name, records in answers.items():
        write(options.folder / "responses" / f"{name}.jsonl", records)
    candidates = read_candidates(str(options.folder / "responses"))
    pairs = joined(candidates, BASELINE, protocol=Protocol.SINGLE)
    preferences = {
        (name, row["instruction"]): row["preference"]
        for name, rows in annotations.items()
        for row in rows
    }
    write(
        options.folder / "gpt-4.jsonl",
        ({"id": pair.id, "verdict": verdict(pair, preferences)} for pair in pairs),
    )
    prompts = sorted({Prompt(pair.instruction, pair.input).id for pair in pairs})
    sample = set(random.Random(SEED).sample(prompts, options.prompts))
    sampled = [pair for pair in pairs if pair.prompt_id in sample]
    fields = ("id", "prompt_id", "instruction", "response1", "response2", "model1", "model2")
    write(
        options.folder / "pairs.jsonl",
        ({field: getattr(pair, field) for field in fields} for pair in sampled),
    )
    labels = ((pair.id, verdict(pair, preferences)) for pair in sampled)
    write(
        options.folder / "gpt-4-labels.jsonl",
        ({"id": id, "label": label} for id, label in labels if label is not None),
    )


if __name__ == "__main__":
    main()
