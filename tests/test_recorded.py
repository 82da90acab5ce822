"""Recorded verdicts: matched by id, checked as a whole, told for the order shown."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from conftest import Write
from lm_eval.api.instance import Instance

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.judgments import Protocol, Reading, read_logprobs, read_text
from pandalm_eval.models.recorded import RecordedJudge
from pandalm_eval.task import LOADED
from pandalm_eval.verdicts import Invalid, Verdict

FIRST, SECOND, TIE, INVALID = Verdict
Records = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task "t" whose whole pair set is 0 to 3, and "one" with the pair 0 alone."""
    monkeypatch.setitem(LOADED, "t", frozenset("0123"))
    monkeypatch.setitem(LOADED, "one", frozenset("0"))


def requests(
    protocol: Protocol = Protocol.SINGLE, ids: str = "0123", task: str = "t"
) -> list[Instance]:
    scored = protocol is Protocol.LOGPROB
    kind, each = ("loglikelihood", 3) if scored else ("generate_until", 1)
    return [
        Instance(kind, {"id": id, "text_hash": f"hash-{id}"}, ("prompt", {}), idx, (task, 0, 1))
        for id in ids
        for idx in range(each * protocol.orders)
    ]


def both(verdicts: str = "1122", **more: Any) -> Records:
    return [
        {"idx": i, "verdict": int(verdict), "order": order, **more}
        for i, verdict in enumerate(verdicts)
        for order in ("forward", "swapped")
    ]


def single(*verdicts: object) -> Records:
    return [{"idx": i, "verdict": verdict} for i, verdict in enumerate(verdicts)]


def readings(judge: RecordedJudge, protocol: Protocol, **which: Any) -> list[Reading]:
    """As the task reads the answers: one a request, or one of three log-likelihoods."""
    asked = requests(protocol, **which)
    if protocol is not Protocol.LOGPROB:
        texts = judge.generate_until(asked)
        return [
            read_text(t, swapped=r.idx == 1, finish=t.finish)  # type: ignore[attr-defined]
            for r, t in zip(asked, texts, strict=True)
        ]
    scores = [logprob for logprob, _ in judge.loglikelihood(asked)]
    return [
        read_logprobs(scores[i : i + 3], swapped=bool(i // 3 % 2)) for i in range(0, len(scores), 3)
    ]


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        *((0, TIE), (1, FIRST), (2, SECOND), (1.5, TIE), (1.0, FIRST)),
        *(("0", TIE), ("1", FIRST), ("2", SECOND), ("1.5", TIE), ("Tie", TIE), ("tie", TIE)),
        *(("first", FIRST), ("second", SECOND)),
        *((None, INVALID), ("garbage", INVALID), ("", INVALID), (3, INVALID), (True, INVALID)),
        *(([1], INVALID), ({"a": 1}, INVALID), ("1 or 2", INVALID)),
    ],
)
def test_verdict(recorded: object, expected: Verdict, write: Write) -> None:
    judge = RecordedJudge(path=str(write(single(recorded))))
    (found,) = readings(judge, Protocol.SINGLE, ids="0", task="one")
    reason = Invalid.NO_VERDICT if expected is INVALID else None
    assert (found.verdict, found.reason) == (expected, reason)


def test_matched_by_id_whatever_the_order(write: Write) -> None:
    lines = [json.dumps(record) for record in reversed(single(1, 2, 0, None))]
    judge = RecordedJudge(path=str(write("\n".join(lines), "recorded.jsonl")))
    found = readings(judge, Protocol.SINGLE)
    assert [reading.verdict for reading in found] == [FIRST, SECOND, TIE, INVALID]


def test_a_part_of_the_set_may_be_asked_for(write: Write) -> None:
    # A limit or a rank leaves one pair; the file is still checked against the whole set.
    judge = RecordedJudge(path=str(write(single(1, 2, 0, 1))))
    assert [r.verdict for r in readings(judge, Protocol.SINGLE, ids="2")] == [TIE]


def test_verdicts_told_for_the_pairs_own_order(write: Write) -> None:
    judge = RecordedJudge(path=str(write(both("1122"))))
    found = readings(judge, Protocol.FULL)
    assert [r.verdict for r in found] == [FIRST] * 4 + [SECOND] * 4
    # To say so, the judge writes the other number where the responses are exchanged.
    assert judge.generate_until(requests(Protocol.FULL))[:2] == ["1", "2"]


def test_verdicts_told_for_the_order_shown(write: Write) -> None:
    judge = RecordedJudge(path=str(write(both("1120"))), verdicts="shown")
    found = readings(judge, Protocol.FULL)
    # "1" of the swapped order is the pair's second response; a tie is a tie.
    assert [r.verdict for r in found] == [FIRST, SECOND, FIRST, SECOND, SECOND, FIRST, TIE, TIE]


@pytest.mark.parametrize(
    ("verdicts", "probabilities", "forward", "swapped"),
    [
        ("pair", [0.6, 0.3, 0.1], (0.6, 0.3, 0.1), (0.6, 0.3, 0.1)),
        ("shown", [0.6, 0.3, 0.1], (0.6, 0.3, 0.1), (0.3, 0.6, 0.1)),
        ("pair", {"first": 0.6, "second": 0.3, "tie": 0.1}, (0.6, 0.3, 0.1), (0.6, 0.3, 0.1)),
        ("pair", [1, 0, 0], (1.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
        # Normalised to 1: .2 + .2 + .1 = .5.
        ("pair", [0.2, 0.2, 0.1], (0.4, 0.4, 0.2), (0.4, 0.4, 0.2)),
    ],
)
def test_probabilities(
    verdicts: str, probabilities: object, forward: object, swapped: object, write: Write
) -> None:
    path = write(both("1111", probabilities=probabilities))
    found = readings(RecordedJudge(path=str(path), verdicts=verdicts), Protocol.LOGPROB)
    assert len(found) == 8
    assert found[0].probabilities == pytest.approx(forward)
    assert found[1].probabilities == pytest.approx(swapped)


def test_impossible_verdicts_are_json(write: Write) -> None:
    judge = RecordedJudge(path=str(write(both("1111", probabilities=[1, 0, 0]))))
    for logprob, _ in judge.loglikelihood(requests(Protocol.LOGPROB)):
        assert math.isfinite(logprob)


def test_fields_by_name(write: Write) -> None:
    records = [{"id": "0", "gpt_result": "2", "gpt_reason": "because"}]
    path = write(records)
    judge = RecordedJudge(path=str(path), verdict_field="gpt_result", text_field="gpt_reason")
    assert judge.generate_until(requests(ids="0", task="one")) == ["2\n\n### Reason: because"]


@pytest.mark.parametrize("verdict", [1, 2, 0, None])
@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "2\n\n### Reason: x", "Tie", "a\ud800b", "<think>1", "\n\n"),
        *("<think>x</think>\n1", "so</THINK>2", "[/THINK]Tie", "◁/think▷2"),
        "<|channel|>final<|message|>2",
    ],
)
def test_a_text_is_not_read_again(verdict: object, text: str, write: Write) -> None:
    path = write([{"idx": 0, "verdict": verdict, "text": text}])
    (found,) = readings(RecordedJudge(path=str(path)), Protocol.SINGLE, ids="0", task="one")
    assert found.verdict is {1: FIRST, 2: SECOND, 0: TIE, None: INVALID}[verdict]  # type: ignore[index]


ONE_ORDER = "A file of one order runs under the single protocol only (pandalm_human_single)."


@pytest.mark.parametrize(
    ("records", "protocol", "message"),
    [
        (
            single(1, 2),
            Protocol.SINGLE,
            "2 ids are missing: 2, 3. Every pair needs its record.",
        ),
        (
            single(1, 2, 0, 1, 1, 1),
            Protocol.SINGLE,
            "2 ids are not in the pair set: 4, 5. Every pair needs its record.",
        ),
        (
            [*single(1, 2, 0), {"id": "x", "verdict": 1}, {"idx": 10, "verdict": 1}],
            Protocol.SINGLE,
            "1 ids are missing: 3; 2 ids are not in the pair set: 10, x. Every pair needs its",
        ),
        (
            single(1, 2, 0, 1),
            Protocol.FULL,
            "4 pairs have no recorded verdict for an order that t reads: 0, 1, 2, 3. " + ONE_ORDER,
        ),
        (
            both()[:-1],
            Protocol.VERDICT,
            "1 pairs have no recorded verdict for an order that t reads: 3. " + ONE_ORDER,
        ),
        (
            [r for r in both() if r["order"] == "swapped"],
            Protocol.SINGLE,
            "4 pairs have no recorded verdict for an order that t reads: 0, 1, 2, 3. ",
        ),
        (
            single(1, 2, 0, 1),
            Protocol.LOGPROB,
            "4 pairs have no recorded verdict for an order that t reads: 0, 1, 2, 3. ",
        ),
        (
            [*both(probabilities=[1, 0, 0])[:-1], both()[-1]],
            Protocol.LOGPROB,
            "1 pairs have no recorded probabilities, which the logprob protocol needs: 3.",
        ),
        (
            [
                {"idx": 0, "verdict": 1, "text_hash": "hash-0"},
                {"idx": 1, "verdict": 1, "text_hash": "hash-0"},
                {"idx": 2, "verdict": 1, "text_hash": None},
                {"idx": 3, "verdict": 1, "text_hash": 3},
            ],
            Protocol.SINGLE,
            "text_hash differs for 2 pairs: 1, 3. The verdicts were recorded for other texts.",
        ),
    ],
)
def test_not_this_pair_set(
    records: Records, protocol: Protocol, message: str, write: Write
) -> None:
    path = write(records)
    judge = RecordedJudge(path=str(path))
    ask = judge.loglikelihood if protocol is Protocol.LOGPROB else judge.generate_until
    with pytest.raises(InputError) as error:
        ask(requests(protocol))
    assert str(error.value).startswith(f"{path}: {message}")


THREE = "three numbers in [0, 1] are needed, of first, second and tie, not all zero."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("[]", "the list is empty"),
        (b"\xff", "not UTF-8 text (byte 0)"),
        ('{"idx": 0', "line 1 is not valid JSON"),
        ("[1]", "record 0 is a number, not an object with fields."),
        ([{"verdict": 1}], "record 0 has neither idx nor id to match it by."),
        ([{"idx": [0], "verdict": 1}], "record 0 has idx [0]; a text or a whole number is needed."),
        (
            [{"idx": 0, "gpt_result": 1}],
            "record 0 has no field 'verdict' (it has: idx, gpt_result). Name the right one with "
            "--model_args verdict_field=…",
        ),
        ([{"idx": 0, "verdict": 1}, {"idx": 1}], "record 1 has no field 'verdict' (it has: idx)."),
        (
            [{"idx": 0, "verdict": 1, "order": "backward"}],
            "record 0 has order 'backward'; it must be forward or swapped.",
        ),
        ([{"idx": 0, "verdict": 1, "order": None}], "record 0 has order None; it must be"),
        ([{"idx": 0, "verdict": 1, "order": []}], "record 0 has order []; it must be"),
        (
            single(1, 2) + single(1),
            "duplicate id 0 (forward). Each order of a pair counts once.",
        ),
        (
            [*both("1"), {"id": "0", "verdict": 2, "order": "swapped"}],
            "duplicate id 0 (swapped). Each order of a pair counts once.",
        ),
        *(
            (
                [{"idx": 0, "verdict": 1, "probabilities": value}],
                f"probabilities {value!r}; {THREE}",
            )
            for value in (
                *([], [1.0], [0.5, 0.5], [0.5, 0.5, 0, 0], [0, 0, 0], [1.5, 0, 0], [-0.1, 1, 0]),
                *(["1", "0", "0"], [True, False, False], [None, 1, 0], "high", 1, True),
            )
        ),
        (
            [{"idx": 0, "verdict": 1, "probabilities": {"first": 1.0}}],
            f"record 0 has probabilities [1.0, None, None]; {THREE}",
        ),
        (
            '{"idx": 0, "verdict": 1, "probabilities": [NaN, 0, 1]}',
            f"record 0 has probabilities [nan, 0, 1]; {THREE}",
        ),
    ],
)
def test_bad_file(content: object, message: str, write: Write) -> None:
    path = write(content)
    with pytest.raises(InputError) as error:
        RecordedJudge(path=str(path))
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file\. Check the path\."):
        RecordedJudge(path=str(tmp_path / "absent.jsonl"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "--model recorded needs --model_args path=FILE."),
        ({"path": "x", "verdicts": "own"}, "verdicts='own' is unknown; known are pair, shown."),
        (
            {"path": "x", "seed": 1, "pretrained": "y"},
            "--model recorded takes path, verdict_field, text_field, verdicts and name, not "
            "pretrained, seed.",
        ),
    ],
)
def test_refusals(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        RecordedJudge(**arguments)
    assert str(error.value) == message


def test_other_tasks_are_refused(write: Write) -> None:
    judge = RecordedJudge(path=str(write(single(1))))
    request = Instance("generate_until", {"q": "?"}, ("prompt", {}), 0, ("arc_easy", 0, 1))
    with pytest.raises(UsageError, match="pairwise-judge tasks only, but arc_easy is none"):
        judge.generate_until([request])


def test_tasks_are_checked_one_by_one(write: Write) -> None:
    # The file holds "t", but not "one" alone: the pairs 1 to 3 are extra there.
    judge = RecordedJudge(path=str(write(single(1, 2, 0, 1))))
    with pytest.raises(InputError, match="3 ids are not in the pair set: 1, 2, 3"):
        judge.generate_until(requests() + requests(ids="0", task="one"))
