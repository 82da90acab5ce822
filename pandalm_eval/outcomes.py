"""Judgments between named candidates as wins, ties and losses, and the figures made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pandalm_eval.judgments import Judgment, Protocol
from pandalm_eval.statistics.clusters import Floats, Numbers
from pandalm_eval.statistics.correction import Corrected, correct
from pandalm_eval.statistics.sampling import check_random
from pandalm_eval.statistics.shares import Estimate, share
from pandalm_eval.verdicts import Verdict

_SCORES = {Verdict.FIRST: 1.0, Verdict.TIE: 0.5, Verdict.SECOND: 0.0, Verdict.INVALID: math.nan}


@dataclass(frozen=True, slots=True)
class Contest:
    """All judgments between two candidates, told from the first one's side.

    Attributes:
        score: 1 win, .5 tie, 0 lose, NaN invalid; (n,).
        cluster: number of the prompt; (n,).
        longer: log of its length over the other's, (characters + 1); (n,).
        human: what people say: 1, .5, 0, NaN where nobody was asked; (n,).
    """

    score: Floats
    cluster: Numbers
    longer: Floats
    human: Floats

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Where there is a verdict."""
        return ~np.isnan(self.score)

    def counts(self) -> dict[str, int]:
        """Numbers of win, tie, lose and invalid."""
        return {
            "win": int((self.score == 1).sum()),
            "tie": int((self.score == 0.5).sum()),
            "lose": int((self.score == 0).sum()),
            "invalid": int((~self.valid).sum()),
        }

    def win_rate(self) -> Estimate | None:
        """(win + ½ tie) / (win + tie + lose) with its interval; None without a verdict."""
        if not self.valid.any():
            return None
        return share(self.score[self.valid], self.cluster[self.valid])

    @property
    def is_labelled(self) -> bool:
        """Whether people judged any of the pairs."""
        return not np.isnan(self.human).all()

    def corrected(self) -> Corrected:
        """The win rate that people would give, by the pairs that they judged and the judge's all.

        Of the pairs with a verdict, as every win rate.

        Raises:
            InputError: the labelled prompts are too few, or no random sample of the prompts.
        """
        valid = self.valid
        score, human, cluster = self.score[valid], self.human[valid], self.cluster[valid]
        known = {"the judge's score": score, "log ratio of lengths": self.longer[valid]}
        check_random(~np.isnan(human), cluster, known)
        return correct(score, human, cluster)

    def bounds(self) -> tuple[float, float]:
        """The win rate if every invalid judgment were a loss, and if every one were a win.

        NaN without a judgment, as a `--limit` may leave two candidates.
        """
        if len(self.score) == 0:
            return math.nan, math.nan
        valid = self.score[self.valid].sum()
        return float(valid / len(self.score)), float(
            (valid + (~self.valid).sum()) / len(self.score)
        )


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Judgments between candidates; rows in the order of their pairs.

    Attributes:
        names: the candidates.
        first, second: numbers of the candidates of response 1 and 2; (n,).
        score: of the first: 1, .5, 0, or NaN where the judgment is invalid; (n,).
        cluster: number of the prompt; (n,).
        longer: log length ratio of response 1 over response 2; (n,).
        human: of the first by the gold label, NaN where there is none; (n,).
    """

    names: tuple[str, ...]
    first: Numbers
    second: Numbers
    score: Floats
    cluster: Numbers
    longer: Floats
    human: Floats

    @classmethod
    def of(
        cls,
        judgments: Sequence[Judgment],
        protocol: Protocol,
        names: Sequence[str] | None = None,
    ) -> Self:
        """Outcomes of judgments that name both models.

        Args:
            names: the candidates in the order to show; by default by name.

        An unreadable verdict is invalid here under every protocol: between two candidates a tie is
        a result.
        """
        rows = sorted(
            (j for j in judgments if j.model1 is not None and j.model2 is not None),
            key=lambda judgment: judgment.index,
        )
        found = {str(name) for j in rows for name in (j.model1, j.model2)}
        names = tuple(names if names is not None else sorted(found, key=str.casefold))
        number = {name: place for place, name in enumerate(names)}
        prompts: dict[str, int] = {}
        return cls(
            names=names,
            first=np.array([number[str(j.model1)] for j in rows], dtype=np.intp),
            second=np.array([number[str(j.model2)] for j in rows], dtype=np.intp),
            score=np.array([_SCORES[_verdict(j, protocol)] for j in rows]),
            cluster=np.array(
                [prompts.setdefault(j.prompt_id, len(prompts)) for j in rows], dtype=np.intp
            ),
            longer=np.array([math.log((j.length1 + 1) / (j.length2 + 1)) for j in rows]),
            human=np.array([_SCORES[j.gold or Verdict.INVALID] for j in rows]),
        )

    def contest(self, a: int, b: int) -> Contest:
        """The judgments between two candidates, from a's side."""
        return self._from(
            (self.first == a) & (self.second == b), (self.first == b) & (self.second == a)
        )

    def contests(self) -> list[tuple[int, int]]:
        """The pairs of candidates that were compared, lower number first."""
        met = {(min(a, b), max(a, b)) for a, b in zip(self.first, self.second, strict=True)}
        return sorted((int(a), int(b)) for a, b in met)

    def all_of(self, candidate: int) -> Contest:
        """All judgments of a candidate against anyone, from its side."""
        return self._from(self.first == candidate, self.second == candidate)

    def by_common_opponents(self, a: int, b: int) -> tuple[Floats, Numbers]:
        """How two candidates fared against the same others on the same prompts.

        Returns:
            a's mean score minus b's, one for each opponent and prompt that both met with a verdict,
            (m,), and the numbers of the prompts, (m,).
        """
        one, other = self._by_opponent(a), self._by_opponent(b)
        common = [met for met in one if met in other]
        differences = [float(np.mean(one[met]) - np.mean(other[met])) for met in common]
        return np.array(differences), np.array([prompt for _, prompt in common], dtype=np.intp)

    def _by_opponent(self, candidate: int) -> dict[tuple[int, int], list[float]]:
        """Scores by opponent and prompt."""
        found: dict[tuple[int, int], list[float]] = {}
        for own, other, sign in ((self.first, self.second, 1), (self.second, self.first, -1)):
            for row in np.flatnonzero((own == candidate) & ~np.isnan(self.score)):
                score = self.score[row] if sign > 0 else 1 - self.score[row]
                met = int(other[row]), int(self.cluster[row])
                found.setdefault(met, []).append(float(score))
        return found

    def against(self, baseline: str | None) -> Contest:
        """All judgments against a baseline, from the candidates' side; without one, all of them."""
        if baseline is None:
            everything = np.ones(len(self.score), dtype=bool)
            return self._from(everything, ~everything)
        number = self.names.index(baseline)
        return self._from(self.second == number, self.first == number)

    def _from(self, straight: npt.NDArray[np.bool_], turned: npt.NDArray[np.bool_]) -> Contest:
        """The rows of both, those in `turned` told from the side of response 2."""
        rows = straight | turned
        own, score, human = straight[rows], self.score[rows], self.human[rows]
        longer = self.longer[rows]
        return Contest(
            score=np.where(own, score, 1 - score),
            cluster=self.cluster[rows],
            longer=np.where(own, longer, -longer),
            human=np.where(own, human, 1 - human),
        )


def _verdict(judgment: Judgment, protocol: Protocol) -> Verdict:
    """The verdict, except that unreadable text is no tie (as the single protocol counts it)."""
    if protocol is Protocol.SINGLE:
        return judgment.readings[0].verdict
    return judgment.verdict
