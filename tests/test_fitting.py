"""Shortening: what loses text, how much, and what never does. Here a character is a token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.fitting import Budget, Shorten, estimate_tokens, fit
from pandalm_eval.prompts import MARKER, Fields, PromptStyle, render


def bare(fields: Fields) -> str:
    """A template of 4 characters, 5 with an input."""
    input = f"+{fields.input}" if fields.input else ""
    return f"<{fields.instruction}{input}|{fields.response1}|{fields.response2}>"


def pandalm(fields: Fields) -> str:
    return render(PromptStyle.PANDALM, fields)


@pytest.mark.parametrize(
    ("fields", "tokens", "expected"),
    [
        # 4 + 2 + 6 + 4 = 16: fits exactly, nothing happens.
        (("do", "", "aaaaaa", "bbbb"), 16, ("do", "", "aaaaaa", "bbbb")),
        # One too long: only what is longer than the limit loses anything. 4 + 2 + 5 + 4 = 15.
        (("do", "", "aaaaaa", "bbbb"), 15, ("do", "", "aaaaa", "bbbb")),
        # 4 + 2 + 3 + 3 = 12: the same limit for both.
        (("do", "", "aaaaaa", "bbbb"), 12, ("do", "", "aaa", "bbb")),
        # 13 would leave one more character, but the limit is one for both.
        (("do", "", "aaaaaa", "bbbb"), 13, ("do", "", "aaa", "bbb")),
        # The short one stays whole. 4 + 2 + 7 + 1 = 14.
        (("do", "", "a" * 9, "b"), 14, ("do", "", "a" * 7, "b")),
        # Blanks at a cut go as well: "aa " is cut to "aa".
        (("do", "", "aa aaa", "bb bbb"), 12, ("do", "", "aa", "bb")),
        # The task, 5 + 2 + 3 = 10, is half of 20: the input stays.
        (("do", "iii", "a" * 9, "b" * 9), 20, ("do", "iii", "a" * 5, "b" * 5)),
        # It is more than half of 18: the input is cut to 5 + 2 + 2 = 9 first, then 9 = 4 + 4 + 1.
        (("do", "iii", "a" * 9, "b" * 9), 18, ("do", "ii", "a" * 4, "b" * 4)),
        # The input is gone before the instruction loses anything: 4 + 6 = 10 is half of 20.
        (("instru", "iii", "a" * 9, "b" * 9), 20, ("instru", "", "a" * 5, "b" * 5)),
        # Half of 16 is 8 = 4 + 4 letters of the instruction.
        (("instru", "iii", "a" * 9, "b" * 9), 16, ("inst", "", "aaaa", "bbbb")),
        # A long task alone is no reason to cut it while the prompt fits: 4 + 8 + 1 + 1 = 14.
        (("instruct", "", "a", "b"), 14, ("instruct", "", "a", "b")),
        # Not even the template fits: empty fields, for the caller to refuse.
        (("do", "ii", "aa", "bb"), 3, ("", "", "", "")),
    ],
)
def test_fit(fields: tuple[str, ...], tokens: int, expected: tuple[str, ...]) -> None:
    given_fields = Fields(*fields)
    fitted, shortened = fit(given_fields, bare, Budget(tokens, len))
    assert fitted == Fields(*expected)
    assert shortened == (fitted != given_fields)


@pytest.mark.parametrize(
    ("fields", "tokens", "expected"),
    [
        # 5 + 2 + 6 + 4 + 2 = 19 fits; one fewer costs the input one character.
        (("do", "iiiiii", "aaaa", "bb"), 19, ("do", "iiiiii", "aaaa", "bb")),
        (("do", "iiiiii", "aaaa", "bb"), 18, ("do", "iiiii", "aaaa", "bb")),
        # Blanks at the cut go as well.
        (("do", "iii iii", "aaaa", "bb"), 17, ("do", "iii", "aaaa", "bb")),
        # Without an input the template is one shorter: 4 + 2 + 4 + 2 = 12.
        (("do", "iiiiii", "aaaa", "bb"), 12, ("do", "", "aaaa", "bb")),
        # Where that is not enough, the responses lose as well. Half of 10 is 5 < 4 + 2.
        (("do", "iiiiii", "aaaa", "bb"), 10, ("d", "", "aaa", "bb")),
        (("do", "iiiiii", "aaaa", "bb"), 11, ("d", "", "aaaa", "bb")),
    ],
)
def test_input_alone_is_shortened(
    fields: tuple[str, ...], tokens: int, expected: tuple[str, ...]
) -> None:
    fitted, shortened = fit(Fields(*fields), bare, Budget(tokens, len), Shorten.INPUT)
    assert fitted == Fields(*expected)
    assert shortened == (fields != expected)


def test_both_orders_fit() -> None:
    # The second response costs double, so that the swapped order is the longer one:
    # forward 4 + 2 + a + 2b, swapped 4 + 2 + b + 2a, with a = 6, b = 2: 16 and 20.
    def build(fields: Fields) -> str:
        return f"<{fields.instruction}|{fields.response1}|{fields.response2 * 2}>"

    fields = Fields("do", "", "aaaaaa", "bb")
    # 4 of 6: forward 4 + 2 + 4 + 4 = 14 but swapped 4 + 2 + 2 + 8 = 16.
    fitted, shortened = fit(fields, build, Budget(17, len))
    assert (fitted, shortened) == (Fields("do", "", "aaaa", "bb"), True)
    # The order in which the responses come does not matter.
    assert fit(fields.swapped(), build, Budget(17, len))[0] == fitted.swapped()


def test_no_token_is_counted_where_bytes_suffice() -> None:
    def refuse(prompt: str) -> int:
        raise AssertionError(f"counted {prompt!r}")

    # 9 characters are at most 36 bytes and 2 special tokens.
    assert Budget(38, refuse).holds("x" * 9)
    with pytest.raises(AssertionError, match="counted"):
        Budget(37, refuse).holds("x" * 9)


@pytest.mark.parametrize(
    ("text", "tokens"),
    # Bytes / 3, rounded up: é has 2 bytes, 😀 has 4; half a surrogate pair counts as "?".
    [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("éé", 2), ("😀", 2), ("\ud800", 1)],
)
def test_estimate(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_estimate_shortens() -> None:
    # 2 tokens are left for 2 × 3 bytes of responses: 4 + 2 + 6 = 12 bytes are 4 tokens.
    fields = Fields("do", "", "a" * 9, "b" * 9)
    assert fit(fields, bare, Budget(4, estimate_tokens)) == (Fields("do", "", "aaa", "bbb"), True)


TEXT = st.text("ab \né😀", max_size=60)
FIELDS = st.builds(Fields, TEXT, TEXT, TEXT.map(str.strip), TEXT.map(str.strip))
COUNTS = st.sampled_from([len, estimate_tokens, lambda text: len(text.split())])


@given(fields=FIELDS, tokens=st.integers(1, 600), count=COUNTS)
def test_invariants(fields: Fields, tokens: int, count: object) -> None:
    budget = Budget(tokens, count)  # type: ignore[arg-type]
    fitted, shortened = fit(fields, pandalm, budget)
    forward, swapped = pandalm(fitted), pandalm(fitted.swapped())
    fits = budget.holds(forward) and budget.holds(swapped)
    # Both orders fit, unless not even the template does: then there is nothing left to cut.
    assert fits or not any((fitted.input, fitted.response1, fitted.response2))
    assert forward.endswith(MARKER)
    assert shortened or fitted == fields
    # Every field is a beginning of what it was.
    for name in ("instruction", "input", "response1", "response2"):
        assert getattr(fields, name).startswith(getattr(fitted, name))
    # The instruction loses nothing while there is an input left.
    assert fitted.instruction == fields.instruction or not fitted.input
    # The task loses something only if it took more than half.
    task = pandalm(Fields(fields.instruction, fields.input, "", ""))
    if Budget(tokens // 2, budget.count).holds(task):
        assert (fitted.instruction, fitted.input) == (fields.instruction, fields.input)


@given(fields=FIELDS, tokens=st.integers(1, 400))
def test_responses_are_as_long_as_can_be(fields: Fields, tokens: int) -> None:
    def cut(text: str, limit: int) -> str:
        return text[:limit].rstrip() if limit < len(text) else text

    def limited(limit: int) -> Fields:
        one, two = (cut(text, limit) for text in (fields.response1, fields.response2))
        return Fields(task.instruction, task.input, one, two)

    fitted, shortened = fit(fields, bare, Budget(tokens, len))
    task = fitted
    longest = max(len(fields.response1), len(fields.response2))
    # By trying every limit: the largest that fits is taken, so one more character would not fit.
    fitting = [n for n in range(longest + 1) if len(bare(limited(n))) <= tokens]
    if shortened and fitting:
        assert fitted == limited(fitting[-1])


@given(fields=FIELDS, tokens=st.integers(1, 400))
def test_input_is_as_long_as_can_be(fields: Fields, tokens: int) -> None:
    fitted, _ = fit(fields, bare, Budget(tokens, len))
    if fitted.input == fields.input:
        return
    # Template with input 5, responses empty.
    room = max(tokens // 2 - 5 - len(fields.instruction), 0)
    assert fitted.input == fields.input[:room].rstrip()
