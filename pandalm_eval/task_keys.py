"""Which of our tasks take which metadata keys; `data_dir` and `decoding` are taken by all.

Our command knows every task of a run and what `--metadata` gave, so that a key which none of them
takes is refused. A task alone knows neither: the model's arguments arrive in the same mapping, and
another task of the run may take the key. So it says once that it leaves the key aside.
"""

from __future__ import annotations

import fnmatch
import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pandalm_eval.errors import UsageError

_log = logging.getLogger(__name__)

_HUMAN = (
    *("pandalm_human", "pandalm_human_single", "pandalm_human_verdict", "pandalm_human_logprob"),
    "pandalm-judge",
)
_DOMAINS = (
    *("pandalm_lsat", "pandalm_pubmedqa", "pandalm_bioasq", "pandalm-domains", "pandalm-judge"),
    *("pandalm-lsat-ar", "pandalm-lsat-lr", "pandalm-lsat-rc"),
)
_JUDGED = (*dict.fromkeys([*_HUMAN, *_DOMAINS]), "pandalm-pairs")
_COMPARED = ("pandalm-compare", "pandalm-winrate")
_OF_DOMAINS = tuple(f"pandalm-respond-{name}" for name in ("lsat", "pubmedqa", "bioasq"))

TAKERS: Mapping[str, Sequence[str]] = {
    "protocol": (*_JUDGED, *_COMPARED),
    "prompt": (*_JUDGED, *_COMPARED),
    "gold": _JUDGED,
    "pairs": ("pandalm-pairs",),
    "responses": ("pandalm-compare", *_DOMAINS),
    "baseline": (*_COMPARED, *_DOMAINS),
    "judge": ("pandalm-winrate",),
    "instructions": ("pandalm-respond", *_COMPARED),
    "labels": ("pandalm-compare",),
    "join": (*_COMPARED, *_DOMAINS),
}
"""{key: tasks and groups that take it}."""

_ADVISED = {("labels", "pandalm-winrate"), *(("instructions", task) for task in _OF_DOMAINS)}
"""Refused by the task itself, with better advice than a list of tasks."""

NAMES = frozenset([*(name for takers in TAKERS.values() for name in takers), *_OF_DOMAINS])
"""Every task and group that is judged by this; of others nothing is known."""


def are_ours(tasks: Iterable[str]) -> bool:
    """Whether names and globs, as they were typed, ask for no task of the harness's own."""
    return all(
        word.startswith("pandalm")  # what else a glob may match is not known here
        and bool(fnmatch.filter(NAMES, word))
        and not fnmatch.fnmatch("pandalm-classic", word)  # a group of the harness's
        for word in tasks
    )


def refuse_untaken(tasks: Iterable[str], keys: Iterable[str]) -> None:
    """Raise a UsageError that names every key which no task of the run takes, and who takes it.

    Args:
        tasks: names and globs as they were typed; with one that is not ours all keys pass.
        keys: of `--metadata` alone.
    """
    found: list[str] = []
    for word in tasks:
        if not (named := fnmatch.filter(sorted(NAMES), word)):
            return
        found += named
    wrong = [
        f"{key} (taken by {', '.join(TAKERS[key])})"
        for key in keys
        if key in TAKERS and not any(_passes(key, task) for task in found)
    ]
    if wrong:
        raise UsageError(
            f"no task of the run ({', '.join(dict.fromkeys(found))}) takes the metadata key "
            f"{'; '.join(wrong)}. Leave it out, or run a task that takes it."
        )


def _passes(key: str, task: str) -> bool:
    return task in TAKERS[key] or (key, task) in _ADVISED


def say_untaken(task: str, metadata: Mapping[str, Any]) -> None:
    """Warn, once a key, of what a task of ours leaves aside."""
    for key in metadata:
        if task in NAMES and key in TAKERS and not _passes(key, task):
            _say(task, key)


@functools.cache
def _say(task: str, key: str) -> None:
    _log.warning(
        "%s: the key %s, unless it is meant for the model, is left aside (taken by %s).",
        task,
        key,
        ", ".join(TAKERS[key]),
    )
