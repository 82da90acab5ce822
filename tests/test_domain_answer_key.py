"""Pairs from an answer key: what they are, what they never depend on, and what they give away."""

from __future__ import annotations

import importlib.util
import itertools
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.domains.answer_key import (
    DESIGNS,
    SEED,
    WORDINGS,
    KeyedPair,
    build_pairs,
)
from pandalm_eval.domains.questions import Kind, Question
from pandalm_eval.domains.sources import pairs_by_key, parts_of, read_parts
from pandalm_eval.verdicts import Verdict

FIRST, SECOND, TIE, _ = Verdict
ROOT = Path(__file__).resolve().parents[1]
WRONG = {Kind.CHOICE: "ABCDE", Kind.DECISION: ("yes", "no", "maybe"), Kind.YESNO: ("yes", "no")}


def question(number: int, kind: Kind, key: str) -> Question:
    wrong = tuple(answer for answer in WRONG.get(kind, ("x", "y", key)) if answer != key)
    return Question(
        source_id=f"q{number}",
        split="s",
        cluster=f"c{number // 2}",
        kind=kind,
        instruction=f"Question {number}?",
        input="",
        key=key,
        wrong=wrong,
        said={"A": "(A) apples."} if kind is Kind.CHOICE else {},
    )


keyed = st.sampled_from(
    [(kind, key) for kind, keys in WRONG.items() for key in keys]
    + [(Kind.FACTOID, "iron"), (Kind.LIST, "iron; salt")]
)
some_questions = st.lists(keyed, max_size=40).map(
    lambda told: [question(number, kind, key) for number, (kind, key) in enumerate(told)]
)


def as_bytes(pairs: Sequence[KeyedPair]) -> bytes:
    return repr(pairs).encode()


@given(some_questions, st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_order_of_records_changes_nothing(
    questions: list[Question], seed: int, rng: random.Random
) -> None:
    shuffled = list(questions)
    rng.shuffle(shuffled)
    assert as_bytes(build_pairs(shuffled, seed)) == as_bytes(build_pairs(questions, seed))


def _right(pair: KeyedPair) -> tuple[bool, bool]:
    return pair.answer1 == pair.key, pair.answer2 == pair.key


GOLD = {(True, False): FIRST, (False, True): SECOND, (False, False): TIE}


@given(some_questions, st.integers(0, 2**32))
def test_every_pair(questions: list[Question], seed: int) -> None:
    pairs = build_pairs(questions, seed)
    assert len({pair.id for pair in pairs}) == len(pairs)
    assert {pair.source_id for pair in pairs} == {q.source_id for q in questions}
    for pair in pairs:
        assert pair.gold is GOLD[_right(pair)]
        assert pair.answer1 != pair.answer2
        # Both name the same two answers, in one wording: the lengths tell of the sentences alone.
        apart = abs(len(pair.response1) - len(pair.response2))
        assert apart in {len(longer) - len(brief) for brief, longer in WORDINGS}
    longer = [(p.gold is FIRST) is (len(p.response1) > len(p.response2)) for p in _decisive(pairs)]
    assert abs(2 * sum(longer) - len(longer)) <= 1
    sides = Counter(pair.gold for pair in pairs)
    assert abs(sides[FIRST] - sides[SECOND]) <= 1


def _decisive(pairs: Sequence[KeyedPair]) -> list[KeyedPair]:
    return [pair for pair in pairs if pair.gold is not TIE]


@given(st.lists(st.sampled_from(WRONG[Kind.DECISION]), min_size=1, max_size=60))
def test_every_key_is_right_equally_often(keys: list[str]) -> None:
    pairs = build_pairs([question(i, Kind.DECISION, key) for i, key in enumerate(keys)])
    assert set(Counter(pair.key for pair in pairs).values()) == {max(Counter(keys).values())}


@pytest.mark.parametrize(
    ("kind", "keys", "counts"),
    [
        # 7 questions: numbers 0 to 6, ties are 2 and 5.
        (Kind.CHOICE, "ABCDEAB", {FIRST: 3, SECOND: 2, TIE: 2}),
        # Two of maybe bring it to the 2 of yes, one of no once more: 6 pairs, numbers 0 and 1.
        (Kind.DECISION, ("yes", "yes", "no", "maybe"), {FIRST: 3, SECOND: 3}),
        # A third of each: 0, 1, 2 of each key.
        (Kind.DECISION, ("yes", "yes", "yes", "no", "maybe"), {FIRST: 3, SECOND: 3, TIE: 3}),
        (Kind.YESNO, ("yes", "yes", "yes", "no"), {FIRST: 3, SECOND: 3}),
        (Kind.FACTOID, ("iron", "salt", "rust"), {FIRST: 2, SECOND: 1}),
    ],
)
def test_shares(kind: Kind, keys: Sequence[str], counts: dict[Verdict, int]) -> None:
    pairs = build_pairs([question(number, kind, key) for number, key in enumerate(keys)])
    assert Counter(pair.gold for pair in pairs) == counts


def test_words_of_a_pair() -> None:
    (pair,) = build_pairs([question(1, Kind.CHOICE, "A")])
    assert (pair.gold, pair.answer1, pair.answer2, pair.key) == (FIRST, "A", "B", "A")
    assert pair.response1 == ("The right answer to this question is (A) apples, and it is not B.")
    assert pair.response2 == "The answer is B, not (A) apples."
    assert (pair.id, pair.prompt_id, pair.split) == ("q1:0", "c0", "s")


def test_without_a_wrong_answer_there_is_no_pair() -> None:
    bare = Question("q", "s", "c", Kind.FACTOID, "What?", "", "iron")
    assert build_pairs([bare]) == []
    assert Kind.SUMMARY not in DESIGNS


def test_another_seed_makes_other_pairs() -> None:
    questions = [question(number, Kind.CHOICE, "ABCDE"[number % 5]) for number in range(20)]
    assert as_bytes(build_pairs(questions, 1)) != as_bytes(build_pairs(questions, 2))


def test_a_repeated_question_takes_turns() -> None:
    """One maybe beside three yes: right against each wrong answer, and a tie of both."""
    keys = ("yes", "yes", "yes", "maybe")
    pairs = build_pairs([question(i, Kind.DECISION, key) for i, key in enumerate(keys)])
    own = [pair for pair in pairs if pair.source_id == "q3"]
    assert {frozenset((p.answer1, p.answer2)) for p in own} == {
        frozenset(two) for two in itertools.combinations(WRONG[Kind.DECISION], 2)
    }


# Real data -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evidence() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "domain_pairs", ROOT / "benchmarks/domain_pairs.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["domain_pairs"] = module
    spec.loader.exec_module(module)
    return module


SOURCES = {
    # questions by split, pairs by gold: first, second, tie
    "lsat": ({"ar": 230, "lr": 510, "rc": 269}, (337, 337, 335)),
    "pubmedqa": ({"test": 500}, (276, 276, 276)),
}


@pytest.fixture(params=[*SOURCES, "bioasq"])
def source(request: pytest.FixtureRequest, data_dir: Path) -> str:
    name = str(request.param)
    if name == "bioasq" and not list((data_dir / "bioasq").glob("*.json")):
        pytest.skip("each user registers for BioASQ's files")
    return name


def test_counts(source: str, data_dir: Path) -> None:
    parts = read_parts(source, str(data_dir))
    pairs = pairs_by_key(parts)
    assert {pair.split for pair in pairs} == {q.split for part in parts for q in part}
    if source in SOURCES:
        splits, gold = SOURCES[source]
        assert Counter(q.split for part in parts for q in part) == splits
        assert tuple(Counter(pair.gold for pair in pairs)[v] for v in (FIRST, SECOND, TIE)) == gold
        assert {pair.source_id for pair in pairs} == {q.source_id for part in parts for q in part}
    else:
        assert TIE not in {pair.gold for pair in pairs}


def test_rules_are_at_chance(source: str, data_dir: Path, evidence: ModuleType) -> None:
    parts = read_parts(source, str(data_dir))
    pairs = pairs_by_key(parts)
    longer, decisive = evidence.right_and_longer(pairs)
    assert abs(2 * longer - decisive) <= 1
    share = {v.value: sum(p.gold is v for p in pairs) / len(pairs) for v in (FIRST, SECOND, TIE)}
    questions = [question for part in parts for question in part]
    for rule, verdicts in evidence.told_by_rules(pairs, questions).items():
        found = evidence.figures(pairs, verdicts)
        assert found["kappa_ci_low"] <= 0 <= found["kappa_ci_high"], rule
        assert found["acc_ci_low"] <= found["guess"] <= found["acc_ci_high"], rule
        if rule in share:
            assert found["acc"] == pytest.approx(share[rule])
    # `longest` names first or second, never a tie.
    longest = evidence.figures(pairs, evidence.told_by_rules(pairs, questions)["longest"])
    assert longest["acc"] == pytest.approx(share["first"], abs=1 / len(pairs))


@pytest.mark.parametrize(
    ("kind", "input", "answers", "verdict"),
    [
        (Kind.FACTOID, "Rust is iron oxide.", ("iron oxide", "salt"), FIRST),
        (Kind.FACTOID, "Rust is iron oxide.", ("oxide iron", "iron"), SECOND),
        (Kind.FACTOID, "Iron and salt.", ("iron", "salt"), TIE),
        (Kind.FACTOID, "Irony.", ("iron", "salt"), TIE),
        (Kind.LIST, "Iron and salt.", ("iron; gold", "iron; salt"), SECOND),
        (Kind.CHOICE, "Apples fall.", ("B", "A"), SECOND),
    ],
)
def test_a_look_at_the_input(
    kind: Kind, input: str, answers: tuple[str, str], verdict: Verdict, evidence: ModuleType
) -> None:
    one, two = answers
    pair = KeyedPair("q", "c", "What?", input, "", "", None, answer1=one, answer2=two)
    asked = replace(question(1, kind, "A"), said={"A": "(A) apples.", "B": "(B) pears."})
    assert evidence.by_looking_up(pair, asked) is verdict


def test_a_part_has_the_pairs_of_the_whole(data_dir: Path) -> None:
    whole = {pair.id: pair for pair in pairs_by_key(read_parts("lsat", str(data_dir)))}
    for part in parts_of("lsat"):
        own = pairs_by_key(read_parts(part, str(data_dir)))
        assert [whole[pair.id] for pair in own] == own


def test_pairs_of_a_version_are_pinned(data_dir: Path) -> None:
    """The same bytes on every machine; a change here is a new version of the pairs."""
    import hashlib

    for source, digest in PINNED.items():
        pairs = pairs_by_key(read_parts(source, str(data_dir)), SEED)
        told = json.dumps([[p.id, p.text_hash, p.gold] for p in pairs]).encode()
        assert hashlib.sha256(told).hexdigest()[:16] == digest, source


PINNED = {"lsat": "0dedb5a262432234", "pubmedqa": "8f251e525852e961"}


# Gold again from the owners' files, by other code --------------------------------------------


def test_gold_follows_from_the_source(source: str, data_dir: Path) -> None:
    keys = KEYS[source](data_dir)
    pairs = pairs_by_key(read_parts(source, str(data_dir)))
    for pair in random.Random(5).sample(pairs, min(400, len(pairs))):
        right = [answer == keys[pair.source_id] for answer in (pair.answer1, pair.answer2)]
        gold = TIE if right[0] == right[1] else FIRST if right[0] else SECOND
        assert pair.gold is gold
        assert pair.key == keys[pair.source_id]


def _lsat_keys(data_dir: Path) -> dict[str, str]:
    import hashlib

    keys = {}
    for part in ("ar", "lr", "rc"):
        for line in (data_dir / f"lsat/lsat-{part}.jsonl").read_text("utf-8").splitlines():
            record = json.loads(line)
            texts = [record["passage"], record["question"], *(o[3:] for o in record["options"])]
            digest = hashlib.sha256(json.dumps([t.strip() for t in texts]).encode()).hexdigest()
            keys[f"{part}-{digest[:16]}"] = record["label"]
    return keys


def _pubmedqa_keys(data_dir: Path) -> dict[str, str]:
    keys: dict[str, str] = json.loads((data_dir / "pubmedqa/test_ground_truth.json").read_text())
    return keys


def _bioasq_keys(data_dir: Path) -> dict[str, str]:
    keys = {}
    for path in (data_dir / "bioasq").glob("*_golden.json"):
        for record in json.loads(path.read_text("utf-8"))["questions"]:
            told: Any = record.get("exact_answer")
            if record["type"] == "factoid":
                told = told[0][0]
            elif record["type"] == "list":
                firsts = {group[0].casefold(): group[0] for group in reversed(told)}
                told = "; ".join(text.strip().rstrip(".") for text in reversed(firsts.values()))
            keys[record["id"]] = (told or "").strip().rstrip(".")
    return keys


KEYS = {"lsat": _lsat_keys, "pubmedqa": _pubmedqa_keys, "bioasq": _bioasq_keys}
