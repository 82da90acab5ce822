"""`pandalm_lsat`, `pandalm_pubmedqa`, `pandalm_bioasq`: the pairwise judge outside its domain."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from pandalm_eval.compare_task import with_baseline
from pandalm_eval.domains.answer_key import SEED, KeyedPair
from pandalm_eval.domains.candidates import pairs_of_candidates
from pandalm_eval.domains.questions import Question
from pandalm_eval.domains.sources import pairs_by_key, read_parts
from pandalm_eval.errors import InputError
from pandalm_eval.fitting import Shorten
from pandalm_eval.pairs import Pair
from pandalm_eval.responses import read_candidates
from pandalm_eval.task import PairwiseJudge, document

KEY = "key"
"""What results call gold that follows from an answer key."""

_log = logging.getLogger(__name__)


class DomainJudge(PairwiseJudge):
    """Pairs of a source's questions, made of its answer key, or of candidates' `responses`.

    YAML: as `PairwiseJudge`, with `dataset_kwargs` {source: lsat, lsat-ar, lsat-lr, lsat-rc,
    pubmedqa or bioasq; seed: of the pairs}. Documents also have source_id, split, answer1, answer2
    and key, from which gold can be recomputed. Passages and abstracts are shortened where a prompt
    is too long; the question and the responses are not.
    """

    own_gold = KEY
    shorten = Shorten.INPUT

    def _own_pairs(self) -> Sequence[Pair]:
        settings = self.settings
        parts = read_parts(self._source["source"], settings.data_dir)
        questions = [question for part in parts for question in part]
        if settings.responses is None:
            pairs = pairs_by_key(parts, int(self._source.get("seed", SEED)))
            self._say_unused(questions, {pair.source_id for pair in pairs})
            return pairs
        read = partial(read_candidates, respond=self._respond_task)
        candidates, baseline = with_baseline(settings.baseline, read(settings.responses), read)
        return pairs_of_candidates(
            questions, candidates, baseline, join=settings.join, protocol=settings.protocol
        )

    def _choose(self, pairs: list[Pair]) -> list[Pair]:
        """The pairs with a gold label.

        Raises:
            InputError: there is no pair at all, or none with a label.
        """
        if not pairs:
            raise InputError(
                f"{self.config.task}: no question has a wrong answer to make a pair with. A "
                "factoid or a list takes its wrong answer from another of its kind: put more files "
                f"into {self._source['source'].partition('-')[0]}/ of the data folder."
            )
        if not any(pair.gold for pair in pairs):
            raise InputError(
                f"{self.config.task}: in none of the {len(pairs)} pairs can both responses be "
                "scored by the key. Let candidates answer with a letter, a decision or a name, or "
                "give labels with --metadata gold=FILE."
            )
        return super()._choose(pairs)

    @property
    def _respond_task(self) -> str:
        """The task that candidates answer: one for all parts of a source."""
        return f"pandalm-respond-{self._source['source'].partition('-')[0]}"

    def _say_unused(self, questions: Sequence[Question], used: set[str]) -> None:
        unused = Counter(q.kind.value for q in questions if q.source_id not in used)
        if unused:
            _log.warning(
                "%s: %d of %d questions have no wrong answer to be paired with (%s).",
                self.config.task,
                unused.total(),
                len(questions),
                ", ".join(f"{count} {kind}" for kind, count in sorted(unused.items())),
            )

    def _document(self, index: int, pair: Pair) -> dict[str, Any]:
        assert isinstance(pair, KeyedPair)  # all pairs of `_own_pairs` are
        return document(index, pair) | {
            "source_id": pair.source_id,
            "split": pair.split,
            "answer1": pair.answer1,
            "answer2": pair.answer2,
            "key": pair.key,
        }
