"""`--kind judges`: judges against gold, with rules, annotators and published rows beside them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from pandalm_eval.columns import CODES, INVALID, NONE, Codes, Columns
from pandalm_eval.errors import InputError
from pandalm_eval.judgments import Protocol
from pandalm_eval.metrics import summarise
from pandalm_eval.results import Run
from pandalm_eval.rules import apply_rule
from pandalm_eval.settings import HUMAN
from pandalm_eval.tables import judges_text
from pandalm_eval.tables.agreements import agreements, annotators
from pandalm_eval.tables.judges_text import Row
from pandalm_eval.tables.limited import limited_fields, limited_notes

_RULES = ("longest", "first", "second", "tie")
_PANDALM_TASKS = "pandalm_human"
_PANDALM_PAIRS = 999
CEILING = "other two agree"
"""The gold of an annotator's row, where it is what a person reaches."""


@dataclass(frozen=True, slots=True)
class JudgesTable:
    """Rows of judges, and how far each two runs agree.

    Attributes:
        rows: {judge, source: run|published|rule|human, protocol, gold, averaging, metric: value};
            of a limited run also n_judged and n_whole, its pairs and those of the set.
        agreements: of every two runs on the same pairs and gold, see `tables.agreements`.
        notes: what a reader must know, one sentence each.
    """

    rows: list[Row]
    agreements: list[Row]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, runs: Sequence[Run]) -> JudgesTable:
        """The table of runs; baselines are computed on each pair set and gold that occurs.

        Of pairs of which a part has a gold label, that part.
        """
        runs = [_labelled(run) for run in runs]
        rows = [run_row(run) for run in runs]
        sets = pair_sets(runs)
        for judged in sets:
            rows += rule_rows(judged) + human_rows(judged)
        if any(is_test_set(run) for run in runs):
            rows += published_rows()
        notes = limited_notes(runs) + _notes(rows) + annotators(sets)
        return cls(rows, agreements(runs), notes)

    def as_json(self) -> dict[str, Any]:
        """Rows, agreements and notes."""
        return {"rows": self.rows, "agreements": self.agreements, "notes": self.notes}

    def sections(self) -> list[list[dict[str, str]]]:
        """The judges; how far each two agree."""
        return judges_text.sections(self.rows, self.agreements)

    def titles(self) -> list[str]:
        """What each section shows."""
        return ["Judges against gold", "How far every two judges agree"]


def _labelled(run: Run) -> Run:
    """The run on its pairs with a gold label; the whole run where none or all have one."""
    judged = run.judgments
    if judged is None or judged.is_labelled.all() or not judged.is_labelled.any():
        return run
    labelled = judged.take(judged.is_labelled)
    return replace(run, judgments=labelled, figures=summarise(labelled, run.name.protocol))


def _row(judge: str, source: str, protocol: str, gold: str, figures: Mapping[str, float]) -> Row:
    told = {key: None if math.isnan(value) else value for key, value in figures.items()}
    return {"judge": judge, "source": source, "protocol": protocol, "gold": gold} | told


def run_row(run: Run) -> Row:
    """A run's figures, with counts of readings where its judgments are at hand."""
    name = run.name
    row = _row(name.judge, "run", name.protocol.value, name.gold_source, run.figures)
    row |= {"task": name.task, "prompt": name.prompt, "decoding": name.decoding}
    row |= limited_fields(run)
    if run.judgments is not None:
        row["n_readings"] = run.judgments.readings()
        row["n_invalid"] = run.judgments.readings(INVALID)
        if name.gold_source == HUMAN:
            row["acc_ceiling_rows"] = _accuracies_on_ceiling_rows(run.judgments)
    return row


def is_test_set(run: Run) -> bool:
    """Whether a run is of all pairs of the PandaLM test set, with people as gold."""
    return (
        run.name.task.startswith(_PANDALM_TASKS)
        and run.name.gold_source == HUMAN
        and run.figures.get("n_pairs", len(run.judgments or ())) == _PANDALM_PAIRS
    )


def pair_sets(runs: Sequence[Run]) -> list[Run]:
    """One run with judgments for each set of pairs and gold."""
    found: dict[tuple[Any, ...], Run] = {}
    for run in runs:
        if run.judgments is None or not run.judgments.is_labelled[0]:
            continue
        key = run.name.gold_source, len(run.judgments), run.judgments.keys().tobytes()
        found.setdefault(key, run)
    return list(found.values())


def rule_rows(run: Run) -> list[Row]:
    """The trivial rules on the pairs of a run."""
    judged = run.judgments
    assert judged is not None  # the caller's choice
    rows = []
    for rule in _RULES:
        pairs = zip(judged.length1, judged.length2, judged.id, strict=True)
        verdicts = (CODES[apply_rule(rule, *pair)] for pair in pairs)
        told = judged.told(np.fromiter(verdicts, np.int8, len(judged)))
        figures = summarise(told, Protocol.SINGLE)
        rows.append(_row(f"rule: {rule}", "rule", "any", run.name.gold_source, figures))
    return rows


def human_rows(run: Run) -> list[Row]:
    """Each annotator against the other two where they agree: what a person reaches."""
    judged = run.judgments
    if run.name.gold_source != HUMAN or not judged or not judged[0].annotators:
        return []
    rows = _annotator_pair_rows(judged)
    for number in range(len(judged[0].annotators)):
        labels, gold = judged.labels(number), _others(judged, number)
        if (known := (labels != NONE) & (gold != NONE)).any():
            told = judged.told(labels, gold).take(known)
            figures = summarise(told, Protocol.SINGLE)
            rows.append(_row(f"annotator {number + 1}", "human", "single", CEILING, figures))
    return rows


def _annotator_pair_rows(judged: Columns) -> list[Row]:
    """Agreement and kappa of every two annotators."""
    rows = []
    for one, other in itertools.combinations(range(len(judged[0].annotators)), 2):
        labels, golds = judged.labels(other), judged.labels(one)
        if not (known := (labels != NONE) & (golds != NONE)).any():
            continue
        figures = summarise(judged.told(labels, golds).take(known), Protocol.SINGLE)
        gold = f"annotator {one + 1}"
        rows.append(_row(f"annotator {other + 1}", "human", "single", gold, figures))
    return rows


def _others(judged: Columns, number: int) -> Codes:
    """What all annotators but one say alike; -1 where they differ."""
    rests = [labels[:number] + labels[number + 1 :] for labels in judged.annotators]
    alike = [CODES[rest[0]] if len(set(rest)) == 1 else NONE for rest in rests]
    return np.array(alike, np.int8)[judged.annotated]


def _accuracies_on_ceiling_rows(judged: Columns) -> list[dict[str, float]]:
    """Accuracy of the judge on the rows of each annotator's ceiling, against the other two."""
    found = []
    for number in range(len(judged[0].annotators)):
        gold = _others(judged, number)
        if n := int((gold != NONE).sum()):
            found.append({"n": n, "acc": int((judged.verdict == gold).sum()) / n})
    return found


def confusion_counts(run: Run) -> npt.NDArray[np.intp]:
    """Pairs by gold label (rows: first, second, tie) and verdict (and invalid): (3, 4).

    Raises:
        InputError: no judgments, or none with a gold label.
    """
    judged = run.judgments
    if judged is None or not judged.is_labelled.any():
        raise InputError(f"{run.path}: has no judgments with a gold label to compare with.")
    cells = 4 * judged.gold[judged.is_labelled] + judged.verdict[judged.is_labelled]
    return np.bincount(cells, minlength=12).reshape(3, 4)


def published_rows() -> list[Row]:
    """Figures that others printed, each with source and averaging; never ours."""
    import yaml

    text = resources.files("pandalm_eval").joinpath("published.yaml").read_text("utf-8")
    return [dict(row, source="published") for row in yaml.safe_load(text)["judges"]]


def _notes(rows: Iterable[Row]) -> list[str]:
    notes = [
        "Intervals are 95%, from a seeded bootstrap over prompts, Wilson's on the effective number "
        "of pairs where a share's hits or misses are rare. Invalid verdicts are wrong; under the "
        "single protocol text without a verdict counts as a tie.",
    ]
    sources = {row["source"] for row in rows}
    if "human" in sources:
        notes.append(
            "Annotator rows with gold `other two agree` are the human ceiling: one annotator "
            "against the other two, on the pairs where those agree; `acc on ceiling rows` is the "
            "judge on the same pairs and gold. The other annotator rows are the agreement of two "
            "people."
        )
    if "published" in sources:
        notes.append(
            "Published rows are printed as published, with their source, and were not measured "
            "here. The F1 column of the paper's Table 2 mixes macro and weighted averages: "
            "compare it only within one averaging."
        )
    return notes
