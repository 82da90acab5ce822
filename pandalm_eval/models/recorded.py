"""`--model recorded`: verdicts that a judge gave elsewhere, scored as if it judged now.

Records are matched by id, never by text: 170 of the 999 rows of the PandaLM test set share their
texts with another row. Where a record carries a `text_hash` it is checked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance

from pandalm_eval.errors import InputError, UsageError, listing
from pandalm_eval.gold import record_id
from pandalm_eval.models._pairs_only import CERTAINLY_NOT, PairJudge
from pandalm_eval.models.text import JudgeText
from pandalm_eval.pairs import clean_text, read_label
from pandalm_eval.records import read_records
from pandalm_eval.verdicts import LABELS, TARGETS, THINKING_END, Verdict

_ORDERS = {"forward": False, "swapped": True}


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded reading.

    Attributes:
        verdict: told for the pair's own order; invalid where the file holds no readable one.
        text: the judge's own text, where the file has it.
        probabilities: of first, second, tie for the pair's own order, where the file has them.
        text_hash: of the pair, where the file has it.
    """

    verdict: Verdict
    text: str | None
    probabilities: tuple[float, float, float] | None
    text_hash: str | None


class RecordedJudge(PairJudge):
    """A file of {idx or id, verdict, order?, probabilities?, text?, text_hash?}, a list or JSONL.

    Args:
        path: the file.
        verdict_field: field of the verdict: first/second/tie, 1/2/0/1.5/Tie; anything else invalid.
        text_field: field of the judge's text. Its verdict is the recorded one, not read again.
        verdicts: `pair` (default): verdicts and probabilities are told for the pair's own order;
            `shown`: for the order that the judge was shown.
        name: the judge's name in tables; the file's name by default.

    A file without `order` is one order, forward, and runs under the single protocol only.
    """

    def __init__(
        self,
        path: str = "",
        verdict_field: str = "verdict",
        text_field: str = "text",
        verdicts: str = "pair",
        name: str | None = None,
        **ignored: Any,
    ) -> None:
        super().__init__()
        if not path:
            raise UsageError("--model recorded needs --model_args path=FILE.")
        if verdicts not in ("pair", "shown"):
            raise UsageError(f"verdicts={verdicts!r} is unknown; known are pair, shown.")
        if unknown := sorted(set(ignored) - {"batch_size", "max_batch_size", "device"}):
            raise UsageError(
                "--model recorded takes path, verdict_field, text_field, verdicts and name, not "
                f"{', '.join(unknown)}."
            )
        self._path = Path(str(path)).expanduser()
        self._records = _read(self._path, str(verdict_field), str(text_field), verdicts == "shown")

    def prepare(self, requests: Sequence[Instance]) -> None:
        """Ids, orders and hashes must fit the pair set; one message names all that do not."""
        from pandalm_eval.task import LOADED

        by_task: dict[str, list[Instance]] = {}
        for request in requests:
            by_task.setdefault(str(request.task_name), []).append(request)
        for task, own in by_task.items():
            self._check_ids(LOADED[task])
            self._check_orders(task, own)
            self._check_hashes(own)

    def _check_ids(self, ids: frozenset[str]) -> None:
        recorded = {id for id, _ in self._records}
        problems = []
        if missing := sorted(ids - recorded, key=_natural):
            problems.append(f"{len(missing)} ids are missing: {listing(missing)}")
        if extra := sorted(recorded - ids, key=_natural):
            problems.append(f"{len(extra)} ids are not in the pair set: {listing(extra)}")
        if problems:
            raise InputError(f"{self._path}: {'; '.join(problems)}. Every pair needs its record.")

    def _check_orders(self, task: str, requests: Sequence[Instance]) -> None:
        scored = requests[0].request_type == "loglikelihood"
        wanted: set[tuple[str, bool]] = {
            (r.doc["id"], (r.idx // 3 if scored else r.idx) == 1) for r in requests
        }
        if absent := sorted({id for id, order in wanted - set(self._records)}, key=_natural):
            raise InputError(
                f"{self._path}: {len(absent)} pairs have no recorded verdict for an order that "
                f"{task} reads: {listing(absent)}. A file of one order runs "
                "under the single protocol only (pandalm_human_single)."
            )
        if scored and (bare := [k for k in wanted if self._records[k].probabilities is None]):
            ids = sorted({id for id, _ in bare}, key=_natural)
            raise InputError(
                f"{self._path}: {len(ids)} pairs have no recorded probabilities, which the logprob "
                f"protocol needs: {listing(ids)}."
            )

    def _check_hashes(self, requests: Sequence[Instance]) -> None:
        wrong: set[str] = {
            request.doc["id"]
            for request in requests
            for swapped in (False, True)
            if (record := self._records.get((request.doc["id"], swapped)))
            and record.text_hash not in (None, request.doc["text_hash"])
        }
        if ids := sorted(wrong, key=_natural):
            raise InputError(
                f"{self._path}: text_hash differs for {len(ids)} pairs: {listing(ids)}. "
                "The verdicts were recorded for other texts."
            )

    def write(self, doc: Mapping[str, Any], *, swapped: bool) -> JudgeText:
        """The verdict as a judge would write it, then its text; invalid: the text alone."""
        record = self._records[doc["id"], swapped]
        verdict = record.verdict.swapped if swapped else record.verdict
        if verdict is Verdict.INVALID:
            return JudgeText(f"(no verdict)\n\n{record.text or ''}", finish="stop")
        body = f"\n\n### Reason: {record.text}" if record.text else ""
        return JudgeText(f"{TARGETS[verdict]}{body}", finish="stop")

    def weigh(self, doc: Mapping[str, Any], *, swapped: bool) -> Sequence[float]:
        """Logarithms of the recorded probabilities, for the order shown."""
        probabilities = self._records[doc["id"], swapped].probabilities
        assert probabilities is not None  # prepare() has seen to it
        first, second, tie = (math.log(p) if p > 0 else CERTAINLY_NOT for p in probabilities)
        return (second, first, tie) if swapped else (first, second, tie)


def _quoted(text: str) -> str:
    """The text with end-of-thinking markers split: what follows one would be read as the answer."""
    return THINKING_END.sub(lambda end: f"{end[0][0]} {end[0][1:]}", clean_text(text))


def _natural(id: str) -> tuple[int, str]:
    return (int(id), id) if id.isdecimal() and len(id) < 19 else (2**63, id)


def _read(
    path: Path, verdict_field: str, text_field: str, shown: bool
) -> dict[tuple[str, bool], Record]:
    records: dict[tuple[str, bool], Record] = {}
    counts: Counter[tuple[str, bool]] = Counter()
    for number, data in enumerate(read_records(path)):
        if verdict_field not in data:
            raise InputError(
                f"{path}: record {number} has no field {verdict_field!r} (it has: {listing(data)})."
                " Name the right one with --model_args verdict_field=…"
            )
        order = data.get("order", "forward")
        if not isinstance(order, str) or order not in _ORDERS:
            raise InputError(
                f"{path}: record {number} has order {order!r}; it must be forward or swapped."
            )
        key = record_id(path, number, data), _ORDERS[order]
        counts[key] += 1
        verdict = read_label(data[verdict_field]) or Verdict.INVALID
        probabilities = _probabilities(path, number, data.get("probabilities"))
        if shown and key[1]:
            verdict = verdict.swapped
            if probabilities:
                probabilities = probabilities[1], probabilities[0], probabilities[2]
        text = data.get(text_field)
        records[key] = Record(
            verdict,
            _quoted(text) if isinstance(text, str) else None,
            probabilities,
            data.get("text_hash"),
        )
    if doubled := [
        f"{id} ({'swapped' if s else 'forward'})" for (id, s), n in counts.items() if n > 1
    ]:
        raise InputError(
            f"{path}: duplicate id {listing(doubled)}. Each order of a pair counts once."
        )
    return records


def _probabilities(path: Path, number: int, value: object) -> tuple[float, float, float] | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = [value.get(label.value) for label in LABELS]
    if (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(p, int | float) and not isinstance(p, bool) for p in value)
        and all(0 <= p <= 1 for p in value)
        and sum(value) > 0
    ):
        return float(value[0]), float(value[1]), float(value[2])
    raise InputError(
        f"{path}: record {number} has probabilities {value!r}; three numbers in [0, 1] are needed, "
        "of first, second and tie, not all zero."
    )
