"""The judge chooses among candidates: a strategy asks for readings, and what it says is kept."""

from __future__ import annotations

import inspect
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.judgments import Reading
from pandalm_eval.records import read_object
from pandalm_eval.search.contestants import Contestants, as_answers
from pandalm_eval.search.judging import Judge, Ordered
from pandalm_eval.search.readings import Order
from pandalm_eval.search.reliability import Reliability, read_once
from pandalm_eval.search.strategies.adaptive import adaptive
from pandalm_eval.search.strategies.asking import Choice
from pandalm_eval.search.strategies.halving import halving
from pandalm_eval.search.strategies.round_robin import round_robin
from pandalm_eval.search.strategies.sequential import sequential
from pandalm_eval.search.strategies.uniform import uniform
from train_judge.steps import write_json

_log = logging.getLogger(__name__)

STRATEGIES = {one.__name__: one for one in (adaptive, sequential, round_robin, uniform, halving)}

_PROBED = 100
"""Pairs of which both orders are read, at least, to know how consistent the judge is."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice, as it stands in `choices/<strategy>.json`.

    Attributes:
        strategy, options: what chose, and its settings, the seed among them.
        candidates: names of those among which it chose.
        best, equal, error: as in `strategies.asking.Choice`, by name.
        strengths, spread: by candidate, None where the strategy has no opinion.
        missing: {configuration: reason} of those that have not answered.
        prompts: how many.
        asked: readings that the strategy asked for, whoever had made them.
        made, tokens, seconds: readings that were new, and what they took.
        consistency: position consistency: value, ends of its interval, number of pairs; or None.
        first_position_rate: None without a decisive reading.
        invalid_rate: of the readings asked for.
        warnings: what speaks against trusting the choice.
    """

    strategy: str
    options: Mapping[str, Any]
    candidates: Sequence[str]
    best: str
    equal: Sequence[str]
    error: float | None
    strengths: Sequence[float | None]
    spread: Sequence[float | None]
    missing: Mapping[str, str]
    prompts: int
    asked: int
    made: int
    tokens: int
    seconds: float
    consistency: Sequence[float] | None
    first_position_rate: float | None
    invalid_rate: float
    warnings: Sequence[str]


def settings_of(strategy: str) -> set[str]:
    """Names of a strategy's settings."""
    known = inspect.signature(STRATEGIES[strategy]).parameters.values()
    return {one.name for one in known if one.kind is inspect.Parameter.KEYWORD_ONLY}


def choose(
    contestants: Contestants,
    judge: Judge,
    strategy: str,
    options: Mapping[str, Any],
    missing: Mapping[str, str],
) -> Chosen:
    """Let a strategy choose; readings that are kept already cost nothing.

    Args:
        strategy: a name in `STRATEGIES`.
        options: its settings by name, and `seed`.
        missing: candidates that could not be asked, and why.

    Raises:
        InputError: the judge or the study's folder fails; what was read is kept.
    """
    before = judge.readings.costs()
    found: dict[Order, Reading] = {}
    pairs: dict[str, Ordered] = {}
    choice = _play(contestants, judge, strategy, options, found, pairs)
    asked = len(found)
    _probe(judge, found, pairs, int(options["seed"]))
    reliability = Reliability.of(found, {id: pair.prompt_id for id, (pair, _) in pairs.items()})
    costs = judge.readings.costs() - before
    names = contestants.names
    estimate = reliability.consistency
    return Chosen(
        strategy=strategy,
        options=options,
        candidates=names,
        best=names[choice.best],
        equal=[names[other] for other in choice.equal],
        error=choice.error,
        strengths=_listed(choice.strengths, len(names)),
        spread=_listed(choice.spread, len(names)),
        missing=missing,
        prompts=len(contestants.prompts),
        asked=asked,
        made=costs.readings,
        tokens=costs.tokens,
        seconds=costs.seconds,
        consistency=None
        if estimate is None
        else [estimate.value, estimate.low, estimate.high, estimate.n],
        first_position_rate=_number(reliability.first_position_rate),
        invalid_rate=reliability.invalid_rate,
        warnings=reliability.warnings(),
    )


def _play(
    contestants: Contestants,
    judge: Judge,
    strategy: str,
    options: Mapping[str, Any],
    found: dict[Order, Reading],
    pairs: dict[str, Ordered],
) -> Choice:
    """Ask what the strategy wants until it chooses; `found` and `pairs` are filled."""
    settings = {key: value for key, value in options.items() if key != "seed"}
    rng = np.random.default_rng(options["seed"])
    play = STRATEGIES[strategy](len(contestants.names), len(contestants.prompts), rng, **settings)
    batch = next(play)
    while True:
        orders, exchanged = contestants.orders(batch)
        readings = judge.read(orders)
        for (pair, swapped), reading in zip(orders, readings, strict=True):
            if pair.response1 != pair.response2:  # equal answers are a tie that nobody read
                found[Order(pair.id, swapped)] = reading
                pairs[pair.id] = (pair, swapped)
        try:
            batch = play.send(as_answers(readings, exchanged))
        except StopIteration as end:
            choice: Choice = end.value
            return choice


def _probe(
    judge: Judge, found: dict[Order, Reading], pairs: Mapping[str, Ordered], seed: int
) -> None:
    """Read the other order of some pairs, drawn at random, where too few were read in both."""
    once = sorted(read_once(found))
    wanted = _PROBED - (len(found) - len(once)) // 2
    if wanted <= 0 or not once:
        return
    drawn = np.random.default_rng(seed).permutation(len(once))[:wanted]
    others = [(pair, not swapped) for pair, swapped in (pairs[once[i]] for i in drawn)]
    for (pair, swapped), reading in zip(others, judge.read(others), strict=True):
        found[Order(pair.id, swapped)] = reading


def _listed(values: Any, count: int) -> list[float | None]:
    return [None] * count if values is None else [_number(float(value)) for value in values]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def write_choice(folder: Path, chosen: Chosen) -> Path:
    """Keep a choice; an older one of the same strategy is replaced."""
    path = folder / "choices" / f"{chosen.strategy}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(chosen))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from None
    return path


def read_choice(folder: Path, strategy: str | None = None) -> Chosen:
    """A choice that was kept.

    Args:
        strategy: which; None takes the only one.

    Raises:
        UsageError: there is none, or several and none is named.
    """
    found = sorted((folder / "choices").glob("*.json"))
    named = [path for path in found if strategy in (None, path.stem)]
    if len(named) != 1:
        told = ", ".join(path.stem for path in found) or "none"
        raise UsageError(
            f"{folder}: has choices by: {told}. "
            + ("Name one with --strategy." if named else "Make one: pandalm-eval search choose.")
        )
    return Chosen(**read_object(named[0]))


def as_text(chosen: Chosen) -> str:
    """A choice in words."""
    error = "" if chosen.error is None else f", stated error {chosen.error:.4f}"
    lines = [
        f"{chosen.best} is chosen by {chosen.strategy} among {len(chosen.candidates)} candidates "
        f"on {chosen.prompts} prompts{error}.",
    ]
    if chosen.equal:
        lines.append(
            f"Not told apart from it ({len(chosen.equal)}): {', '.join(sorted(chosen.equal))}."
        )
    value, low, high, n = chosen.consistency or (math.nan,) * 4
    rate = math.nan if chosen.first_position_rate is None else chosen.first_position_rate
    lines.append(
        f"{chosen.asked} readings, {chosen.made} of them new ({chosen.tokens} prompt tokens, "
        f"{chosen.seconds:.0f} s). Invalid rate {chosen.invalid_rate:.4f}; first-position rate "
        f"{rate:.4f}; position consistency {value:.4f} [{low:.4f}, {high:.4f}] of {n:.0f} pairs."
    )
    if chosen.missing:
        lines.append(f"Not among them, for want of answers: {json.dumps(dict(chosen.missing))}.")
    lines += [f"Warning: {warning}." for warning in chosen.warnings]
    lines.append(
        "These figures are of the prompts that chose: the best of many looks better than it is. "
        "What may be cited comes from `pandalm-eval search confirm`."
    )
    return "\n".join(lines)
