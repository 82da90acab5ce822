"""What the answer-key pairs of the three domains give away: by style nothing, by a look a part.

Prints Markdown: the pairs by part and gold, how often the right response is the longer one, and
each rule's accuracy and kappa, beside the share of gold that a guess of its verdicts would hit. The
last two rules see more: the answers of both responses and which is the commonest key of the source;
and the words of both responses, learnt from the pairs of other clusters. Then what is to be had
without understanding by who looks the answers up in the input. Needs the data folder and
scikit-learn.

    PANDALM_DATA=… python benchmarks/domain_pairs.py > benchmarks/DOMAIN_PAIRS.md
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from pandalm_eval.domains.answer_key import KeyedPair
from pandalm_eval.domains.questions import Kind, Question
from pandalm_eval.domains.scoring import holds
from pandalm_eval.domains.sources import pairs_by_key, read_parts
from pandalm_eval.judgments import Judgment, Protocol, Reading
from pandalm_eval.metrics import summarise
from pandalm_eval.rules import apply_rule
from pandalm_eval.tables.cells import share, with_interval
from pandalm_eval.task import document
from pandalm_eval.verdicts import LABELS, Verdict

SOURCES = ("lsat", "pubmedqa", "bioasq")
RULES = ("first", "second", "tie", "longest", "random")
FOLDS = 5
LOOK = (
    "A look without understanding: the answer whose words stand in the input, of lists the one "
    "with more items there. Open where that tells nothing; half of those count as right."
)


def told_by_rules(
    pairs: Sequence[KeyedPair], questions: Sequence[Question]
) -> dict[str, list[Verdict]]:
    """{rule: a verdict for each pair}."""
    told = {
        rule: [
            apply_rule(rule, len(pair.response1), len(pair.response2), pair.id) for pair in pairs
        ]
        for rule in RULES
    }
    ((commonest, _),) = Counter(question.key for question in questions if question.key).most_common(
        1
    )
    told[f"commonest answer ({commonest})"] = [
        _names(pair.answer1 == commonest, pair.answer2 == commonest) for pair in pairs
    ]
    told["bag of words"] = by_words(pairs)
    return told


def _names(one: bool | int, two: bool | int) -> Verdict:
    """The response of which more is true."""
    if one == two:
        return Verdict.TIE
    return Verdict.FIRST if one > two else Verdict.SECOND


def by_looking_up(pair: KeyedPair, question: Question) -> Verdict:
    """The verdict for the answer whose words stand together in the input; a tie where both do.

    Of two lists the one with more of its items there.
    """

    def found(answer: str) -> int:
        said = question.say(answer)
        if question.kind is Kind.CHOICE:
            said = said.partition(")")[2]
        items = said.split("; ") if question.kind is Kind.LIST else [said]
        return sum(holds(pair.input, [item]) for item in items)

    return _names(found(pair.answer1), found(pair.answer2))


def by_words(pairs: Sequence[KeyedPair]) -> list[Verdict]:
    """Verdicts of a classifier that sees the words of both responses, and their differences.

    Logistic regression on counts; each pair's verdict is learnt from the pairs of other clusters.
    """
    counts = CountVectorizer(token_pattern=r"\w+")
    counts.fit([text for pair in pairs for text in (pair.response1, pair.response2)])
    one, two = (
        counts.transform([getattr(pair, name) for pair in pairs])
        for name in ("response1", "response2")
    )
    features = sparse.hstack([one, two, one - two, abs(one - two)]).tocsr()
    gold = np.array([pair.gold.value if pair.gold else "" for pair in pairs])
    clusters = [pair.prompt_id for pair in pairs]
    told = np.empty_like(gold)
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=0).split(
        features, gold, clusters
    ):
        model = LogisticRegression(max_iter=2000).fit(features[train], gold[train])
        told[test] = model.predict(features[test])
    return [Verdict(str(verdict)) for verdict in told]


def figures(pairs: Sequence[KeyedPair], verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Every metric of a rule, and `guess`: what its verdicts would hit if they were shuffled."""
    judgments = [
        Judgment.of(document(index, pair), Protocol.SINGLE, [Reading(verdict)])
        for index, (pair, verdict) in enumerate(zip(pairs, verdicts, strict=True))
    ]
    gold, told = Counter(pair.gold for pair in pairs), Counter(verdicts)
    guess = sum(gold[label] * told[label] for label in LABELS) / len(pairs) ** 2
    return summarise(judgments, Protocol.SINGLE) | {"guess": guess}


def right_and_longer(pairs: Sequence[KeyedPair]) -> tuple[int, int]:
    """Decisive pairs whose right response is the longer one, and all decisive pairs."""
    decisive = [pair for pair in pairs if pair.gold is not Verdict.TIE]
    longer = sum(
        (len(pair.response1) > len(pair.response2)) is (pair.gold is Verdict.FIRST)
        for pair in decisive
    )
    return longer, len(decisive)


def looked_up(pairs: Sequence[KeyedPair], questions: Sequence[Question]) -> list[list[Any]]:
    """By kind: decisive pairs; in how many a look is right, wrong or open; its accuracy."""
    asked = {question.source_id: question for question in questions}
    counts: dict[Kind, Counter[str]] = {}
    for pair in pairs:
        if pair.gold is Verdict.TIE:
            continue
        question = asked[pair.source_id]
        told = by_looking_up(pair, question)
        outcome = "open" if told is Verdict.TIE else "right" if told is pair.gold else "wrong"
        counts.setdefault(question.kind, Counter())[outcome] += 1
    rows: list[list[Any]] = []
    for kind, own in sorted(counts.items()):
        right, n = own["right"] + own["open"] / 2, own.total()
        rows.append([kind, n, own["right"], own["wrong"], own["open"], share(right / n)])
    return rows


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main() -> int:
    """Print the page."""
    print("# What the answer-key pairs give away\n\nMade by `benchmarks/domain_pairs.py`.\n")
    for source in SOURCES:
        parts = read_parts(source)
        questions = [question for part in parts for question in part]
        pairs = pairs_by_key(parts)
        longer, decisive = right_and_longer(pairs)
        print(f"## {source}\n")
        rows = []
        for split in sorted({pair.split for pair in pairs}):
            chosen = [pair for pair in pairs if pair.split == split]
            gold = Counter(pair.gold for pair in chosen)
            asked = sum(question.split == split for question in questions)
            clusters = len({pair.prompt_id for pair in chosen})
            counts = [f"{gold[label]} ({share(gold[label] / len(chosen))})" for label in LABELS]
            rows.append([split, asked, len(chosen), clusters, *counts])
        print(_table(["split", "questions", "pairs", "clusters", *LABELS], rows))
        print(f"\nThe right response is the longer one in {longer} of {decisive} decisive pairs.\n")
        rows = []
        for rule, verdicts in told_by_rules(pairs, questions).items():
            found = figures(pairs, verdicts)
            kappa = with_interval(found["kappa"], found["kappa_ci_low"], found["kappa_ci_high"])
            accuracy = with_interval(found["acc"], found["acc_ci_low"], found["acc_ci_high"])
            rows.append([rule, accuracy, share(found["guess"]), kappa])
        print(_table(["rule", "accuracy", "of a guess", "kappa"], rows) + "\n")
        print(f"{LOOK}\n")
        columns = ["kind", "decisive pairs", "right", "wrong", "open", "accuracy"]
        print(_table(columns, looked_up(pairs, questions)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
