"""Judgments between named candidates as wins, ties and losses, and the figures made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pandalm_eval.columns import FIRST, INVALID, NONE, SECOND, TIE, Codes, Columns
from pandalm_eval.judgments import Judgment, Protocol
from pandalm_eval.statistics.clusters import Floats, Numbers
from pandalm_eval.statistics.correction import Corrected, correct
from pandalm_eval.statistics.sampling import check_random
from pandalm_eval.statistics.shares import Estimate, share

_SCORES = np.empty(4)
_SCORES[[FIRST, TIE, SECOND, INVALID]] = 1.0, 0.5, 0.0, math.nan


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
        judged = Columns.of(judgments).by_index()
        judged = judged.take((judged.model1 != NONE) & (judged.model2 != NONE))
        met = {int(n): judged.models[n] for n in np.union1d(judged.model1, judged.model2)}
        names = tuple(names if names is not None else sorted(met.values(), key=str.casefold))
        places = np.full(len(judged.models), NONE, dtype=np.intp)
        for number, name in met.items():
            places[number] = names.index(name)
        lengths = (judged.length1 + 1) / (judged.length2 + 1)
        return cls(
            names=names,
            first=places[judged.model1],
            second=places[judged.model2],
            score=_SCORES[_verdicts(judged, protocol)],
            cluster=judged.clusters(),
            longer=np.fromiter(map(math.log, lengths), np.float64, len(judged)),
            human=_SCORES[np.where(judged.is_labelled, judged.gold, INVALID)],
        )

    def contest(self, a: int, b: int) -> Contest:
        """The judgments between two candidates, from a's side."""
        return self._from(
            (self.first == a) & (self.second == b), (self.first == b) & (self.second == a)
        )

    def contests(self) -> list[tuple[int, int]]:
        """The pairs of candidates that were compared, lower number first."""
        count = len(self.names)
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        return [divmod(int(met), count) for met in np.unique(low * count + high)]

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


def _verdicts(judged: Columns, protocol: Protocol) -> Codes:
    """The verdicts, except that unreadable text is no tie (as the single protocol counts it)."""
    return judged.orders[0].verdict if protocol is Protocol.SINGLE else judged.verdict
