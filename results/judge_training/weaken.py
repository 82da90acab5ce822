"""Examples whose verdict is known by construction: a response against one that was made worse.

    python results/judge_training/weaken.py EXAMPLES SIZE SHARE OUTPUT

EXAMPLES is the `train.jsonl` of `train_judge.export`. The output has SIZE examples, SHARE of them
made from the others' prompts and responses, none of which an annotator saw. GPT-4's labels hardly
hold the failures of weak models, and name the longer response three times in four; these do not:

* another prompt's response of like length instead of the own one (.45)
* the first words of the response again and again, up to twice its length (.2)
* the instruction, repeated, before a beginning of the response (.1)
* the response without its second half (.1), or nothing at all (.05)
* the same response twice: a tie (.1)
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from pandalm_eval.records import read_records

KINDS = {"foreign": 0.45, "looped": 0.2, "echoed": 0.1, "cut": 0.1, "empty": 0.05, "same": 0.1}


def worse(kind: str, row: dict, response: str, pool: list[tuple[str, str]]) -> str:
    """The response made worse."""
    words = response.split(" ")
    if kind == "foreign":
        others = [text for prompt, text in random.sample(pool, 24) if prompt != row["instruction"]]
        return min(others, key=lambda text: abs(len(text) - len(response)))
    if kind == "looped":
        begun = words[: random.randint(3, 14)]
        times = max(2, round(len(words) * random.uniform(0.8, 2) / len(begun)))
        return " ".join(begun * times)
    if kind == "echoed":
        return f"{row['instruction']}\n{' '.join(words[: random.randint(0, 12)])}".strip()
    if kind == "cut":
        return " ".join(words[: max(1, round(len(words) * random.uniform(0.1, 0.5)))])
    return "" if kind == "empty" else response


def main(examples: str, size: str, share: str, output: str) -> None:
    """Write the mixture, shuffled."""
    random.seed(2023)
    rows = read_records(Path(examples))
    pool = [(row["instruction"], row[side]) for row in rows for side in ("response1", "response2")]
    made = round(int(size) * float(share))
    mixed = random.sample(rows, int(size) - made)
    for kind in random.choices(list(KINDS), list(KINDS.values()), k=made):
        row = random.choice(rows)
        response = row[random.choice(("response1", "response2"))]
        sides = [response, worse(kind, row, response, pool)]
        verdict = "tie" if kind == "same" else "first"
        if verdict == "first" and random.random() < 0.5:
            sides, verdict = sides[::-1], "second"
        mixed.append(
            {
                **{key: row[key] for key in ("instruction", "input", "reason", "reference")},
                "response1": sides[0],
                "response2": sides[1],
                "verdict": verdict,
                "source": f"made: {kind}",
            }
        )
    random.shuffle(mixed)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in mixed]
    Path(output).write_text("".join(lines), "utf-8")
    print(f"{len(mixed)} examples, {made} of them made")


if __name__ == "__main__":
    main(*sys.argv[1:])
