"""What is learnt, what chooses and what confirms are three different sets of prompts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pandalm_eval.errors import InputError
from pandalm_eval.instructions import Prompt, named, read_prompts
from train_judge.answers import stream_answers
from train_judge.contamination import Contamination
from train_judge.steps import watched


def require_apart(train: Path, validation: Path, held_out: Path) -> None:
    """Raise an InputError where a prompt, or one nearly equal to it, stands in two of the sets.

    Nearly equal as `train_judge.filter` knows it (`train_judge.contamination`).
    """
    sets = {str(path): read_prompts(path) for path in (validation, held_out)}
    confirming = Contamination({str(held_out): sets[str(held_out)]})
    problems = _shared(str(validation), sets[str(validation)], confirming)
    learnt = [answer.prompt for answer in watched(stream_answers(train), "comparing prompts")]
    problems += _shared(str(train), learnt, Contamination(sets))
    if problems:
        raise InputError(
            f"{'; '.join(problems)}. Figures of such prompts would flatter what learnt or chose by "
            "them: leave them out of one of the two."
        )


def _shared(path: str, prompts: list[Prompt], others: Contamination) -> list[str]:
    held: Counter[str] = Counter()
    example: dict[str, Prompt] = {}
    for prompt in prompts:
        for name in others.holding(prompt):
            held[name] += 1
            example.setdefault(name, prompt)
    return [
        f"{path}: {count} of its {len(prompts)} prompts stand in {name}, too, or nearly "
        f"({named(example[name])})"
        for name, count in sorted(held.items())
    ]
