"""The judge chooses among candidates: a strategy asks for readings, and what it says is kept."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from pandalm_eval.errors import InputError, UsageError, listing
from pandalm_eval.judgments import Reading
from pandalm_eval.metrics import UNDEFINED
from pandalm_eval.records import read_object
from pandalm_eval.search.contestants import Contestants, as_answers
from pandalm_eval.search.judging import Judge
from pandalm_eval.search.readings import Order
from pandalm_eval.search.reliability import Reliability, read_once
from pandalm_eval.search.strategies.adaptive import adaptive
from pandalm_eval.search.strategies.asking import Choice
from pandalm_eval.search.strategies.halving import halving
from pandalm_eval.search.strategies.round_robin import round_robin
from pandalm_eval.search.strategies.sequential import sequential
from pandalm_eval.search.strategies.uniform import uniform
from pandalm_eval.search.strengths import Strengths
from pandalm_eval.single_orders import Ordered
from train_judge.steps import write_json

STRATEGIES = {one.__name__: one for one in (adaptive, sequential, round_robin, uniform, halving)}

PROBED = 100
"""Pairs of which both orders are read, at least, to know how consistent the judge is."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice, as it stands in `choices/<strategy>.json`.

    Attributes:
        strategy, options: what chose, and its settings, the seed among them.
        judge: {model, model_args, protocol, prompt}.
        candidates: names of those among which it chose.
        best: the one chosen.
        equal: those that all kept readings do not tell from it: their 95% interval of the win rate
            against it holds ½.
        error: the strategy's stated error, None where it states none.
        missing: {configuration: reason} of those that have not answered.
        prompts: how many.
        asked: readings that the strategy asked for, whoever had made them; ties of equal answers,
            which nobody reads, are not counted.
        probed: readings beside them, of the other order of pairs.
        made, tokens, seconds: readings that were new, and what they took.
        consistency: position consistency: value, ends of its interval, number of pairs; or None.
        first_position_rate: None without a decisive reading.
        invalid_rate: of the readings asked for and probed; None without one.
        warnings: what speaks against trusting the choice.
    """

    strategy: str
    options: Mapping[str, Any]
    judge: Mapping[str, Any]
    candidates: Sequence[str]
    best: str
    equal: Sequence[str]
    error: float | None
    missing: Mapping[str, str]
    prompts: int
    asked: int
    probed: int
    made: int
    tokens: int
    seconds: float
    consistency: Sequence[float] | None
    first_position_rate: float | None
    invalid_rate: float | None
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
    play = _Play(judge)
    choice = play.through(contestants, strategy, options)
    asked = len(play.found)
    play.probe(int(options["seed"]))
    reliability = play.reliability()
    names = contestants.names
    strengths = Strengths.of(contestants, judge.readings, names[choice.best])
    estimate = reliability.consistency
    return Chosen(
        strategy=strategy,
        options=options,
        judge=judge.told.as_json(),
        candidates=names,
        best=names[choice.best],
        equal=[names[other] for other in strengths.not_told_apart()],
        error=choice.error,
        missing=missing,
        prompts=len(contestants.prompts),
        asked=asked,
        probed=len(play.found) - asked,
        made=judge.made.readings,
        tokens=judge.made.tokens,
        seconds=judge.made.seconds,
        consistency=None
        if estimate is None
        else [estimate.value, estimate.low, estimate.high, estimate.n],
        first_position_rate=_number(reliability.first_position_rate),
        invalid_rate=_number(reliability.invalid_rate),
        warnings=reliability.warnings(),
    )


class _Play:
    """One strategy at work: what it has asked for, and what was read.

    Attributes:
        found: readings of different answers; equal ones are a tie that nobody reads.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._pairs: dict[str, Ordered] = {}
        self.found: dict[Order, Reading] = {}

    def through(
        self, contestants: Contestants, strategy: str, options: Mapping[str, Any]
    ) -> Choice:
        """Ask what the strategy wants until it chooses."""
        settings = {key: value for key, value in options.items() if key != "seed"}
        rng = np.random.default_rng(options["seed"])
        names, prompts = contestants.names, contestants.prompts
        asking = STRATEGIES[strategy](len(names), len(prompts), rng, **settings)
        batch = next(asking)
        while True:
            orders, exchanged = contestants.orders(batch)
            answers = as_answers(self._read(orders), exchanged)
            try:
                batch = asking.send(answers)
            except StopIteration as end:
                choice: Choice = end.value
                return choice

    def probe(self, seed: int) -> None:
        """Read the other order of some pairs, drawn at random, where few were read in both."""
        once = sorted(read_once(self.found))
        wanted = PROBED - (len(self.found) - len(once)) // 2
        if wanted > 0 and once:
            drawn = np.random.default_rng(seed).permutation(len(once))[:wanted]
            pairs = (self._pairs[once[place]] for place in drawn)
            self._read([(pair, not swapped) for pair, swapped in pairs])

    def reliability(self) -> Reliability:
        """Figures of all that was read."""
        prompts = {id: pair.prompt_id for id, (pair, _) in self._pairs.items()}
        return Reliability.of(self.found, prompts)

    def _read(self, orders: Sequence[Ordered]) -> Sequence[Reading]:
        readings = self._judge.read(orders)
        for (pair, swapped), reading in zip(orders, readings, strict=True):
            if pair.response1 != pair.response2:
                self.found[Order(pair.id, swapped)] = reading
                self._pairs[pair.id] = (pair, swapped)
        return readings


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def write_choice(folder: Path, chosen: Chosen) -> Path:
    """Keep a choice; an older one of the same strategy is replaced."""
    path = folder / "choices" / f"{chosen.strategy}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / ".lock"):  # several processes may choose together
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
        InputError: the file is not one of this version.
    """
    found = sorted((folder / "choices").glob("*.json"))
    named = [path for path in found if strategy in (None, path.stem)]
    if len(named) != 1:
        told = ", ".join(path.stem for path in found) or "none"
        raise UsageError(
            f"{folder}: has choices by: {told}. "
            + ("Name one with --strategy." if named else "Make one: pandalm-eval search choose.")
        )
    try:
        return Chosen(**read_object(named[0]))
    except TypeError as error:
        raise InputError(
            f"{named[0]}: is no choice of this version ({error}). Choose again: readings are kept."
        ) from None


def as_text(chosen: Chosen) -> str:
    """A choice in words."""
    error = "" if chosen.error is None else f", stated error {chosen.error:.4f}"
    lines = [
        f"{chosen.best} is chosen by {chosen.strategy} among {len(chosen.candidates)} candidates "
        f"on {chosen.prompts} prompts{error}.",
        f"Not told apart from it by all kept readings ({len(chosen.equal)}): "
        f"{listing(sorted(chosen.equal)) or 'none'}.",
        f"{chosen.asked} readings asked for and {chosen.probed} more to learn how consistent the "
        f"judge is; {chosen.made} of them new ({chosen.tokens} prompt tokens, {chosen.seconds:.0f} "
        f"s). {_judge(chosen)}: invalid rate {_share(chosen.invalid_rate)}; first-position rate "
        f"{_share(chosen.first_position_rate)}; position consistency {_consistency(chosen)}.",
    ]
    if chosen.missing:
        lines.append(f"Not among them, for want of answers: {json.dumps(dict(chosen.missing))}.")
    lines += [f"Warning: {warning}." for warning in chosen.warnings]
    lines.append(
        "These figures are of the prompts that chose: the best of many looks better than it is. "
        "What may be cited comes from `pandalm-eval search confirm`."
    )
    return "\n".join(lines)


def _judge(chosen: Chosen) -> str:
    return f"{chosen.judge['model']} under {chosen.judge['protocol']}"


def _share(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.4f}"


def _consistency(chosen: Chosen) -> str:
    if chosen.consistency is None:
        return UNDEFINED
    value, low, high, n = chosen.consistency
    return f"{value:.4f} [{low:.4f}, {high:.4f}] of {n:.0f} pairs"
