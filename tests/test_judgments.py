"""Readings, what they resolve to, and the file of judgments."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.columns import read_judgments, write_judgments
from pandalm_eval.errors import InputError
from pandalm_eval.judgments import (
    Judgment,
    Protocol,
    Reading,
    RunName,
    decide,
    read_logprobs,
    read_text,
    resolve,
)
from pandalm_eval.verdicts import LABELS, Invalid, Verdict

FIRST, SECOND, TIE, INVALID = Verdict
NAN, INF = math.nan, math.inf
ALL_16 = list(itertools.product(Verdict, Verdict))


def reading(verdict: Verdict) -> Reading:
    return Reading(verdict, Invalid.NO_VERDICT if verdict is INVALID else None)


# Forward downwards, swapped across, both told for the pair's own order.
RESOLVED = {
    #         first    second   tie      invalid
    FIRST: (FIRST, TIE, TIE, INVALID),
    SECOND: (TIE, SECOND, TIE, INVALID),
    TIE: (TIE, TIE, TIE, INVALID),
    INVALID: (INVALID, INVALID, INVALID, INVALID),
}


@pytest.mark.parametrize("protocol", [Protocol.FULL, Protocol.VERDICT])
@pytest.mark.parametrize(("forward", "swapped"), ALL_16)
def test_two_orders(protocol: Protocol, forward: Verdict, swapped: Verdict) -> None:
    expected = RESOLVED[forward][list(Verdict).index(swapped)]
    assert resolve(protocol, [reading(forward), reading(swapped)]) == (expected, None)


@pytest.mark.parametrize(
    ("verdict", "reason", "expected"),
    [
        (FIRST, None, FIRST),
        (SECOND, None, SECOND),
        (TIE, None, TIE),
        # Text without a verdict is a tie here, and only here; a failed request is no text.
        (INVALID, Invalid.NO_VERDICT, TIE),
        (INVALID, Invalid.EMPTY, TIE),
        (INVALID, Invalid.LENGTH, TIE),
        (INVALID, Invalid.ERROR, INVALID),
    ],
)
def test_single(verdict: Verdict, reason: Invalid | None, expected: Verdict) -> None:
    assert resolve(Protocol.SINGLE, [Reading(verdict, reason)]) == (expected, None)


@pytest.mark.parametrize(
    ("forward", "swapped", "verdict", "mean"),
    [
        # (.6 + .4) / 2 = .5, (.3 + .5) / 2 = .4, (.1 + .1) / 2 = .1
        ((0.6, 0.3, 0.1), (0.4, 0.5, 0.1), FIRST, (0.5, 0.4, 0.1)),
        # The readings agree on nothing, but the mean says tie: .3, .3, .4.
        ((0.5, 0.1, 0.4), (0.1, 0.5, 0.4), TIE, (0.3, 0.3, 0.4)),
        # Opposite readings cancel out: .4, .4, .2.
        ((0.7, 0.1, 0.2), (0.1, 0.7, 0.2), TIE, (0.4, 0.4, 0.2)),
        # A sure reading outweighs an unsure one: .15, .65, .2.
        ((0.1, 0.9, 0.0), (0.2, 0.4, 0.4), SECOND, (0.15, 0.65, 0.2)),
    ],
)
def test_logprob_mean(
    forward: tuple[float, float, float],
    swapped: tuple[float, float, float],
    verdict: Verdict,
    mean: tuple[float, float, float],
) -> None:
    readings = [Reading(decide(p), None, p) for p in (forward, swapped)]
    told, probabilities = resolve(Protocol.LOGPROB, readings)
    assert told is verdict
    assert probabilities == pytest.approx(mean, abs=1e-15)


@pytest.mark.parametrize(("forward", "swapped"), ALL_16)
def test_logprob_of_sure_readings(forward: Verdict, swapped: Verdict) -> None:
    readings = [
        Reading(verdict, Invalid.NOT_FINITE)
        if verdict is INVALID
        else read_logprobs([0.0 if verdict is label else -INF for label in LABELS], swapped=False)
        for verdict in (forward, swapped)
    ]
    verdict, probabilities = resolve(Protocol.LOGPROB, readings)
    if INVALID in (forward, swapped):
        assert (verdict, probabilities) == (INVALID, None)
    elif forward is swapped:
        assert verdict is forward
    else:
        # Two sure readings that differ are ½ and ½: first and second a tie by rule; beside a tie
        # neither is beaten, and the argmax takes the earlier of first, second, tie.
        earlier = min(forward, swapped, key=LABELS.index)
        assert verdict is (TIE if {forward, swapped} == {FIRST, SECOND} else earlier)


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ((0.5, 0.3, 0.2), FIRST),
        ((0.3, 0.5, 0.2), SECOND),
        ((0.2, 0.3, 0.5), TIE),
        ((0.4, 0.4, 0.2), TIE),
        ((0.4 + 5e-10, 0.4, 0.2), TIE),  # nearer than 1e-9
        ((0.4, 0.4 + 5e-10, 0.2), TIE),
        ((0.4 + 2e-9, 0.4, 0.2), FIRST),  # farther
        ((0.4, 0.4 + 2e-9, 0.2), SECOND),
        ((0.3, 0.3, 0.4), TIE),
        ((1 / 3, 1 / 3, 1 / 3), TIE),
        ((0.0, 0.0, 1.0), TIE),
    ],
)
def test_decide(probabilities: tuple[float, float, float], expected: Verdict) -> None:
    assert decide(probabilities) is expected


@pytest.mark.parametrize(
    ("logprobs", "swapped", "expected"),
    [
        # Normalised to 1: .1, .3, .1 are .2, .6, .2.
        ([math.log(0.1), math.log(0.3), math.log(0.1)], False, (0.2, 0.6, 0.2)),
        # Swapped, "2" speaks for the pair's first response.
        ([math.log(0.1), math.log(0.3), math.log(0.1)], True, (0.6, 0.2, 0.2)),
        ([math.log(0.1), math.log(0.1), math.log(0.2)], True, (0.25, 0.25, 0.5)),
        # Far below the smallest float: only differences count. e^0 : e^-1 : 0.
        ([-9000.0, -9001.0, -INF], False, (1 / (1 + math.exp(-1)), 1 / (1 + math.e), 0.0)),
        ([-1e9, 0.0, -1e9], False, (0.0, 1.0, 0.0)),
    ],
)
def test_read_logprobs(
    logprobs: list[float], swapped: bool, expected: tuple[float, float, float]
) -> None:
    found = read_logprobs(logprobs, swapped=swapped, truncated=True, seconds=2.5)
    assert found.probabilities == pytest.approx(expected)
    assert found.verdict is decide(expected)
    assert (found.reason, found.truncated, found.seconds) == (None, True, 2.5)


@pytest.mark.parametrize(
    "logprobs",
    [[NAN, 0.0, 0.0], [0.0, NAN, -INF], [INF, 0.0, 0.0], [-INF, -INF, -INF], [NAN, NAN, INF]],
)
def test_not_finite(logprobs: list[float]) -> None:
    for swapped in (False, True):
        found = read_logprobs(logprobs, swapped=swapped, truncated=True)
        assert found == Reading(INVALID, Invalid.NOT_FINITE, None, True, None)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
def test_probabilities_sum_to_one(logprobs: list[float]) -> None:
    forward = read_logprobs(logprobs, swapped=False)
    swapped = read_logprobs(logprobs, swapped=True)
    assert forward.probabilities is not None
    assert swapped.probabilities is not None
    assert math.fsum(forward.probabilities) == pytest.approx(1)
    one, two, tie = forward.probabilities
    assert swapped.probabilities == (two, one, tie)
    assert swapped.verdict is forward.verdict.swapped
    assert Reading.from_json(forward.to_json()) == forward  # softmax stays within [0, 1]


@pytest.mark.parametrize(
    ("text", "swapped", "verdict"),
    [
        ("1", False, FIRST),
        ("1", True, SECOND),
        ("2", False, SECOND),
        ("2", True, FIRST),
        ("Tie", True, TIE),
        ("none", True, INVALID),
    ],
)
def test_read_text_is_unswapped(text: str, swapped: bool, verdict: Verdict) -> None:
    found = read_text(text, swapped=swapped, truncated=True, seconds=0.5)
    reason = Invalid.NO_VERDICT if verdict is INVALID else None
    assert found == Reading(verdict, reason, None, True, 0.5)


def test_read_text_passes_on_what_it_knows() -> None:
    assert read_text("1", swapped=False, finish="error").reason is Invalid.ERROR
    assert read_text("hm", swapped=False, finish="length").reason is Invalid.LENGTH
    assert read_text("1<END>2", swapped=False, thinking_end="<END>").verdict is SECOND


def make(protocol: Protocol, index: int = 0, **changes: Any) -> Judgment:
    p = (0.5, 0.25, 0.25)
    scored = protocol is Protocol.LOGPROB
    readings = (
        Reading(FIRST, None, p if scored else None, False, 0.25),
        Reading(FIRST, None, p if scored else None, True, None),
    )[: protocol.orders]
    verdict, probabilities = resolve(protocol, readings)
    judgment = Judgment(
        index=index,
        id=f"id-{index}",
        prompt_id="p",
        text_hash="0123456789abcdef",
        model1="a",
        model2=None,
        gold=SECOND,
        annotators=(SECOND, SECOND, TIE),
        length1=3,
        length2=0,
        readings=readings,
        verdict=verdict,
        probabilities=probabilities,
    )
    return replace(judgment, **changes)


def run_of(protocol: Protocol) -> RunName:
    return RunName("pandalm_human", "a judge", protocol, "pandalm", "greedy", "human")


def test_of_a_document() -> None:
    doc = {
        "index": 4,
        "id": "7",
        "prompt_id": "p",
        "text_hash": "h",
        "model1": "a",
        "model2": "b",
        "gold": "tie",
        "annotators": ["tie", "tie", "first"],
        "instruction": "i",
        "input": "",
        "response1": " four ",  # stripped: 4
        "response2": "\n",  # stripped: 0
    }
    readings = (reading(FIRST), reading(SECOND))
    judgment = Judgment.of(doc, Protocol.FULL, readings)
    assert judgment == Judgment(
        4, "7", "p", "h", "a", "b", TIE, (TIE, TIE, FIRST), 4, 0, readings, TIE, None
    )
    assert judgment.correct
    assert str(judgment) == "tie"
    assert not Judgment.of(doc | {"gold": None}, Protocol.FULL, readings).correct


@pytest.mark.parametrize("gold", Verdict)
def test_invalid_is_never_correct(gold: Verdict) -> None:
    if gold is not INVALID:  # gold never is
        assert not make(Protocol.FULL, gold=gold, verdict=INVALID).correct


@pytest.mark.parametrize("protocol", Protocol)
def test_file_round_trip(protocol: Protocol, tmp_path: Path) -> None:
    failed = tuple(Reading(INVALID, Invalid.NOT_FINITE) for _ in range(protocol.orders))
    verdict, _ = resolve(protocol, failed)
    judgments = [
        make(protocol, 2, gold=None, annotators=()),
        make(protocol, 0),
        make(protocol, 1, readings=failed, verdict=verdict, probabilities=None),
    ]
    path = tmp_path / "judgments_x.jsonl"
    assert write_judgments(path, run_of(protocol), judgments) == 3
    run, read = read_judgments(path)
    assert run == run_of(protocol)
    assert list(read) == sorted(judgments, key=lambda judgment: judgment.index)
    # Plain JSON, a line each: NaN and the like would not be.
    for line in path.read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


@pytest.mark.parametrize("reason", Invalid)
def test_reading_round_trip(reason: Invalid) -> None:
    found = Reading(INVALID, reason, None, True, 1.5)
    assert Reading.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_stored_verdict_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "judgments_x.jsonl"
    write_judgments(path, run_of(Protocol.FULL), [make(Protocol.FULL, verdict=SECOND)])
    assert read_judgments(path)[1][0].verdict is FIRST  # both readings say so


def _set(*path: Any, to: object) -> Callable[[list[dict[str, Any]]], None]:
    def change(lines: list[dict[str, Any]]) -> None:
        target: Any = lines
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = to

    return change


def _drop(line: int, key: str) -> Callable[[list[dict[str, Any]]], None]:
    return lambda lines: lines[line].__delitem__(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop(0, "task"), "line 1 has no field 'task'."),
        (_drop(1, "readings"), "line 2 has no field 'readings'."),
        (_drop(1, "length1"), "line 2 has no field 'length1'."),
        (
            _set(0, "protocol", to="twice"),
            "line 1 is no judgment: 'twice' is not a valid Protocol.",
        ),
        (_set(0, "readings", to=[]), "line 1 is no judgment: 0 readings, but logprob has 2."),
        (_set(0, "readings", to=None), "line 1 is no judgment: "),
        (_set(0, "readings", to=["x", "y"]), "line 1 is no judgment: "),
        (_set(0, "readings", to=[None, None]), "line 1 is no judgment: "),
        (_set(0, "readings", 0, "verdict", to="1"), "'1' is not a valid Verdict."),
        (_set(0, "readings", 0, "verdict", to=[]), "line 1 is no judgment: "),
        (_set(0, "readings", 0, "reason", to="tired"), "'tired' is not a valid Invalid."),
        (
            _set(0, "readings", 0, "probabilities", to=[0.5, 0.5]),
            "probabilities [0.5, 0.5] are not three numbers in [0, 1].",
        ),
        (
            _set(0, "readings", 1, "probabilities", to=[2.0, -1.0, 0.0]),
            "probabilities [2.0, -1.0, 0.0] are not three numbers in [0, 1].",
        ),
        (
            _set(0, "readings", 1, "probabilities", to=[NAN, NAN, NAN]),
            "probabilities [nan, nan, nan] are not three numbers in [0, 1].",
        ),
        (_set(0, "readings", 1, "probabilities", to="abc"), "line 1 is no judgment: "),
        (
            _set(0, "readings", 1, "probabilities", to=None),
            "line 1 is no judgment: a reading of the logprob protocol has no probabilities.",
        ),
        (_set(0, "gold", to="3"), "'3' is not a valid Verdict."),
        (_set(0, "annotators", to=None), "line 1 is no judgment: "),
        (_set(0, "index", to="one"), "line 1 is no judgment: "),
        (_set(0, "length1", to=INF), "line 1 is no judgment: "),
        (_set(0, "index", to=2**63), f"{2**63} is no place in a set and no length."),
        (_set(0, "readings", 0, "seconds", to=10**400), "line 1 is no judgment: "),
        (_set(1, "judge", to="another"), "line 2 belongs to another run than line 1."),
        (_set(1, "task", to="another"), "line 2 belongs to another run than line 1."),
        (_set(1, "id", to="id-0"), "duplicate id id-0. Each record needs its own."),
    ],
)
def test_bad_files(
    change: Callable[[list[dict[str, Any]]], None], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "judgments_x.jsonl"
    judgments = [make(Protocol.LOGPROB, index) for index in range(2)]
    write_judgments(path, run_of(Protocol.LOGPROB), judgments)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError) as error:
        read_judgments(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "judgments_x.jsonl"
    assert write_judgments(path, run_of(Protocol.FULL), []) == 0
    with pytest.raises(InputError, match="the file is empty"):
        read_judgments(path)
