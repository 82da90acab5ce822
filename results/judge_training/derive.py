"""More pairs from labels that share one baseline.

    python results/judge_training/derive.py LABELLED OUTPUT

LABELLED is what `train_judge.label --from` makes of AlpacaEval's files: for each prompt, many
candidates against one baseline. Where one candidate beat the baseline and another lost to it, the
first is taken to be better than the second. No annotator said so: these labels are derived, and
stand beside the annotators' own, which are kept. At most PER_PROMPT pairs of a prompt are derived.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
from collections import defaultdict
from pathlib import Path

from pandalm_eval.records import stream_records

PER_PROMPT = 8


def main(labelled: str, output: str) -> None:
    """Write the labelled records, and the derived ones behind them."""
    prompts: dict[str, list[dict]] = defaultdict(list)
    derived = 0
    with Path(output).open("w", encoding="utf-8") as file:
        for record in stream_records(Path(labelled)):
            file.write(json.dumps(record) + "\n")
            prompts[record["prompt_id"]].append(record)
        for id, records in prompts.items():
            beat, lost = (
                [one for one in records if one["answers"][0]["verdict"] == verdict]
                for verdict in ("second", "first")
            )
            every = list(itertools.product(beat, lost))
            for better, worse in random.Random(id).sample(every, min(PER_PROMPT, len(every))):
                sides = [(better, "first"), (worse, "second")]
                (one, _), (two, _) = sides = random.Random(f"{id}{derived}").sample(sides, 2)
                verdict = "first" if one is better else "second"
                answer = {
                    "order": "forward",
                    "verdict": verdict,
                    "reason": "",
                    "reference": "",
                    "source": "derived from alpaca_eval",
                }
                record = {
                    **better,
                    "id": f"derived-{derived}",
                    "response1": one["response2"],
                    "response2": two["response2"],
                    "model1": one["model2"],
                    "model2": two["model2"],
                    "answers": [answer],
                }
                file.write(json.dumps(record) + "\n")
                derived += 1
    print(f"{sum(map(len, prompts.values()))} labels, {derived} derived from them")


if __name__ == "__main__":
    main(*sys.argv[1:])
