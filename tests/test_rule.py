"""The trivial judges."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from pandalm_eval.errors import UsageError
from pandalm_eval.judgments import read_logprobs, read_text
from pandalm_eval.models.rule import RuleJudge
from pandalm_eval.rules import RULES, apply_rule
from pandalm_eval.verdicts import LABELS, Verdict

FIRST, SECOND, TIE, _ = Verdict


def document(one: str = "abc", two: str = "ab", id: str = "7") -> dict[str, Any]:
    return {"id": id, "text_hash": "h", "response1": one, "response2": two}


def requests(doc: dict[str, Any], kind: str) -> list[Instance]:
    count = 2 if kind == "generate_until" else 6
    return [Instance(kind, doc, ("prompt", {}), idx, ("t", 0, 1)) for idx in range(count)]


@pytest.mark.parametrize(
    ("rule", "one", "two", "expected"),
    [
        ("longest", "abc", "ab", FIRST),
        ("longest", "ab", "abc", SECOND),
        ("longest", "ab", "ba", TIE),
        ("longest", "", "", TIE),
        ("longest", "  a \n", "ab", SECOND),  # blanks around do not count
        ("longest", "éé", "abc", SECOND),  # characters, not bytes
        ("first", "a", "abc", FIRST),
        ("second", "abc", "a", SECOND),
        ("tie", "abc", "a", TIE),
    ],
)
def test_rules(rule: str, one: str, two: str, expected: Verdict) -> None:
    judge, doc = RuleJudge(name=rule), document(one, two)
    texts = judge.generate_until(requests(doc, "generate_until"))
    # Both orders agree on the pair's own response: a rule has no position bias.
    assert [read_text(t, swapped=bool(i)).verdict for i, t in enumerate(texts)] == [expected] * 2
    assert [text.finish for text in texts] == ["stop", "stop"]  # type: ignore[attr-defined]
    scored = judge.loglikelihood(requests(doc, "loglikelihood"))
    for swapped in (False, True):
        part = scored[3 * swapped : 3 * swapped + 3]
        reading = read_logprobs([logprob for logprob, _ in part], swapped=swapped)
        assert reading.verdict is expected
        assert sorted(reading.probabilities or ()) == [0.0, 0.0, 1.0]
        assert [best for _, best in part].count(True) == 1


def test_texts_as_shown() -> None:
    texts = RuleJudge(name="first").generate_until(requests(document(), "generate_until"))
    assert texts == ["1", "2"]


def test_random_draws_from_seed_and_id() -> None:
    # The first 8 bytes of SHA-256 of "seed:id", modulo 3.
    digest = hashlib.sha256(b"5:7").digest()[:8]
    assert apply_rule("random", 1, 1, "7", seed=5) is LABELS[int.from_bytes(digest, "big") % 3]
    drawn = [apply_rule("random", 9, 1, str(i)) for i in range(3000)]
    assert drawn == [apply_rule("random", 1, 9, str(i)) for i in range(3000)]
    assert drawn != [apply_rule("random", 9, 1, str(i), seed=1) for i in range(3000)]
    # Uniform: 1000 ± 26 each (sqrt(3000 · 1/3 · 2/3)); the draws are fixed, five deviations wide.
    assert all(abs(count - 1000) < 130 for count in Counter(drawn).values())


def test_seed_reaches_the_draw() -> None:
    docs = [document(id=str(i)) for i in range(50)]
    asked = [request for doc in docs for request in requests(doc, "generate_until")]
    told = {seed: RuleJudge(name="random", seed=seed).generate_until(asked) for seed in (0, 1)}
    assert told[0] != told[1]
    assert told[0] == RuleJudge(name="random").generate_until(asked)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {},
            "unknown rule ''; known are longest, first, second, tie, random (--model_args name=…).",
        ),
        ({"name": "shortest"}, "unknown rule 'shortest'; known are longest, first, second, tie, "),
        ({"name": "tie", "path": "x"}, "--model rule takes name and seed, not path."),
        ({"name": "tie", "b": 1, "a": 1}, "--model rule takes name and seed, not a, b."),
        (
            {"name": "random", "seed": "x"},
            "--model rule needs a whole number as seed, not 'x'.",
        ),
        ({"name": "random", "seed": None}, "--model rule needs a whole number as seed, not None."),
    ],
)
def test_refusals(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        RuleJudge(**arguments)
    assert str(error.value).startswith(message)


def test_what_the_harness_adds_is_ignored() -> None:
    RuleJudge(name="tie", batch_size=4, max_batch_size=None, device="cpu")


@pytest.mark.parametrize("doc", [{"question": "?"}, "a text"])
def test_other_tasks_are_refused(doc: Any) -> None:
    request = Instance("generate_until", doc, ("prompt", {}), 0, ("arc_easy", 0, 1))
    with pytest.raises(UsageError) as error:
        RuleJudge(name="tie").generate_until([request])
    assert str(error.value) == (
        "--model rule answers pairwise-judge tasks only, but arc_easy is none. Leave it out "
        "of --tasks."
    )


def test_names() -> None:
    assert list(RULES) == ["longest", "first", "second", "tie", "random"]
