"""The space of a search: one YAML file that says what is tuned, answered and judged.

A training of E epochs is one of the grid's points; its weights after each epoch that the grid
names are configurations of their own. So 5 epochs × 4 learning rates × 2 optimizers × 2 schedules
are 80 configurations of 16 trainings.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pandalm_eval.errors import UsageError, listing
from pandalm_eval.judges import JudgeModel
from pandalm_eval.judgments import Protocol
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.settings import Decoding
from train_judge.config import Config, Learns, parse, read_mapping

EPOCHS = "epochs"
"""The key of the grid whose values come from one training."""

_OURS = {
    "output": "the study's folder",
    "learns": "answers are learnt",
    "export_epochs": "every epoch is answered",
    "keep": "the search lets go of what it needs no more",
}
"""Keys of a training that the search sets itself, and to what."""

_SHARED = ("train", "validation")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_NAME = 180
"""Letters of a training's name; file systems end at 255, and epoch and suffix follow."""


@dataclass(frozen=True, slots=True)
class Answering:
    """How configurations answer.

    Attributes:
        validation: file of the prompts {instruction, input?} by which the judge chooses.
        held_out: file of the prompts on which the choice is confirmed; None for the 170 of the
            PandaLM test set.
        model: the harness's model class that loads the weights.
        model_args: its further arguments.
        batch_size: of its requests.
        max_new_tokens: longest answer.
        decoding: `greedy`, or `upstream` (4 beams; `model: hf-judge` only).
        chat_template: whether prompts go through the model's chat template, not Alpaca's.
        launch: words before the module's name; by default this Python with `-m`.
    """

    validation: str
    held_out: str | None = None
    model: str = "hf"
    model_args: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 8
    max_new_tokens: int = 300
    decoding: Decoding = Decoding.GREEDY
    chat_template: bool = False
    launch: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.max_new_tokens < 1:
            raise UsageError("batch_size and max_new_tokens are at least 1")
        if self.decoding is Decoding.UPSTREAM and self.model != "hf-judge":
            raise UsageError("decoding: upstream needs model: hf-judge")


@dataclass(frozen=True, slots=True)
class Judging:
    """By whom, and how, answers are judged.

    Attributes:
        model, model_args: as in the metadata key `judge`.
        protocol: `verdict`, `full` or `logprob`; a choice rests on both orders.
        prompt: `pandalm` or `chat`.
    """

    model: str
    model_args: Mapping[str, Any] = field(default_factory=dict)
    protocol: Protocol = Protocol.VERDICT
    prompt: PromptStyle = PromptStyle.PANDALM

    def __post_init__(self) -> None:
        if self.protocol is Protocol.SINGLE:
            raise UsageError(
                "protocol is 'single'; a choice reads both orders: verdict, full or logprob"
            )

    @property
    def judge(self) -> JudgeModel:
        """The judge as the tasks know it."""
        return JudgeModel(self.model, self.model_args)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Judging:
        """The inverse of `as_json`."""
        return parse(cls, told, "judge")

    def as_json(self) -> dict[str, Any]:
        """As it stands in a space."""
        return {
            "model": self.model,
            "model_args": dict(self.model_args),
            "protocol": self.protocol.value,
            "prompt": self.prompt.value,
        }


@dataclass(frozen=True, slots=True)
class Training:
    """One training of the grid.

    Attributes:
        name: of its folder and trial.
        values: {key: value} of the grid, without the epochs.
        config: what `train_judge.train` is told, without `output`.
    """

    name: str
    values: Mapping[str, Any]
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Configuration:
    """A candidate: a training's weights after an epoch.

    Attributes:
        name: of its response files; letters, digits, dot, underscore, hyphen.
    """

    name: str
    training: Training
    epoch: int

    @property
    def values(self) -> dict[str, Any]:
        """{key: value} of the grid."""
        return {EPOCHS: self.epoch, **self.training.values}


@dataclass(frozen=True)
class Space:
    """A search's space.

    Attributes:
        tuning: keys of a training that all share (`train_judge.config`).
        grid: {key: values}; `epochs` and any keys of a training, `lora.rank` for one inside.
        default: {key: value}, one point of the grid: what the choice is confirmed against.
        answers, judge: see there.
        launch: words before `train_judge.train`; by default this Python with `-m`.
        keep_weights: whether weights stay once they have answered.
    """

    tuning: Mapping[str, Any]
    grid: Mapping[str, Any]
    default: Mapping[str, Any]
    answers: Answering
    judge: Judging
    launch: tuple[str, ...] = ()
    keep_weights: bool = False

    def __post_init__(self) -> None:
        if problems := [*self._faulty_tuning(), *self._faulty_grid()]:
            raise UsageError("; ".join(problems) + ".")
        names = [training.name for training in self.trainings]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise UsageError(f"the grid names {listing(doubled, 3)} more than once.")
        for training in self.trainings:
            if len(training.name) > _LONGEST_NAME or not _NAME.fullmatch(training.name):
                raise UsageError(f"{training.name[:80]!r} cannot be the name of a folder.")
            parse(Config, {**training.config, "output": "-"}, f"training {training.name}")
        if len(self.configurations) < 2:
            raise UsageError("the grid has one configuration; a choice needs two.")
        self.default_configuration  # noqa: B018 - raises where the grid has no such point

    def _faulty_tuning(self) -> Iterator[str]:
        for where, keys in (("tuning", self.tuning), ("grid", self.grid)):
            for key in keys:
                if not isinstance(key, str):
                    yield f"{where} has the key {key!r}, which is no word"
                elif key in _OURS:
                    yield f"{where} has {key}, which the search sets itself ({_OURS[key]})"
                elif where == "grid" and key in _SHARED:
                    yield f"grid has {key}, which all trainings share; it belongs to tuning"
        if doubled := sorted(set(map(str, self.tuning)) & set(map(str, self.grid))):
            yield f"{listing(doubled)} stands both in tuning and in grid"

    def _faulty_grid(self) -> Iterator[str]:
        for key, values in self.grid.items():
            outer, _, inner = str(key).partition(".")
            if inner and not isinstance(self.tuning.get(outer, {}), Mapping):
                yield f"tuning.{outer} is {self.tuning[outer]!r}, but grid has {key}"
            if not isinstance(values, list) or not values:
                yield f"grid.{key} is {values!r}; a list of values is needed"
            elif not all(isinstance(value, str | int | float) for value in values):
                yield f"grid.{key} holds what is no number, word, true or false"
            elif len(set(map(_plain, values))) < len(values):
                yield f"grid.{key} names a value twice"
        epochs = self.grid.get(EPOCHS)
        if not isinstance(epochs, list) or not all(type(e) is int and e >= 1 for e in epochs):
            yield f"grid.epochs is {epochs!r}; a list of whole numbers from 1 is needed"

    @cached_property
    def epochs(self) -> tuple[int, ...]:
        """The epochs that are candidates, in order."""
        return tuple(sorted(self.grid[EPOCHS]))

    @cached_property
    def trainings(self) -> tuple[Training, ...]:
        """All trainings, in the grid's order."""
        keys = [key for key in self.grid if key != EPOCHS]
        points = itertools.product(*map(self.levels, keys))
        return tuple(self._training(dict(zip(keys, point, strict=True))) for point in points)

    def levels(self, factor: str) -> list[Any]:
        """The values of a factor, numbers as numbers, epochs in order."""
        return list(self.epochs) if factor == EPOCHS else list(map(_plain, self.grid[factor]))

    def _training(self, values: dict[str, Any]) -> Training:
        config: dict[str, Any] = dict(self.tuning)
        for key, value in values.items():
            outer, _, inner = key.partition(".")
            config[outer] = {**(config.get(outer) or {}), inner: value} if inner else value
        config |= {"epochs": max(self.grid[EPOCHS]), "learns": Learns.ANSWER.value}
        config |= {"export_epochs": True, "keep": 2}
        words = [_word(key, value) for key, value in values.items()]
        return Training("_".join(words) or "training", values, config)

    @cached_property
    def configurations(self) -> tuple[Configuration, ...]:
        """All candidates, training by training, epoch by epoch."""
        return tuple(
            Configuration(f"{training.name}_epoch-{epoch}", training, epoch)
            for training in self.trainings
            for epoch in self.epochs
        )

    @cached_property
    def default_configuration(self) -> Configuration:
        """The point of the grid that `default` names.

        Raises:
            UsageError: there is none, or more than one.
        """
        wanted = {key: _plain(value) for key, value in self.default.items()}
        found = [one for one in self.configurations if one.values == wanted]
        if len(found) != 1:
            raise UsageError(
                f"default is {dict(self.default)!r}, which is no point of the grid. Give each of "
                f"{', '.join(self.grid)} one of its values there."
            )
        return found[0]


def _plain(value: Any) -> Any:
    """A value as it is compared and named: YAML takes 2e-5 for a text, and 2.0e-5 for a number.

    >>> _plain("2e-5") == _plain(2.0e-5), _plain(True), _plain("adamw")
    (True, True, 'adamw')
    """
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _word(key: str, value: Any) -> str:
    """A value in a name: words stand for themselves, numbers have their key before them."""
    told = value if isinstance(value, str) else f"{key}-{value}".replace("e+", "e")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", told)


def read_space(path: Path) -> Space:
    """The space of a YAML file.

    Raises:
        InputError: no such file, or no YAML mapping.
        UsageError: unknown or missing keys, wrong values.
    """
    return parse(Space, read_mapping(path), str(path))
