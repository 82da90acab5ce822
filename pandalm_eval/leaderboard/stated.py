"""Figures that a submission states in its manifests, against those that its judgments give."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pandalm_eval.errors import listing
from pandalm_eval.judgments import RunName
from pandalm_eval.leaderboard.faults import Fault
from pandalm_eval.metrics import SUFFIXES, UNDEFINED
from pandalm_eval.records import without_doubles
from pandalm_eval.results import judge_name

_LARGEST = 2**22
_TOLERANCE = 1e-9
_HUGE = 1e12
"""No figure is as large; a whole number of hundreds of digits is no float either."""

_NO_FIGURES = {"alias", "name", "sample_len"}
_SETTINGS = {
    "protocol": "protocol",
    "prompt": "prompt",
    "decoding": "decoding",
    "gold": "gold_source",
}


def read_manifest(path: Path, where: str) -> tuple[dict[str, Any], list[Fault]]:
    """The manifest, empty where it cannot be read, and why."""
    raw = path.open("rb").read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        return {}, [Fault(where, f"has more than {_LARGEST} bytes; no manifest has.")]
    try:
        told = json.loads(
            raw.decode("utf-8"), object_pairs_hook=without_doubles, parse_constant=_no_number
        )
    except UnicodeDecodeError as error:
        return {}, [Fault(where, f"is not UTF-8 text (byte {error.start}).")]
    except (ValueError, RecursionError) as error:
        return {}, [Fault(where, f"cannot be read as JSON ({error}).")]
    if not isinstance(told, dict):
        return {}, [Fault(where, "holds no object with fields.")]
    return told, []


def _no_number(constant: str) -> float:
    raise ValueError(f"it holds {constant}, which is no number of JSON")


def compare(
    manifest: Mapping[str, Any], where: str, name: RunName, figures: Mapping[str, float]
) -> list[Fault]:
    """What a manifest states otherwise than the judgments beside it.

    Args:
        where: what messages call the manifest.
        name, figures: of the judgments, computed anew.
    """
    results = _part(manifest, "results", name.task)
    settings = manifest.get("settings")
    faults = []
    if not results:
        faults.append(Fault(where, f"states no results of {name.task}, whose judgments are here."))
    if not isinstance(settings, Mapping):
        faults.append(Fault(where, "has no settings; `pandalm-eval redact` writes them."))
        settings = {}
    faults += [
        Fault(where, f"says {key} {settings[key]!r:.80}, but the judgments {getattr(name, own)!r}.")
        for key, own in _SETTINGS.items()
        if key in settings and settings[key] != getattr(name, own)
    ]
    faults += _judge_faults(manifest, where, name)
    faults += _count_faults(manifest, where, name, int(figures["n_pairs"]))
    if results:
        faults += _figure_faults(results, where, figures)
    return faults


def _part(manifest: Mapping[str, Any], key: str, task: str) -> Mapping[str, Any]:
    whole = manifest.get(key)
    part = whole.get(task) if isinstance(whole, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _judge_faults(manifest: Mapping[str, Any], where: str, name: RunName) -> list[Fault]:
    config, arguments = manifest.get("config"), manifest.get("model_args")
    if not isinstance(config, Mapping) or not isinstance(arguments, Mapping):
        return []
    told = judge_name({"model": config.get("model"), "model_args": arguments})
    if told == name.judge:
        return []
    return [Fault(where, f"is of the judge {told!r:.80}, but the judgments are of {name.judge!r}.")]


def _count_faults(
    manifest: Mapping[str, Any], where: str, name: RunName, pairs: int
) -> list[Fault]:
    counts = _part(manifest, "n-samples", name.task)
    told = [counts.get("effective"), counts.get("original")]
    if told == [pairs, pairs]:
        return []
    return [
        Fault(
            where,
            f"says {told[0]!r:.40} of {told[1]!r:.40} pairs were judged, but there are {pairs} "
            "judgments. A leaderboard takes whole runs, without --limit and --samples.",
        )
    ]


def _figure_faults(
    results: Mapping[str, Any], where: str, figures: Mapping[str, float]
) -> list[Fault]:
    values: list[str] = []
    errors: list[str] = []
    unknown: list[str] = []
    for key, told in results.items():
        name, _, filter = key.partition(",")
        if name in _NO_FIGURES and name != "sample_len":
            continue
        found = figures["n_pairs"] if name == "sample_len" else figures.get(name)
        if found is None:
            if told != UNDEFINED:  # the harness's own error of an error, which no one computes
                unknown.append(key)
        elif filter not in ("none", "") or not _is_same(told, found):
            is_error = name.endswith(SUFFIXES[1:])
            shown = UNDEFINED if math.isnan(found) else f"{found:.12g}"
            (errors if is_error else values).append(f"{name} {told!r:.40} (is {shown})")
    told_of = (
        ("states figures that its judgments do not give", values),
        ("states figures that are none of ours and cannot be computed anew", unknown),
        (
            "states errors or interval ends that its judgments do not give here (if another "
            "version of this software wrote it, `leaderboard add --restate` computes them anew)",
            errors,
        ),
    )
    return [Fault(where, f"{what}: {listing(found)}.") for what, found in told_of if found]


def _is_same(told: object, found: float) -> bool:
    if math.isnan(found):
        return told == UNDEFINED
    if isinstance(told, bool) or not isinstance(told, int | float) or abs(told) > _HUGE:
        return False
    return abs(told - found) <= _TOLERANCE * max(1.0, abs(found))


def restated(
    manifest: Mapping[str, Any], task: str, figures: Mapping[str, float]
) -> dict[str, Any]:
    """The manifest with the errors and intervals that this version computes; values stay."""
    from pandalm_eval import __version__
    from pandalm_eval.metrics import printable

    results = dict(_part(manifest, "results", task))
    for key in results:
        name = key.partition(",")[0]
        if name in figures and name.endswith(SUFFIXES[1:]):
            results[key] = printable(figures[name])
    if results == _part(manifest, "results", task):
        return dict(manifest)
    return dict(manifest) | {"results": {task: results}, "restated_by": __version__}
