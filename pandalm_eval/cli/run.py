"""`pandalm-eval run`: `lm_eval run` with our tasks and models present, and early refusals."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError, PandaLMError, UsageError

_HELP = "run tasks: every flag of `lm_eval run`, with our tasks and models present"


def add_parser(subparsers: Any) -> None:
    """Announce the verb; its flags belong to the harness (`pandalm-eval run --help` shows them)."""
    parser = subparsers.add_parser("run", help=_HELP, description=_HELP, add_help=False)
    parser.add_argument("harness_arguments", nargs=argparse.REMAINDER)
    parser.set_defaults(handler=main)


def main(arguments: argparse.Namespace) -> int:
    """Hand the flags to the harness's own parser and runner."""
    argv: list[str] = arguments.harness_arguments
    refuse_mixed_metadata(argv)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    from lm_eval._cli.harness import HarnessCLI

    from pandalm_eval import candidate_memory, models

    parser = HarnessCLI()._parser
    _rename(parser)
    with explained():
        parsed = parser.parse_args(["run", *argv])
        _take_from_config(parsed)
        models.register()
        own_only = _asks_for_ours_only(parsed)
        _include_tasks(parsed, own_only)
        if parsed.__dict__.get("tasks") is not None:
            refuse_early(parsed)
        spared = spared_scan() if own_only else contextlib.nullcontext()
        with candidate_memory.noted(), _made_to_last(parsed), _written(), spared:
            parsed.func(parsed)
    return 0


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Tell what the harness and transformers raise for a slip of the user's in a line of ours."""
    try:
        yield
    except PandaLMError:
        raise
    except (ValueError, AssertionError, OSError) as error:
        said = " ".join(str(error).split())
        for beginning, advice in _HARNESS_USAGE.items():
            if said.startswith(beginning):
                raise UsageError(f"{said[:500].rstrip('.')}. {advice}") from None
        raise


@contextlib.contextmanager
def _written() -> Iterator[None]:
    """Let a result that could not be written fail the run: the harness only logs it."""
    failures: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING and "Could not save" in record.getMessage():
            failures.append(record.getMessage())
        return True

    log = logging.getLogger("lm_eval.loggers.evaluation_tracker")
    log.addFilter(note)
    try:
        yield
    finally:
        log.removeFilter(note)
    if failures:
        raise InputError(
            f"{failures[0]}: --output_path is full or cannot be written, and what stands there is "
            "not whole. Make room and run again (with --use_cache nothing is asked twice)."
        )


_HARNESS_USAGE = {
    "Tasks not found": "`pandalm-eval tasks` lists ours, `lm_eval ls tasks` the harness's.",
    "No tasks specified": "Add --tasks NAME; `pandalm-eval tasks` lists ours.",
    "Specify --output_path": "The samples need a folder.",
    "Invalid JSON": "Mend the quotes and brackets.",
    "task.build_requests() did not find any docs": "Raise --limit.",
    "Indices for islice()": "--limit takes a number above 0.",
    "Stop argument for islice()": "--limit takes a number above 0.",
    "Elements of --samples": "Count from 0, below the number of the task's pairs.",
    "Attempted to load model": "`lm_eval ls models` lists the harness's; ours are hf-judge, "
    "recorded, rule.",
    "Repo id must": "pretrained= takes a folder that exists, or OWNER/NAME of the model hub.",
    "We couldn't connect to": "Without a network, pretrained= takes a folder.",
    "Can't load": "pretrained= takes a folder with a whole checkpoint, or OWNER/NAME of the hub.",
}
"""How the harness begins what is a user's slip of the flags, and what to do about it."""


def _rename(parser: argparse.ArgumentParser) -> None:
    """Let the harness's help and errors name our command."""
    parser.prog = "pandalm-eval"
    verbs = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    run = verbs.choices["run"]
    for name in ("prog", "usage", "epilog"):
        if text := getattr(run, name):
            setattr(run, name, text.replace("lm-eval run", "pandalm-eval run"))


def _take_from_config(parsed: argparse.Namespace) -> None:
    """Take what stands in a `--config` file alone for a flag: our checks read flags.

    Raises:
        InputError: the file cannot be read.
    """
    if not getattr(parsed, "config", None):
        return
    from lm_eval.config.evaluate_config import EvaluatorConfig

    try:
        told = EvaluatorConfig.load_yaml_config(parsed.config)
    except Exception as error:  # no file, no YAML or no mapping, each in the harness's own class
        raise InputError(f"--config {parsed.config}: cannot be read ({error}).") from None
    for key, value in told.items():
        flag = getattr(parsed, key, None)
        if not (flag or flag == 0):  # the harness's own rule of what a flag overrides
            setattr(parsed, key, value)
    if isinstance(parsed.tasks, str):
        parsed.tasks = parsed.tasks.split(",")


def refuse_mixed_metadata(argv: Sequence[str]) -> None:
    """Raise a UsageError where one `--metadata` has JSON and key=value: the harness drops one."""
    values: list[str] = []
    for argument in [*argv, "--"]:
        if argument.startswith("--"):
            if len(values) > 1 and any(value.lstrip().startswith("{") for value in values):
                raise UsageError(
                    "--metadata takes one JSON object or key=value words, not both: the harness "
                    f"would silently drop a part of {' '.join(values)!r}. Put all keys into the "
                    "JSON object."
                )
            values = []
            collecting = argument == "--metadata"
        elif collecting:
            values.append(argument)


def refuse_early(parsed: argparse.Namespace) -> None:
    """Raise what the tasks would raise, before a model is loaded."""
    from pandalm_eval import backends
    from pandalm_eval.settings import Decoding, check_keys
    from pandalm_eval.task_keys import refuse_untaken

    metadata: Mapping[str, Any] = parsed.metadata or {}
    model = getattr(parsed, "model", None) or "hf"
    check_keys(metadata)
    refuse_untaken(_task_names(parsed), metadata)
    if metadata.get("decoding") == Decoding.UPSTREAM and model != "hf-judge":
        raise UsageError(backends.UPSTREAM_NEEDS_HF_JUDGE)
    if _asks_for_logprobs(parsed, metadata):
        backends.refuse_unscored(_model_class(model))
    if not getattr(parsed, "apply_chat_template", None):
        backends.refuse_bare_text(_model_class(model), "--apply_chat_template")
    if getattr(parsed, "output_path", None):
        _require_writable(Path(parsed.output_path))


def _asks_for_logprobs(parsed: argparse.Namespace, metadata: Mapping[str, Any]) -> bool:
    import fnmatch

    return metadata.get("protocol") == "logprob" or any(
        fnmatch.fnmatch("pandalm_human_logprob", name) for name in _task_names(parsed)
    )


def _task_names(parsed: argparse.Namespace) -> list[str]:
    return [name for word in parsed.tasks for name in str(word).split(",")]


def _model_class(name: str) -> type:
    from lm_eval.api.registry import get_model

    try:
        found: type = get_model(name)
    except Exception:  # unknown or not installed: the harness has its own words for that
        return object
    return found


def _require_writable(path: Path) -> None:
    folder = path.parent if path.suffix == ".json" else path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".pandalm-eval-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"--output_path {path}: cannot be written ({error.strerror}). Nothing was run; choose "
            "another folder."
        ) from None


def _asks_for_ours_only(parsed: argparse.Namespace) -> bool:
    from pandalm_eval.task_keys import are_ours

    return bool(parsed.__dict__.get("tasks")) and are_ours(_task_names(parsed))


@contextlib.contextmanager
def spared_scan() -> Iterator[None]:
    """Spare the harness the reading of its own 13,000 task files, which takes most of a start."""
    from lm_eval import tasks

    whole = tasks.TaskManager

    class IncludedTasks(whole):  # type: ignore[misc, valid-type]
        """Tasks of `include_path` alone."""

        def __init__(self, *given: Any, **told: Any) -> None:
            super().__init__(*given, **told | {"include_defaults": False})

    tasks.TaskManager = IncludedTasks
    try:
        yield
    finally:
        tasks.TaskManager = whole


def _include_tasks(parsed: argparse.Namespace, own_only: bool) -> None:
    """Add our task folder, unless `link` has put it where the harness will look anyway."""
    from pandalm_eval.tasks_folder import is_linked, tasks_folder

    if is_linked() and not own_only:
        return
    own = str(tasks_folder())
    given = getattr(parsed, "include_path", None)
    theirs = given if isinstance(given, list) else [given]
    parsed.include_path = [own, *theirs] if given else own


@contextlib.contextmanager
def _made_to_last(parsed: argparse.Namespace) -> Iterator[None]:
    """Let failing requests cost their own readings only, and our store answer `--use_cache`."""
    from lm_eval.utils import simple_parse_args_string

    from pandalm_eval.failures import tolerated
    from pandalm_eval.store import Store, installed

    if getattr(parsed, "use_cache", None):
        Store(Path(parsed.use_cache))  # one that cannot be used is refused before a model is loaded
    arguments = getattr(parsed, "model_args", None) or {}
    told = {
        "model": getattr(parsed, "model", None) or "hf",
        "model_args": simple_parse_args_string(arguments)
        if isinstance(arguments, str)
        else arguments,
        "seed": getattr(parsed, "seed", None),
    }
    with tolerated(), installed(told):
        yield
