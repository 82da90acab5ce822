"""What a table rests on, as BibTeX: `citations.bib` is the only place where a work is cited."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from pandalm_eval import __version__
from pandalm_eval.classic_runs import read_tunings
from pandalm_eval.errors import InputError, UsageError, listing
from pandalm_eval.results import Run, read_runs
from pandalm_eval.version import commit

ALWAYS = ("pandalm_eval", "wang2024pandalm", "gao2024harness")
"""This software, the judge that it continues, and the harness that runs it."""

_PUBLISHED = ("chen2025judgelrm",)  # rows that stand beside every judge of the test set
_SOURCES = {
    "lsat": ("zhong2023agieval", "wang2021lsat"),
    "pubmedqa": ("jin2019pubmedqa",),
    "bioasq": ("krithara2023bioasq",),
}
_BETWEEN_CANDIDATES = ("dubois2024length",)  # the win rate at equal length
_ANSWERED = ("taori2023alpaca",)  # the template that candidates answer under
_CLASSIC = {
    "arc_challenge": ("clark2018arc",),
    "cb": ("wang2019superglue",),
    "coqa": ("reddy2019coqa",),
    "hellaswag": ("zellers2019hellaswag",),
    "squadv2": ("rajpurkar2018squad",),
    "wsc": ("wang2019superglue",),
    "mmlu": ("hendrycks2021mmlu",),
}


@cache
def entries() -> Mapping[str, str]:
    """{key: BibTeX entry}, with version and commit of this software."""
    text = resources.files("pandalm_eval").joinpath("citations.bib").read_text("utf-8")
    found = re.findall(r"^@\w+\{([^,]+),\n.*?^\}$", text, re.MULTILINE | re.DOTALL)
    whole = re.findall(r"^@\w+\{.*?^\}$", text, re.MULTILINE | re.DOTALL)
    told = commit()
    return {
        key: entry.replace("{VERSION}", f"{{{__version__}}}").replace(
            "{COMMIT}", f"{{commit {told}}}" if told else "{installed release}"
        )
        for key, entry in zip(found, whole, strict=True)
    }


def bibtex(paths: Iterable[Path], also: Iterable[str] = ()) -> str:
    """The entries of everything that the tables of some results rest on.

    Args:
        paths: results of pairwise-judge or classic tasks; with none, the entries of every table.
        also: further keys, for what no results file tells.

    Raises:
        InputError: a path that is no result.
        UsageError: an unknown key.
    """
    keys = [*ALWAYS, *(key for path in paths for key in keys_of(path)), *also]
    if unknown := sorted(set(keys) - set(entries())):
        raise UsageError(
            f"--also: no work is called {listing(unknown)}; known are {', '.join(entries())}."
        )
    return "\n\n".join(entries()[key] for key in dict.fromkeys(keys))


def keys_of(path: Path) -> list[str]:
    """Keys of what the tables of one result rest on, beyond what all do.

    Raises:
        InputError: neither runs of pairwise-judge tasks nor of classic ones.
    """
    try:
        runs = read_runs([path])
    except InputError as error:
        try:
            tunings = read_tunings([path])
        except InputError:
            raise error from None
        return [key for tuning in tunings for task in tuning.tasks for key in _CLASSIC[task]]
    return [key for run in runs for key in _keys_of_run(run)]


def _keys_of_run(run: Run) -> list[str]:
    from pandalm_eval.tables.judges import is_test_set

    keys: list[str] = []
    source = re.split(r"[_-]", run.name.task)[1:2]
    keys += _SOURCES.get(source[0] if source else "", ())
    if is_test_set(run):
        keys += _PUBLISHED
    if run.judgments is not None and run.judgments.names_models:
        keys += _BETWEEN_CANDIDATES
    if run.name.task == "pandalm-winrate":
        keys += _ANSWERED
    return keys
