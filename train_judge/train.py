"""Train a judge, or a model that answers: one configuration file, on a CPU, a GPU, or many.

    python -m train_judge.train --config FILE
    torchrun --nproc_per_node 8 -m train_judge.train --config FILE
    accelerate launch --num_processes 8 -m train_judge.train --config FILE
    deepspeed --num_gpus 8 --module train_judge.train --config FILE

A training that was stopped goes on from its newest checkpoint when the same command runs again.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import logging
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import yaml

from pandalm_eval.errors import InputError, UsageError
from train_judge import launch
from train_judge.config import Config, read_config
from train_judge.steps import checksum, command

if TYPE_CHECKING:
    from train_judge.learning_data import RecordTable
    from train_judge.trainer import OrderedTrainer

_log = logging.getLogger("train_judge")

# What the weights do not hang on, so that a training may be resumed with others.
_FREE = ("output", "keep", "save_every", "log_every", "report_to")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and train."""
    told = build_parser().parse_args(arguments)
    launch.prepare()
    _log.setLevel(logging.INFO if launch.is_first() else logging.ERROR)  # one speaks for all
    train(read_config(told.config, _changes(told.set)))


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m train_judge.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, type=Path, help="YAML file of keys and values")
    parser.add_argument(
        *("--set",),
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="keys that replace the file's",
    )
    # The deepspeed launcher tells the place of the process here, too; the environment has it.
    parser.add_argument("--local_rank", help=argparse.SUPPRESS)
    return parser


def _changes(words: Sequence[str]) -> dict[str, Any]:
    if wrong := [word for word in words if "=" not in word]:
        raise UsageError(f"--set takes KEY=VALUE, not {', '.join(wrong)}.")
    try:
        return {key: yaml.safe_load(value) for key, value in (word.split("=", 1) for word in words)}
    except yaml.YAMLError as error:
        raise UsageError(f"--set: {' '.join(str(error).split())}.") from None


def train(config: Config) -> None:
    """Train as configured, or go on with it; the result stands in `config.output`.

    Raises:
        InputError: examples, base model or disk are at fault, or the training diverged.
        UsageError: the configuration is, or the folder holds another training.
    """
    from safetensors import SafetensorError

    output = Path(config.output)
    _require_own_folder(config, output)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with _alone_in(output):
            _train(config, output)
    except SafetensorError as error:
        raise _unwritten(output, error) from error
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise InputError(f"{output}: the training stopped: {error}.") from error
        raise _unwritten(output, error) from error
    except RuntimeError as error:
        if "PytorchStreamWriter" not in str(error) and "enforce fail" not in str(error):
            raise
        raise _unwritten(output, error) from error


def _train(config: Config, output: Path) -> None:
    from transformers import set_seed

    from train_judge import checkpoints
    from train_judge.arguments import training_arguments
    from train_judge.base_model import base_checkpoint, load_model
    from train_judge.learning_data import RecordTable
    from train_judge.result import FINISHED, save_result
    from train_judge.subject import subject_of
    from train_judge.trainer import OrderedTrainer

    if launch.is_first():
        checkpoints.claim(output, _decisive(config))
    if (output / FINISHED).exists():
        _log.info("%s: this training is finished. Name another output to repeat it.", output)
        return
    tokenizer = base_checkpoint(config).load_tokenizer()
    subject = subject_of(config, tokenizer)
    read = partial(RecordTable, cache=output / "data", format=subject.format, encode=subject.encode)
    learnt = read(Path(config.train))
    held_out = None
    if config.validation is not None:
        held_out = read(Path(config.validation))
        _require_other_prompts(learnt, held_out)
    lessons = subject.learning(learnt, config)
    arguments = training_arguments(config, len(lessons) // config.batch)
    with arguments.main_process_first(local=False):
        newest = checkpoints.newest(output)
    if newest is not None:
        _log.info("%s: goes on from %s.", output, newest.name)
    set_seed(config.seed)  # of adapters
    trainer = OrderedTrainer.of(
        config,
        model=load_model(config),
        args=arguments,
        train_dataset=lessons,
        eval_dataset=None if held_out is None else subject.validation(held_out),
        tokenizer=tokenizer,
        subject=subject,
    )
    _say_plan(config, trainer, learnt, held_out)
    trainer.train(resume_from_checkpoint=None if newest is None else str(newest))
    save_result(trainer, tokenizer, config, learnt, held_out)


@contextlib.contextmanager
def _alone_in(output: Path) -> Iterator[None]:
    """Hold the folder's lock in the first process of a training; the others belong to it."""
    if not launch.is_first():
        yield
        return
    try:
        with filelock.FileLock(output / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise UsageError(f"{output}: another training runs in this folder.") from None


def _require_own_folder(config: Config, output: Path) -> None:
    """Refuse an output in which something of the user's would be written over."""
    files = [Path(path).resolve().parent for path in (config.train, config.validation) if path]
    taken = {Path(config.pretrained).expanduser().resolve(): "the base model"}
    taken |= dict.fromkeys(files, "the examples")
    if told := taken.get(output.expanduser().resolve()):
        raise UsageError(f"output is {config.output}: {told} stand there. Name another folder.")


def _decisive(config: Config) -> dict[str, Any]:
    """All that decides on the weights; files by their content."""
    told = dataclasses.asdict(config)
    for key in ("train", "validation"):
        told[key] = None if told[key] is None else checksum(Path(told[key]))
    base = Path(config.pretrained).expanduser()
    if base.is_dir():  # other weights under the same path are another model
        told["base"] = sorted((file.name, file.stat().st_size) for file in base.iterdir())
    if config.deepspeed is not None:  # its checkpoints are one part a process
        told["processes"] = launch.processes()
    if not config.export_epochs:  # may be switched off; switched on, past epochs would be missing
        del told["export_epochs"]
    return {key: value for key, value in told.items() if key not in _FREE}


def _require_other_prompts(learnt: RecordTable[Any], held_out: RecordTable[Any]) -> None:
    if shared := learnt.prompts & held_out.prompts:
        raise InputError(
            f"{held_out.path}: {len(shared)} of its {len(held_out.prompts)} prompts also stand in "
            f"{learnt.path}. Split by prompt, as train_judge.export does."
        )


def _say_plan(
    config: Config,
    trainer: OrderedTrainer,
    learnt: RecordTable[Any],
    held_out: RecordTable[Any] | None,
) -> None:
    updates = trainer.args.max_steps
    checked = "no validation" if held_out is None else f"{len(held_out)} for validation"
    _log.info(
        "%s: %d examples of %d prompts, %s; %d epochs, %d updates of %d examples in %d processes.",
        config.output,
        len(learnt),
        len(learnt.prompts),
        checked,
        config.epochs,
        updates,
        config.batch,
        launch.processes(),
    )


def _unwritten(output: Path, error: Exception) -> InputError:
    told = " ".join(str(error).split())[:200]
    return InputError(
        f"{output}: something could not be read or written ({told}). Is the disk full? Older "
        "checkpoints are whole; once that is mended, the same command goes on from the newest."
    )


if __name__ == "__main__":
    sys.exit(command(main))
