"""`--kind domains`: judges outside their domain, beside rules and beside the human set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pandalm_eval.errors import InputError
from pandalm_eval.metrics import METRICS, sums_by_cluster
from pandalm_eval.results import Run
from pandalm_eval.settings import HUMAN
from pandalm_eval.statistics.unpaired import difference
from pandalm_eval.tables import domains_text
from pandalm_eval.tables.cells import estimated
from pandalm_eval.tables.judges import pair_sets, rule_rows, run_row
from pandalm_eval.tables.limited import limited_notes

_COMPARED = ("acc", "kappa")
DOMAINS = ("lsat", "pubmedqa", "bioasq")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DomainsTable:
    """Judge by domain, and how much each loses against the domain that it was made for.

    Attributes:
        rows: one a judge and domain: {domain, judge, source: run|rule, protocol, gold, metrics with
            `_stderr`, `_ci_low`, `_ci_high`, n_pairs, n_prompts (clusters), n_truncated},
            of a limited run also n_judged and n_whole.
        drops: one a judge and domain where the judge also judged the human set under the same
            protocol, prompt and decoding: {judge, protocol, domain, acc_in, acc_out, acc_drop with
            error and interval, and the same of kappa}.
        notes: what a reader must know.
    """

    rows: list[Row]
    drops: list[Row]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, runs: Sequence[Run]) -> DomainsTable:
        """The table of runs of domain tasks and of the human set.

        Raises:
            InputError: no run is of a domain task.
        """
        outside = [run for run in runs if domain_of(run) is not None]
        inside = [
            run
            for run in runs
            if run.name.task.startswith("pandalm_human") and run.name.gold_source == HUMAN
        ]
        if not outside:
            tasks = ", ".join(sorted({run.name.task for run in runs}))
            raise InputError(
                f"no run is of a domain task (pandalm_{', pandalm_'.join(DOMAINS)}, or a part of "
                f"one); there are {tasks}."
            )
        rows = [_placed(run, run_row(run)) for run in outside]
        for judged in pair_sets(outside):
            rows += [_placed(judged, row) for row in rule_rows(judged)]
        rows.sort(key=lambda row: _order(row["domain"]))  # stable: runs come before rules
        drops = [_drop(home, run) for run in outside for home in inside if _alike(home, run)]
        drops.sort(key=lambda row: _order(row["domain"]))
        told = {(drop["judge"], drop["protocol"], drop["domain"]) for drop in drops}
        alone = [
            f"{run.name.judge} ({run.name.protocol}, {domain_of(run)})"
            for run in outside
            if (run.name.judge, run.name.protocol.value, domain_of(run)) not in told
        ]
        return cls(rows, drops, limited_notes([*outside, *inside]) + _notes(alone, drops))

    def as_json(self) -> dict[str, Any]:
        """Rows, drops and notes."""
        return {"rows": self.rows, "drops": self.drops, "notes": self.notes}

    def sections(self) -> list[list[dict[str, str]]]:
        """Judge by domain; in-domain beside out-of-domain."""
        return domains_text.sections(self.rows, self.drops)

    def titles(self) -> list[str]:
        """What each section shows."""
        return ["Judges by domain", "The human set beside each domain"]


def domain_of(run: Run) -> str | None:
    """`lsat`, `lsat-ar`, `pubmedqa` …; None where a run is of another task.

    A part is told by its task, `pandalm-lsat-ar`, and stands under its own name; so do pairs of
    candidates' responses, which are other pairs than those from the key: `pubmedqa (candidates)`.
    """
    name = run.name.task.removeprefix("pandalm_").removeprefix("pandalm-")
    if name.partition("-")[0] not in DOMAINS or name == run.name.task:
        return None
    of_candidates = run.judgments is not None and run.judgments.names_models
    return f"{name} (candidates)" if of_candidates else name


def _order(domain: str) -> tuple[int, str]:
    return DOMAINS.index(re.split(r"\W", domain)[0]), domain


def _placed(run: Run, row: Row) -> Row:
    placed: Row = {"domain": domain_of(run)} | row
    if row["source"] == "run" and run.judgments is not None:
        shortened = [order.truncated for order in run.judgments.orders]
        placed["n_truncated"] = int(np.any(shortened, axis=0).sum())
    return placed


def _alike(home: Run, run: Run) -> bool:
    """Whether one judge made both runs in the same way."""
    ways = [(n.judge, n.protocol, n.prompt, n.decoding) for n in (home.name, run.name)]
    return ways[0] == ways[1] and home.judgments is not None and run.judgments is not None


def _drop(home: Run, run: Run) -> Row:
    """Accuracy and kappa on the human set, in the domain, and what is lost between them."""
    row: Row = {
        "judge": run.name.judge,
        "protocol": run.name.protocol.value,
        "domain": domain_of(run),
    }
    sums = [sums_by_cluster(judged.judgments or ()) for judged in (home, run)]
    for metric in METRICS:
        if (key := metric.key) not in _COMPARED:
            continue
        row |= {
            f"{place}{suffix}": _defined(judged, f"{key}{suffix}")
            for place, judged in ((f"{key}_in", home), (f"{key}_out", run))
            for suffix in ("", "_ci_low", "_ci_high")
        }
        row |= estimated(f"{key}_drop", difference(metric.of, sums[0], sums[1]))
    return row


def _defined(run: Run, key: str) -> float | None:
    value = run.figures[key]
    return None if value != value else value


def _notes(alone: Iterable[str], drops: Sequence[Row]) -> list[str]:
    notes = [
        "The domain tasks are this project's own design; the paper's domain data was never "
        "released, so no figure of it stands here. Gold follows from the data sets' answer keys.",
        "Intervals are 95%, from a seeded bootstrap over clusters (the passage for LSAT, the "
        "abstract for PubMedQA, the question for BioASQ), Wilson's where a share's hits or misses "
        "are rare. Invalid verdicts are wrong.",
        "Shortened: pairs whose input (passage, abstract, snippets) was cut at its end to fit the "
        "judge's context. Question and responses stay whole, unless they alone do not fit.",
    ]
    if told := ", ".join(alone):
        notes.append(
            f"No drop, as no run of the human set under the same protocol is at hand: {told}."
        )
    if drops:
        notes.append(
            "Drop: human set less domain, by independent draws in both. The shares of ties differ "
            "between the sets, which moves accuracy; kappa is corrected for chance."
        )
    return notes
