"""Reading a judge's text: what is a verdict, and why anything else is none."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.prompts import target
from pandalm_eval.verdicts import (
    LABELS,
    TARGETS,
    THINKING_ENDS,
    Invalid,
    Verdict,
    is_settled,
    parse_verdict,
)

FIRST, SECOND, TIE = LABELS
EMPTY, PROSE, LENGTH = Invalid.EMPTY, Invalid.NO_VERDICT, Invalid.LENGTH

OUTPUTS: list[tuple[str, Verdict | Invalid]] = [
    # What PandaLM was trained to write.
    ("1\n\n### Reason: better\n\n### Reference: x\n", FIRST),
    ("2\n\n### Reason: better\n\n### Reference: x\n", SECOND),
    ("Tie\n\n### Reason: alike\n\n### Reference: x\n", TIE),
    ("1", FIRST),
    ("2 ### Reason: on the same line", SECOND),
    ("Tie### Reference: no space", TIE),
    ("1\r\n\r\n### Reason: Windows", FIRST),
    # Whitespace, emphasis, quotes, headings, names of the section.
    ("\n\n \t 2 \n", SECOND),
    ("tie", TIE),
    ("TIE.", TIE),
    ("1!", FIRST),
    ("**1**", FIRST),
    ("*Tie*\n\nBoth fail.", TIE),
    ("__2__", SECOND),
    ('"1"', FIRST),
    ("“Tie”", TIE),
    ("`2`", SECOND),
    ("(2)", SECOND),
    ("[1]", FIRST),
    ("# 1", FIRST),
    ("### Evaluation: Tie", TIE),
    ("### **Tie**", TIE),
    ("## **Verdict: 1**", FIRST),
    ("**Verdict:** 2", SECOND),
    ("Verdict: 1", FIRST),
    ("Final verdict: Response 2", SECOND),
    ("judgment = tie", TIE),
    ("Judgement: 1.", FIRST),
    ("Response 1", FIRST),
    ('{"verdict": 1}', FIRST),
    ('{"verdict": "Tie"}', TIE),
    # Numbers in prose.
    ("1. The first response is better", PROSE),
    ("1) First, response 2 is wrong", PROSE),
    ("1 of the responses is better", PROSE),
    ("2 reasons speak for response 1", PROSE),
    ("10", PROSE),
    ("12", PROSE),
    ("1.5", PROSE),
    ("1,5", PROSE),
    ("1/2", PROSE),
    ("-1", PROSE),
    ("0", PROSE),
    ("3", PROSE),
    ("1st", PROSE),
    ("2nd", PROSE),
    ("1" + " " * 100 + "is not better than 2", PROSE),  # the prose begins beyond any cut
    ("1 " * 60, PROSE),
    # Two verdicts on one line; only the first line counts.
    ("1 2", PROSE),
    ("1 or 2", PROSE),
    ("1, 2", PROSE),
    ("Tie 1", PROSE),
    ("1 and Tie", PROSE),
    ("Response 1 and Response 2", PROSE),
    ("1\n2", FIRST),
    ("I think\n1", PROSE),
    ("Response 1 is better.", PROSE),
    ("Response Tie", PROSE),
    ("It is a tie", PROSE),
    ("Tied", PROSE),
    ("Ties", PROSE),
    ("Neither", PROSE),
    ("garbage", PROSE),
    ("None", PROSE),
    ("### Reason: the verdict is missing\n1", PROSE),
    ('{"verdict": 1, "reason": "better"}', PROSE),
    ('{\n  "verdict": 1\n}', PROSE),
    ("```\n1\n```", PROSE),
    # Other languages, and letters that a case-insensitive pattern takes for i.
    ("平局", PROSE),
    ("Unentschieden", PROSE),
    ("Réponse 1", PROSE),
    ("первый", PROSE),
    ("１", PROSE),
    ("١", PROSE),
    ("tıe", PROSE),
    ("TİE", PROSE),
    # Nothing at all.
    ("", EMPTY),
    (" \n\t\n ", EMPTY),
    ("</s>", EMPTY),
    ("<|im_end|>", EMPTY),
    # Special tokens that the decoder left.
    ("<s>1</s>", FIRST),
    ("<|im_start|>2<|im_end|>", SECOND),
    ("Tie<|endoftext|>", TIE),
    ("1<end_of_turn>", FIRST),
    ("[PAD][PAD]2", SECOND),
    # Judges that think aloud: only what follows the last end counts.
    *((f"1 or 2? I first thought 1{end}\n2", SECOND) for end in THINKING_ENDS),
    ("<think>1</think>\n\nTie\n\n### Reason: x", TIE),
    ("<think>1</think>2</think>1", FIRST),
    ("1\nwait, no</think>2", SECOND),
    ("<THINK>2</THINK>1", FIRST),
    ("[THINK]2[/THINK]1", FIRST),
    ("◁think▷2◁/think▷Tie", TIE),
    ("<|begin_of_thought|>2<|end_of_thought|>1", FIRST),
    (
        "<|channel|>analysis<|message|>2?<|end|><|start|>assistant<|channel|>final<|message|>1",
        FIRST,
    ),
    ("<think></think>", EMPTY),
    ("<think>1</think>I prefer the second", PROSE),
    # A thought without an end is no answer, whatever it says.
    ("<think>\n1", LENGTH),
    ("  <thinking>2", LENGTH),
    ("<seed:think>1\n", LENGTH),
    ("[THINK]1", LENGTH),
    ("◁think▷1", LENGTH),
    ("<|channel|>analysis<|message|>1", LENGTH),
    # Text in the trained format is no thought: a marker in its reason is a quotation.
    ("1\n\n### Reason: response 2 says </think>\n2\n\n### Reference: x\n", FIRST),
    ("Tie\n\n### Reason: [/THINK]1", TIE),
]


@pytest.mark.parametrize(("text", "expected"), OUTPUTS)
def test_judge_output(text: str, expected: Verdict | Invalid) -> None:
    parsed = parse_verdict(text)
    if isinstance(expected, Verdict):
        assert (parsed.verdict, parsed.reason) == (expected, None)
    else:
        assert (parsed.verdict, parsed.reason) == (Verdict.INVALID, expected)


@pytest.mark.parametrize(
    ("text", "finish", "verdict", "reason"),
    [
        # A verdict that stands is one, however its text ended.
        ("1\n\n### Reason: it is mo", "length", FIRST, None),
        ("The first response", "length", Verdict.INVALID, LENGTH),
        ("", "length", Verdict.INVALID, LENGTH),
        ("<think>1", "length", Verdict.INVALID, LENGTH),
        ("<think>1</think>", "length", Verdict.INVALID, LENGTH),
        ("The first response", "stop", Verdict.INVALID, PROSE),
        ("", "stop", Verdict.INVALID, EMPTY),
        # Whatever stands in the text of a failed request, the judge did not write it.
        ("1", "error", Verdict.INVALID, Invalid.ERROR),
        ("", "error", Verdict.INVALID, Invalid.ERROR),
    ],
)
def test_finish(text: str, finish: str, verdict: Verdict, reason: Invalid | None) -> None:
    parsed = parse_verdict(text, finish=finish)  # type: ignore[arg-type]
    assert (parsed.verdict, parsed.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1\nhm<END>2", SECOND),
        ("<END>1</think>Tie", TIE),
        ("</think>1<END>2", SECOND),
        ("no marker at all\n2", Verdict.INVALID),
        # A judge that is known to think: even the trained format may be a draft.
        ("1\n\n### Reason: draft\n<END>2", SECOND),
    ],
)
def test_own_marker(text: str, expected: Verdict) -> None:
    assert parse_verdict(text, thinking_end="<END>").verdict is expected


@pytest.mark.parametrize(
    ("verdict", "swapped"),
    [(FIRST, SECOND), (SECOND, FIRST), (TIE, TIE), (Verdict.INVALID, Verdict.INVALID)],
)
def test_swapped(verdict: Verdict, swapped: Verdict) -> None:
    assert verdict.swapped is swapped
    assert verdict.swapped.swapped is verdict


PIECES = st.sampled_from(
    [
        *("1", "2", "Tie", "tıe", "TİE", "\n", " ", "\r", "#", "### Reason:", "Verdict:", "*", '"'),
        *("<think>", "<|", "|>", "<s>", "[THINK]", "\ud800", "\x00", "\u2028"),
        *THINKING_ENDS,
    ]
)
HOSTILE = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=12).map("".join)


@given(
    text=HOSTILE,
    finish=st.sampled_from([None, "stop", "length", "error"]),
    thinking_end=st.sampled_from([None, "<END>", "2"]),
)
def test_never_raises(text: str, finish: str | None, thinking_end: str | None) -> None:
    parsed = parse_verdict(text, finish=finish, thinking_end=thinking_end)  # type: ignore[arg-type]
    # Either a verdict or a reason, never both and never neither.
    assert (parsed.verdict is Verdict.INVALID) == (parsed.reason is not None)


WORDS = st.text(string.ascii_letters, min_size=1, max_size=10)


@given(
    words=st.lists(WORDS, min_size=1, max_size=6).filter(lambda ws: "".join(ws).lower() != "tie"),
    rest=st.lists(st.sampled_from(["1", "2", "Tie", "\n", " ", "### Reason:"]), max_size=6),
)
def test_prose_is_no_verdict(words: list[str], rest: list[str]) -> None:
    text = " ".join(words) + "\n" + "".join(rest)
    assert parse_verdict(text).reason is Invalid.NO_VERDICT


@given(verdict=st.sampled_from(LABELS), reason=HOSTILE, reference=HOSTILE)
def test_target_parses_back(verdict: Verdict, reason: str, reference: str) -> None:
    assert parse_verdict(target(verdict, reason, reference)).verdict is verdict


@given(begun=HOSTILE, rest=HOSTILE)
def test_what_is_settled_becomes_no_verdict(begun: str, rest: str) -> None:
    """A line that is settled gives no verdict, however a judge without thoughts goes on."""
    whole = begun + rest.replace("\n", " ")
    if is_settled(begun) and not any(end.lower() in whole.lower() for end in THINKING_ENDS):
        assert parse_verdict(whole).verdict is Verdict.INVALID


@pytest.mark.parametrize(("text", "expected"), OUTPUTS)
def test_what_gives_a_verdict_is_never_settled(text: str, expected: Verdict | Invalid) -> None:
    if isinstance(expected, Verdict) and not any(
        end.lower() in text.lower() for end in THINKING_ENDS
    ):
        line = text.strip().split("\n")[0]
        assert not any(is_settled(line[:end]) for end in range(len(line) + 1))


@pytest.mark.parametrize(
    "text", ["The first", "10", "1. The", "1 or 2", "I think\n1", "Response 1 is", "Ties", "平"]
)
def test_prose_is_settled_where_it_begins(text: str) -> None:
    assert is_settled(text)


def test_long_text_is_read() -> None:
    # A pattern that backtracks would not come back from these.
    for text in (" " * 500_000 + "x", "#" * 500_000, "1" * 500_000, "1" + " " * 500_000 + "x"):
        assert parse_verdict(text).reason is Invalid.NO_VERDICT
    assert parse_verdict("<think>" * 100_000 + "</think>1").verdict is FIRST


def test_targets_are_upstreams() -> None:
    assert TARGETS == {FIRST: "1", SECOND: "2", TIE: "Tie"}
    assert LABELS == ("first", "second", "tie")
