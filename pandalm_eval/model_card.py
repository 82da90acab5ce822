"""A judge's figures for its model card: the `model-index` block, as `huggingface_hub` writes it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pandalm_eval import __version__
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.results import Run

if TYPE_CHECKING:
    from huggingface_hub import EvalResult


@dataclass(frozen=True, slots=True)
class CardMetric:
    """A figure as the hub knows it: our key, the hub's metric and its arguments, a name to show."""

    key: str
    type: str
    name: str
    arguments: dict[str, Any]


_METRICS = (
    CardMetric("acc", "accuracy", "Accuracy against gold", {}),
    CardMetric("f1_macro", "f1", "Macro F1", {"average": "macro"}),
    CardMetric("f1_weighted", "f1", "Weighted F1", {"average": "weighted"}),
    CardMetric("kappa", "cohen_kappa", "Cohen's kappa", {}),
    CardMetric("position_consistency", "position_consistency", "Position consistency", {}),
    CardMetric("invalid_rate", "invalid_rate", "Invalid rate of readings", {}),
)
_DATA = {
    "pandalm_human": "PandaLM human test set",
    "pandalm_lsat": "LSAT pairs by answer key",
    "pandalm_pubmedqa": "PubMedQA pairs by answer key",
    "pandalm_bioasq": "BioASQ pairs by answer key",
}


def card(runs: Sequence[Run], judge: str | None = None) -> str:
    """YAML front matter with one judge's figures, to be put into its model card.

    Args:
        runs: of one judge, or of several where `judge` names it.
        judge: its name in the results.

    Raises:
        UsageError: several judges and none named, or one that is not there.
        InputError: its runs have no gold to be compared with.
    """
    judges = list(dict.fromkeys(run.name.judge for run in runs))
    if judge is None and len(judges) > 1:
        raise UsageError(f"a card is of one judge; name it by --judge: {', '.join(judges)}.")
    if judge is not None and judge not in judges:
        raise UsageError(f"--judge {judge!r}: there are runs of {', '.join(judges)}.")
    name = judge or judges[0]
    results = [result for run in runs if run.name.judge == name for result in _results(run)]
    if not results:
        raise InputError(f"{name}: no run has a gold label, so there is nothing for a card.")
    from huggingface_hub import ModelCardData

    told = ModelCardData(model_name=name, eval_results=results)
    return f"---\n{told.to_yaml().rstrip()}\n---"


def _results(run: Run) -> Iterable[EvalResult]:
    """One a metric: the hub groups them by data set, configuration and split."""
    from huggingface_hub import EvalResult

    name, figures = run.name, run.figures
    if "acc" not in figures:
        return
    data = _data_set(name.task)
    way = name.protocol, name.prompt, name.decoding, f"gold {name.gold_source}"
    part = f", {run.part} pairs" if run.part else ""
    for metric in _METRICS:
        value = figures.get(metric.key, math.nan)
        if math.isnan(value):
            continue
        ends = {end: figures.get(f"{metric.key}_{end}", math.nan) for end in ("ci_low", "ci_high")}
        yield EvalResult(
            task_type="text-generation",
            task_name=f"Pairwise judging, {name.protocol} protocol{part}",
            dataset_type=data,
            dataset_name=_DATA.get(data, data),
            dataset_config=", ".join(way),
            dataset_split="test",
            dataset_args={
                key: int(figures[key]) for key in ("n_pairs", "n_prompts") if key in figures
            }
            | {"pandalm_eval": __version__},
            metric_type=metric.type,
            metric_name=metric.name,
            metric_value=value,
            metric_args=metric.arguments
            | {end: found for end, found in ends.items() if not math.isnan(found)},
        )


def _data_set(task: str) -> str:
    return "pandalm_human" if task.startswith("pandalm_human") else task
