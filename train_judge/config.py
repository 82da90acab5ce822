"""The configuration of a training: one YAML file, every key checked before anything is loaded."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import yaml

from pandalm_eval.errors import InputError, UsageError


class Swap(StrEnum):
    """Which orders of a pair are learnt."""

    NONE = "none"
    """As stored."""
    RANDOM = "random"
    """One order, drawn anew in each epoch."""
    BOTH = "both"
    """Both, as two examples of an epoch."""


class Learns(StrEnum):
    """What a model is taught to write."""

    ALL = "all"
    """About a pair: verdict, reason and reference, where there are any."""
    VERDICT = "verdict"
    """About a pair: the verdict alone."""
    ANSWER = "answer"
    """The answer to an instruction."""


class Schedule(StrEnum):
    """How the learning rate falls after the warm-up."""

    COSINE = "cosine"
    LINEAR = "linear"
    CONSTANT = "constant"


class Optimizer(StrEnum):
    ADAMW = "adamw"
    SGD = "sgd"


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank adapters instead of full weights; the defaults are upstream's.

    Attributes:
        rank, alpha, dropout: of every adapter; its output is scaled by alpha / rank.
        modules: names of the layers that get one, or `all-linear`.
    """

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    modules: tuple[str, ...] | str = ("q_proj", "v_proj")

    def __post_init__(self) -> None:
        _require(
            self,
            ("rank", "at least 1", self.rank >= 1),
            ("alpha", "at least 1", self.alpha >= 1),
            ("dropout", "a share in [0, 1)", 0 <= self.dropout < 1),
            ("modules", "at least one name", bool(self.modules)),
        )


def _shown(value: object) -> str:
    return str(value) if isinstance(value, StrEnum) else repr(value)


def _require(told: object, *rules: tuple[str, str, bool]) -> None:
    """Raise a UsageError that names every key which breaks its rule."""
    problems = [
        f"{name} is {_shown(getattr(told, name))}; {wanted}"
        for name, wanted, holds in rules
        if not holds
    ]
    if problems:
        raise UsageError("; ".join(problems) + ".")


@dataclass(frozen=True, slots=True)
class Config:
    """A training.

    Attributes:
        pretrained, revision, gguf_file: the base model, as in `--model_args` of hf-judge.
        train: JSONL of pairs with verdicts (`train_judge.examples`), or of answers
            (`train_judge.answers`).
        validation: the same, of other prompts; None for no validation.
        output: folder of the result; checkpoints and log are in it, too.
        max_length: most tokens of prompt and target. The responses of a pair are shortened to fit,
            its target never; of an answer, the end is cut off.
        learns: see its enumeration.
        swap: the same; for pairs only, which are shown in `random` order by default.
        epochs: passes over the data.
        batch: examples of an update, over all processes and accumulated passes.
        micro_batch: examples of one pass of one process.
        optimizer, learning_rate, schedule: with the usual names.
        warmup: share of the updates in which the learning rate rises, in [0, 1).
        weight_decay, clip: decoupled decay; largest norm of the gradient.
        bf16: whether matrix products are taken in bfloat16.
        gradient_checkpointing: recompute activations in the backward pass: less memory, more time.
        group_by_length: whether a pass holds examples of like length; their order stays random.
        lora: adapters instead of full weights.
        deepspeed: `zero2`, `zero3` (shipped) or the path of a DeepSpeed JSON; None for none.
        save_every, validate_every, log_every: in updates; 0 saves and validates after each epoch.
        keep: newest checkpoints that are kept, at least 2; 0 keeps all.
        export_epochs: whether each epoch leaves its weights in `epoch-N/` (`train_judge.epochs`).
        report_to: `tensorboard`, `wandb`, …, as transformers knows them.
        seed: of order, swaps, adapters and dropout.
    """

    pretrained: str
    train: str
    output: str
    validation: str | None = None
    revision: str | None = None
    gguf_file: str | None = None
    max_length: int = 1024
    learns: Learns = Learns.ALL
    swap: Swap | None = None
    epochs: int = 2
    batch: int = 128
    micro_batch: int = 4
    optimizer: Optimizer = Optimizer.ADAMW
    learning_rate: float = 2e-5
    schedule: Schedule = Schedule.COSINE
    warmup: float = 0.03
    weight_decay: float = 0.0
    clip: float = 1.0
    bf16: bool = True
    gradient_checkpointing: bool = False
    group_by_length: bool = True
    lora: Lora | None = None
    deepspeed: str | None = None
    save_every: int = 0
    validate_every: int = 0
    log_every: int = 10
    keep: int = 2
    export_epochs: bool = False
    report_to: tuple[str, ...] = field(default=())
    seed: int = 2023

    def __post_init__(self) -> None:
        of_pairs = self.learns is not Learns.ANSWER
        _require(
            self,
            ("swap", "leave it out: an answer has no order", of_pairs or self.swap is None),
            ("output", "the name of a folder", bool(self.output.strip())),
            ("max_length", "at least 16 tokens", self.max_length >= 16),
            ("epochs", "at least 1", self.epochs >= 1),
            ("batch", "at least 1", self.batch >= 1),
            (
                "micro_batch",
                f"a divisor of batch ({self.batch})",
                self.micro_batch >= 1 and self.batch % self.micro_batch == 0,
            ),
            ("learning_rate", "above 0", 0 < self.learning_rate < math.inf),
            ("warmup", "a share in [0, 1)", 0 <= self.warmup < 1),
            ("weight_decay", "0 or more", 0 <= self.weight_decay < math.inf),
            ("clip", "above 0", self.clip > 0),
            ("save_every", "0 or more", self.save_every >= 0),
            ("validate_every", "0 or more", self.validate_every >= 0),
            ("log_every", "at least 1", self.log_every >= 1),
            (
                "keep",
                "0, or at least 2: the newest may be cut off",
                self.keep == 0 or self.keep >= 2,
            ),
            ("seed", "0 or more", self.seed >= 0),
        )
        if of_pairs and self.swap is None:
            object.__setattr__(self, "swap", Swap.RANDOM)  # so that card and resume know it


def epoch_folder(output: Path, epoch: int) -> Path:
    """Where the weights after an epoch (from 1) stand; if it is there, it is whole."""
    return output / f"epoch-{epoch}"


class _OnceLoader(yaml.SafeLoader):
    """Refuses a key that stands there twice: YAML itself would keep the last, without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if doubled := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(sorted(doubled))} stands there twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


_Read = TypeVar("_Read")


def read_config(path: Path, changes: Mapping[str, Any] | None = None) -> Config:
    """The configuration of a YAML file, with some keys changed.

    Relative paths of data and output are taken from where the command runs.

    Raises:
        InputError: no such file, or no YAML mapping.
        UsageError: unknown keys and wrong values, all in one message.
    """
    return parse(Config, {**read_mapping(path), **(changes or {})}, str(path))


def read_mapping(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file, none of them twice.

    Raises:
        InputError: no such file, or no YAML mapping.
    """
    try:
        told = yaml.load(path.read_text("utf-8"), _OnceLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}).") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: no valid YAML ({' '.join(str(error).split())}).") from None
    if not isinstance(told, dict):
        raise InputError(f"{path}: holds no keys and values.")
    return told


def parse(kind: type[_Read], told: Mapping[str, Any], where: str) -> _Read:
    """A frozen dataclass of ours from a mapping, its types checked.

    Raises:
        UsageError: unknown and missing keys and values of another type, all in one message.
    """
    hints = typing.get_type_hints(kind)
    fields = {one.name: one for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    problems = []
    for key in set(told) - set(fields):
        near = difflib.get_close_matches(str(key), fields, n=1)
        problems.append(f"unknown key {key}{f' (did you mean {near[0]}?)' if near else ''}")
    for name, one in fields.items():
        if name not in told and one.default is one.default_factory is dataclasses.MISSING:
            problems.append(f"{name} is missing")
    values = {}
    for name in fields:
        if name in told:
            try:
                values[name] = _value(hints[name], told[name], f"{where}: {name}")
            except (TypeError, ValueError) as error:
                problems.append(f"{name} is {told[name]!r}: {error}")
    if problems:
        raise UsageError(f"{where}: {'; '.join(sorted(problems))}. Keys are {', '.join(fields)}.")
    try:
        return kind(**values)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _value(hint: Any, value: Any, where: str) -> Any:
    """A YAML value as the type of its field."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None:
        if types.NoneType in options:
            return None
        raise TypeError("a value is needed")
    for option in options:
        if dataclasses.is_dataclass(option):
            if not isinstance(value, Mapping):
                raise TypeError("keys and values are needed")
            return parse(option, value, where)  # type: ignore[arg-type]
        if isinstance(option, type) and issubclass(option, StrEnum):
            if value not in list(option):
                raise ValueError(f"one of {', '.join(option)} is needed")
            return option(value)
        if typing.get_origin(option) is Mapping and isinstance(value, Mapping):
            return dict(value)
        if typing.get_origin(option) is tuple and isinstance(value, list | tuple):
            return tuple(map(str, value))
        if option is float and isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)  # YAML reads 2e-5 as a text
        if option is bool and isinstance(value, bool):
            return value
        if option is int and isinstance(value, int) and not isinstance(value, bool):
            return value
        if option is str and isinstance(value, str):
            return value
    named = " or ".join(getattr(option, "__name__", str(option)) for option in options)
    raise TypeError(f"{named} is needed")
