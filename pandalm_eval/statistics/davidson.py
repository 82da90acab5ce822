"""Bradley–Terry with ties after Davidson, fitted to many tables of counts at once.

A candidate i has a log-strength λ_i, and the chances of a win, a tie and a loss of i against j are
proportional to `exp((λ_i − λ_j)/2) : ν : exp((λ_j − λ_i)/2)`, ν ≥ 0 common to all pairs. Without
ties ν is 0 and the model is Bradley–Terry's. Davidson 1970, JASA 65, "On extending the
Bradley–Terry model to accommodate ties in paired comparison experiments".

The likelihood depends on three sums: each candidate's wins plus half its ties, the ties in all, and
the comparisons of each two. The log-likelihood is concave, so Newton's method with step halving
finds the maximum wherever there is one; `Tables` says beforehand where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pandalm_eval.statistics.clusters import Floats, Truths

_MOST_STEPS = 200
_MOST_HALVINGS = 40
_LONGEST_STEP = 2.0  # of a log-strength; from 0, Newton's step can be far too long
_ROUNDING = 1e-12  # of the log-likelihood, which is no loss
_STOP = 1e-9  # of the log-likelihood left to gain: less than 1e-4 of a standard error


@dataclass(frozen=True, slots=True)
class Fit:
    """Maximum-likelihood contrasts of d tables.

    Attributes:
        contrasts: (d, k, k), λ_i − λ_j. ±inf where the data let it grow without bound; NaN where
            they say nothing: no chain of comparisons leads from i to j, or one that any ν fits.
        log_tie: (d,), log ν: −inf without ties, +inf where nothing but ties bounds it.
        converged: (d,), whether Newton's method found the maximum, where there is one. It does not
            for odds beyond all data, such as 10¹⁰; the contrasts of that table are then NaN.
    """

    contrasts: Floats
    log_tie: Floats
    converged: Truths


@dataclass(frozen=True, slots=True)
class Tables:
    """What bounds the maximum-likelihood estimates of d tables, in two steps.

    Say that i *holds* against j if a chain of wins and ties leads from i to j. Two candidates are
    comparable, with a finite contrast, if each holds against the other; if only i does, nobody
    ever let j's side score against i's side, and the contrast is +inf (Ford 1957, American
    Mathematical Monthly 64). Comparisons between such sides then fit perfectly and are left out.

    Ties alone do not bound a contrast: ν may grow with it, and the fit only gets better, if for
    each 1 added to log ν every winner gains at least 2 on its loser and no two that tied part by
    more than 2. A candidate that wins and ties but never loses is an example. `bounded` says that
    the outcomes contradict each other and rule this out.

    Attributes:
        compared: (d, k, k), comparisons of i and j that are kept, symmetric.
        scores: (d, k), wins plus half the ties in them.
        ties: (d,), ties in them.
        comparable: (d, k, k), each holds against the other; true on the diagonal.
        above: (d, k, k), only i holds against j.
        bounded: (d,), ν cannot grow without end; also where there are no ties, and ν is 0.
        leads: (d, k, k), where not bounded, i moves above j however ν grows.
        any_wins: (d,), whether a kept comparison was won.
    """

    compared: Floats
    scores: Floats
    ties: Floats
    comparable: Truths
    above: Truths
    bounded: Truths
    leads: Truths
    any_wins: Truths

    @classmethod
    def of(cls, wins: Floats, ties: Floats) -> Tables:
        """From wins of i over j and symmetric ties of i and j, both (d, k, k)."""
        count = wins.shape[-1]
        holds = (wins + ties > 0) | np.eye(count, dtype=bool)
        for middle in range(count):
            holds |= holds[:, :, middle, None] & holds[:, None, middle, :]
        back = holds.transpose(0, 2, 1)
        comparable = holds & back
        wins, ties = wins * comparable, ties * comparable
        farthest = _farthest_above(wins > 0, ties > 0)
        around = np.diagonal(farthest, axis1=1, axis2=2)
        tied = ties.sum(axis=(1, 2)) / 2
        return cls(
            compared=wins + wins.transpose(0, 2, 1) + ties,
            scores=wins.sum(axis=2) + ties.sum(axis=2) / 2,
            ties=tied,
            comparable=comparable,
            above=holds & ~back,
            bounded=(around.max(axis=1) > 0) | (tied == 0),
            leads=farthest > 0,
            any_wins=wins.max(axis=(1, 2)) > 0,
        )


def _farthest_above(won: Truths, tied: Truths) -> Floats:
    """By how much i at least gains on j, in units of 2 log ν, if ν grows: (d, k, k).

    A winner gains at least 1, one that tied loses at most 1: longest paths through all candidates.
    A positive value on the diagonal is a contradiction, so ν cannot grow.
    """
    bound = np.where(won, 1.0, np.where(tied, -1.0, -np.inf))
    diagonal = np.arange(won.shape[-1])
    bound[:, diagonal, diagonal] = 0.0
    for middle in range(won.shape[-1]):
        through = bound[:, :, middle, None] + bound[:, None, middle, :]
        # Around a contradiction paths grow for ever; k is more than any path without one.
        bound = np.minimum(np.maximum(bound, through), float(len(diagonal)))
    return bound


def fit(wins: Floats, ties: Floats) -> Fit:
    """Fit Davidson's model to d tables.

    Args:
        wins: (d, k, k), how often i won over j.
        ties: (d, k, k), how often i and j tied, symmetric, 0 on the diagonal.

    Returns:
        The contrasts and tie parameters.
    """
    tables = Tables.of(wins, ties)
    strengths, log_tie, converged = _maximise(tables)
    contrasts = strengths[:, :, None] - strengths[:, None, :]
    contrasts[tables.above] = np.inf
    contrasts[tables.above.transpose(0, 2, 1)] = -np.inf
    contrasts[~(tables.comparable | tables.above | tables.above.transpose(0, 2, 1))] = np.nan
    # Where ν grows without bound, ties alone leave equals equal; wins leave only who leads.
    grows = ~tables.bounded
    loose = (grows & tables.any_wins)[:, None, None] & tables.comparable
    loose &= ~np.eye(wins.shape[-1], dtype=bool)
    contrasts[loose] = np.nan
    contrasts[loose & tables.leads] = np.inf
    contrasts[loose & tables.leads.transpose(0, 2, 1)] = -np.inf
    contrasts[~converged] = np.nan
    return Fit(contrasts, np.where(grows, np.inf, log_tie), converged)


def _maximise(tables: Tables) -> tuple[Floats, Floats, Truths]:
    """Log-strengths (d, k), mean 0 in each set of comparables, log ν (d,), converged (d,).

    Where ν has no finite maximum the strengths stay 0; `fit` knows what to say of them.
    """
    draws, count = tables.scores.shape
    at = np.zeros((draws, count + 1))  # log-strengths, then log ν
    at[tables.ties == 0, count] = -np.inf
    active = np.flatnonzero(tables.bounded & tables.any_wins)
    for _ in range(_MOST_STEPS):
        if len(active) == 0:
            break
        counts = _Counts(tables.compared[active], tables.scores[active], tables.ties[active])
        step, gain = counts.newton_step(at[active], tables.comparable[active])
        length = np.abs(step).max(axis=1)
        step *= np.minimum(1.0, _LONGEST_STEP / np.maximum(length, _LONGEST_STEP))[:, None]
        at[active] = _halved_until_better(counts, at[active], step)
        active = active[gain > _STOP]
    converged = np.ones(draws, dtype=np.bool_)
    converged[active] = False
    return at[:, :count], at[:, count], converged


def _halved_until_better(counts: _Counts, at: Floats, step: Floats) -> Floats:
    """`at + step`, with those steps halved that would lower the likelihood."""
    before = counts.log_likelihood(at)
    allowed = before - _ROUNDING * np.abs(before)
    for _ in range(_MOST_HALVINGS):
        worse = counts.log_likelihood(at + step) < allowed
        if not worse.any():
            break
        step[worse] /= 2
    return at + step


@dataclass(frozen=True, slots=True)
class _Counts:
    """The likelihood of d tables and its derivatives; see `Tables` for the attributes."""

    compared: Floats
    scores: Floats
    ties: Floats

    def _terms(self, at: Floats) -> tuple[Floats, Floats, Floats]:
        """Of i against j, (d, k, k): expected score, chance of a tie, log of the sum of chances."""
        half = (at[:, :-1, None] - at[:, None, :-1]) / 2
        tie = np.broadcast_to(at[:, -1, None, None], half.shape)
        scale: Floats = np.logaddexp(np.logaddexp(half, -half), tie)
        tied: Floats = np.exp(tie - scale)
        return np.exp(half - scale) + tied / 2, tied, scale

    def log_likelihood(self, at: Floats) -> Floats:
        """`Σ_i λ_i (s_i − n_i/2) + T log ν − Σ_{i<j} n_ij log Z_ij`, (d,)."""
        scale = self._terms(at)[2]
        excess = self.scores - self.compared.sum(axis=2) / 2
        log_tie = np.where(self.ties > 0, at[:, -1], 0.0)
        linear = (at[:, :-1] * excess).sum(axis=1) + self.ties * log_tie
        value: Floats = linear - (self.compared * scale).sum(axis=(1, 2)) / 2
        return value

    def newton_step(self, at: Floats, comparable: Truths) -> tuple[Floats, Floats]:
        """The step (d, k + 1) to the maximum of the quadratic that fits, and its gain (d,)."""
        expected, tied, _ = self._terms(at)
        count = at.shape[1] - 1
        gradient = np.empty_like(at)
        gradient[:, :count] = self.scores - (self.compared * expected).sum(axis=2)
        gradient[:, count] = self.ties - (self.compared * tied).sum(axis=(1, 2)) / 2
        within = self.compared * (expected - tied / 4 - expected**2)  # variance of the score
        with_tie = (self.compared * tied * (0.5 - expected)).sum(axis=2)
        information = np.zeros((len(at), count + 1, count + 1))
        # Only differences are determined: 1 for each two comparables pins every set's mean.
        information[:, :count, :count] = comparable - within
        diagonal = np.arange(count)
        information[:, diagonal, diagonal] += within.sum(axis=2)
        information[:, :count, count] = information[:, count, :count] = with_tie
        no_tie = self.ties == 0  # ν stays 0
        information[:, count, count] = (self.compared * tied * (1 - tied)).sum(axis=(1, 2)) / 2
        information[no_tie, count, count] = 1.0
        gradient[no_tie, count] = 0.0
        step: Floats = np.linalg.solve(information, gradient[:, :, None])[:, :, 0].astype(
            np.float64
        )
        gain: Floats = (gradient * step).sum(axis=1) / 2
        return step, gain
