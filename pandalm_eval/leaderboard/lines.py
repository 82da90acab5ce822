"""Judgments of a stranger's file, each line checked; all that is wrong is told, not the first."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from pandalm_eval.columns import Columns
from pandalm_eval.judgments import Judgment, Protocol, Reading, RunName, decide
from pandalm_eval.leaderboard.faults import Fault, Lines
from pandalm_eval.leaderboard.plain_text import fault_of_text
from pandalm_eval.pairs import repeated
from pandalm_eval.records import json_type, without_doubles
from pandalm_eval.verdicts import LABELS, Verdict

_LONGEST_LINE = 2**16
_LARGEST = 10**9
"""Of an index or a number of characters or seconds."""

_SAME = 1e-9
_SUM = 1e-6  # of three probabilities that were rounded when they were written

_RUN = tuple(field.name for field in fields(RunName))
_FIELDS = (
    *_RUN,
    *("index", "id", "prompt_id", "text_hash", "model1", "model2", "gold", "annotators"),
    *("length1", "length2", "readings", "verdict", "probabilities"),
)
_READING = tuple(field.name for field in fields(Reading))
_ID = re.compile(r"[\w.:+-]{1,200}")


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds.

    Attributes:
        name: of its run, None where no line tells it.
        judgments: of the lines that can be read.
        lines: the number of each judgment's line.
        faults: what is wrong with the others.
    """

    name: RunName | None
    judgments: Columns
    lines: Sequence[int]
    faults: list[Fault]


def read_lines(path: Path, where: str) -> Read:
    """Every judgment of a file; verdicts are resolved anew, and must be those that stand there.

    Args:
        where: what messages call the file.
    """
    wrong = Lines(where)
    run: RunName | None = None
    numbers = array("q")

    def each() -> Iterator[Judgment]:
        nonlocal run
        for number, raw in _raw_lines(path):
            try:
                record = _parse(raw)
                name = _name(record)
                judgment = _judgment(record, name.protocol)
            except ValueError as error:
                wrong.add(number, f"{error}.")
                continue
            for what in _contradictions(record, judgment, name.protocol):
                wrong.add(number, f"{what}.")
            if run is not None and name != run:
                wrong.add(number, "belongs to another run than the first line.")
            run = run or name
            numbers.append(number)
            yield judgment

    judgments = Columns.of(each())
    if not judgments:
        return Read(run, judgments, [], [*wrong.faults(), Fault(where, "holds no judgment.")])
    if doubled := repeated(judgments.id):
        for place in doubled:
            wrong.add(numbers[place], "has an id that stood before: a pair counts once.")
        kept = np.delete(np.arange(len(judgments)), doubled)
        judgments = judgments.take(kept)
        numbers = array("q", np.frombuffer(numbers, np.int64)[kept].tolist())
    return Read(run, judgments, numbers, wrong.faults())


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(_LONGEST_LINE):
            number += 1
            yield number, raw
            while not raw.endswith(b"\n") and (raw := file.readline(_LONGEST_LINE)):
                pass  # the rest of a line that is too long


def _parse(raw: bytes) -> dict[str, Any]:
    if not raw.endswith(b"\n"):
        if len(raw) >= _LONGEST_LINE:
            raise ValueError(f"is longer than {_LONGEST_LINE} bytes")
        raise ValueError("has no end: the file was cut off")
    try:
        told = json.loads(
            raw.decode("utf-8"), object_pairs_hook=without_doubles, parse_constant=_no_number
        )
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not valid JSON ({error.msg})") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(told, dict):
        raise ValueError(f"is {json_type(told)}, not an object with fields")
    _exactly(told, _FIELDS, "")
    return told


def _no_number(constant: str) -> float:
    raise ValueError(f"holds {constant}, which is no number of JSON")


def _exactly(told: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    if unknown := sorted(set(told) - set(known)):
        raise ValueError(f"{where}has unknown field {unknown[0]!r:.80}")
    if missing := [name for name in known if name not in told and known is _FIELDS]:
        raise ValueError(f"{where}has no field {missing[0]!r}")


def _name(record: Mapping[str, Any]) -> RunName:
    for key in _RUN:
        if fault := fault_of_text(record[key]):
            raise ValueError(f"{key} {fault}")
    if record["protocol"] not in list(Protocol):
        raise ValueError(f"protocol {record['protocol']!r} is none of {', '.join(Protocol)}")
    return RunName(
        **{key: record[key] for key in _RUN} | {"protocol": Protocol(record["protocol"])}
    )


def _judgment(record: Mapping[str, Any], protocol: Protocol) -> Judgment:
    """The judgment of a record whose every field is of its kind."""
    for key in ("index", "length1", "length2"):
        _require(type(record[key]) is int and 0 <= record[key] <= _LARGEST, key, record[key])
    for key in ("id", "prompt_id", "text_hash"):
        value = record[key]
        _require(isinstance(value, str) and _ID.fullmatch(value) is not None, key, value)
    for key in ("model1", "model2"):
        _require(record[key] is None or fault_of_text(record[key]) is None, key, record[key])
    gold, annotators, readings = record["gold"], record["annotators"], record["readings"]
    _require(gold is None or gold in list(LABELS), "gold", gold)
    _require(
        isinstance(annotators, list) and all(label in list(LABELS) for label in annotators),
        "annotators",
        annotators,
    )
    _require(isinstance(readings, list), "readings", readings)
    for reading in readings:
        _check_reading(reading)
    _require(record["verdict"] in list(Verdict), "verdict", record["verdict"])
    if record["probabilities"] is not None:
        _check_probabilities(record["probabilities"])
    return Judgment.from_json(record, protocol)


def _require(holds: bool, key: str, value: object) -> None:
    if not holds:
        raise ValueError(f"{key} cannot be {value!r:.80}")


def _check_reading(reading: object) -> None:
    if not isinstance(reading, dict):
        raise ValueError(f"a reading is {json_type(reading)}, not an object with fields")
    _exactly(reading, _READING, "a reading ")
    _require(reading.get("verdict") in list(Verdict), "the verdict of a reading", reading)
    truncated, seconds = reading.get("truncated", False), reading.get("seconds")
    _require(isinstance(truncated, bool), "truncated", truncated)
    _require(seconds is None or _is_number(seconds, _LARGEST), "seconds", seconds)
    if reading.get("probabilities") is not None:
        _check_probabilities(reading["probabilities"])


def _check_probabilities(told: object) -> None:
    _require(
        isinstance(told, list)
        and len(told) == 3
        and all(_is_number(value, 1) for value in told)
        and abs(math.fsum(told) - 1) <= _SUM,
        "probabilities (three shares whose sum is 1)",
        told,
    )


def _is_number(value: object, most: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _contradictions(
    record: Mapping[str, Any], judgment: Judgment, protocol: Protocol
) -> Iterator[str]:
    """What a line says twice, and not alike."""
    if record["verdict"] != judgment.verdict:
        yield f"says {record['verdict']}, but its readings resolve to {judgment.verdict}"
    told, found = record["probabilities"], judgment.probabilities
    if (told is None) != (found is None) or (
        found is not None and any(abs(a - b) > _SAME for a, b in zip(told, found, strict=True))
    ):
        yield "has other probabilities than the mean of its readings"
    for reading in judgment.readings:
        if (reading.verdict is Verdict.INVALID) != (reading.reason is not None):
            yield "has a reading whose verdict and reason contradict each other"
        if reading.probabilities is None:
            continue
        if protocol is not Protocol.LOGPROB:
            yield f"has probabilities under the {protocol} protocol"
        elif decide(reading.probabilities) is not reading.verdict:
            yield "has a reading whose verdict is not that of its probabilities"
