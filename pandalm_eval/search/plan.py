"""What a space implies, told before anything runs, and how far its study is."""

from __future__ import annotations

from collections import Counter

from tabulate import tabulate

from pandalm_eval.instructions import read_prompts
from pandalm_eval.search.space import EPOCHS
from pandalm_eval.search.strategies.adaptive import default_budget
from pandalm_eval.search.study import Prompts, Study
from pandalm_eval.search.trainings import Trainings


def plan(study: Study) -> str:
    """Trainings, candidates, answers and readings that the space implies."""
    space = study.space
    prompts = {one: len(read_prompts(study.prompt_file(one))) for one in Prompts}
    candidates = len(space.configurations)
    at_once = sum(prompts[one] for one in study.at_once)
    grid = " × ".join(f"{len(values)} {key}" for key, values in space.grid.items())
    later = "" if len(study.at_once) == 2 else "; held-out ones by those that are confirmed"
    validation = prompts[Prompts.VALIDATION]
    sequential = readings_of("sequential", candidates, validation)
    budget = default_budget(candidates, validation)
    rows = [
        ("candidates", f"{candidates} = {grid}"),
        ("trainings", f"{len(space.trainings)} of {max(space.epochs)} epochs each"),
        ("default", space.default_configuration.name),
        ("prompts", f"{validation} validation, {prompts[Prompts.HELD_OUT]} held-out"),
        ("answers", f"{candidates * at_once} of at most {_tokens(study)} tokens{later}"),
        ("weights", "are kept" if space.keep_weights else "are dropped once they have answered"),
        ("judge", f"{space.judge.model}, {space.judge.protocol} protocol"),
        ("readings", f"adaptive at most {budget} by default, sequential {sequential},"),
        ("", f"round_robin {readings_of('round_robin', candidates, validation)};"),
        ("", f"confirming {2 * (prompts[Prompts.HELD_OUT] + validation)}"),
    ]
    return tabulate(rows, tablefmt="plain")


def _tokens(study: Study) -> int:
    return study.space.answers.max_new_tokens


def readings_of(strategy: str, candidates: int, prompts: int) -> int:
    """Readings of a strategy without a budget: both orders of all prompts in each comparison.

    >>> readings_of("sequential", 80, 170), readings_of("round_robin", 80, 170)
    (26860, 1074400)
    """
    contests = candidates - 1
    if strategy == "round_robin":
        contests = candidates * (candidates - 1) // 2
    return contests * prompts * 2


def standing(study: Study) -> str:
    """How many trainings are where, and why some failed."""
    states = Trainings(study).states()
    counts = Counter(state.stage for state in states.values())
    answered = sum(study.has_answered(one) for one in study.space.configurations)
    lines = [
        f"{study.folder}: {len(states)} trainings: "
        + ", ".join(f"{count} {stage}" for stage, count in sorted(counts.items()))
        + f"; {answered} of {len(study.space.configurations)} candidates have answered "
        f"({EPOCHS} {', '.join(map(str, study.space.epochs))})."
    ]
    lines += [f"failed: {name}: {one.reason}" for name, one in states.items() if one.reason]
    if counts["failed"]:
        lines.append("`pandalm-eval search run --retry` does these once more.")
    return "\n".join(lines)
