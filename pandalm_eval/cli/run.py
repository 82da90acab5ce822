"""`pandalm-eval run`: `lm_eval run` with our tasks and models present, and early refusals."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pandalm_eval.errors import InputError, UsageError

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
    parsed = parser.parse_args(["run", *argv])
    _take_from_config(parsed)
    models.register()
    _include_tasks(parsed)
    if parsed.__dict__.get("tasks") is not None:
        refuse_early(parsed)
    try:
        with candidate_memory.noted(), _made_to_last(parsed):
            parsed.func(parsed)
    except ValueError as error:
        for beginning, advice in _HARNESS_USAGE.items():
            if str(error).startswith(beginning):
                raise UsageError(f"{str(error).rstrip('.')}. {advice}") from None
        raise
    return 0


_HARNESS_USAGE = {
    "Tasks not found": "`pandalm-eval tasks` lists ours, `lm_eval ls tasks` the harness's.",
    "No tasks specified": "Add --tasks NAME; `pandalm-eval tasks` lists ours.",
    "Specify --output_path": "The samples need a folder.",
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

    metadata: Mapping[str, Any] = parsed.metadata or {}
    model = getattr(parsed, "model", None) or "hf"
    check_keys(metadata)
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

    names = [name for word in parsed.tasks for name in str(word).split(",")]
    return metadata.get("protocol") == "logprob" or any(
        fnmatch.fnmatch("pandalm_human_logprob", name) for name in names
    )


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


def _include_tasks(parsed: argparse.Namespace) -> None:
    """Add our task folder, unless `link` has put it where the harness looks anyway."""
    from pandalm_eval.tasks_folder import is_linked, tasks_folder

    if is_linked():
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
