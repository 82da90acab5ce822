"""`pandalm-compare`: the judge (`--model`) compares candidates' answers to the same prompts."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, ItemsView, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pandalm_eval.data import locate
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.figures import Figures
from pandalm_eval.instructions import INFERENCE_SET
from pandalm_eval.joining import contests, joined
from pandalm_eval.judgments import Judgment, Protocol
from pandalm_eval.labels import LABELS, check_sample, read_labels
from pandalm_eval.metrics import SUFFIXES, keys_for, metrics_for, summarise
from pandalm_eval.outcomes import Contest, Outcomes
from pandalm_eval.pairs import Pair
from pandalm_eval.readings import judge
from pandalm_eval.responses import Candidate, read_candidates, the_only
from pandalm_eval.settings import Settings
from pandalm_eval.statistics.shares import Estimate
from pandalm_eval.task import PairwiseJudge

_log = logging.getLogger(__name__)

COUNTS = ("win", "tie", "lose", "invalid")
RATES = ("win_rate", "win_rate_low", "win_rate_high")
CORRECTIONS = ("win_rate_human", "win_rate_corrected")
"""With `labels`: by people's labels alone, and with the judge's help."""


class Compare(PairwiseJudge):
    """All pairs of the candidates in `responses`, or each of them with the `baseline`.

    Metrics: `win:A:B`, `tie:A:B`, `lose:A:B`, `invalid:A:B` (counts, from A's side), `win_rate:A:B`
    = (win + ½ tie) / (win + tie + lose) with error and interval, `win_rate_low:A:B` and
    `win_rate_high:A:B` (every invalid judgment lost, won); `win_rate:A` over all of A's judgments;
    the judge's biases; bare `tie` and `invalid`, and the other bare ones with a baseline. With
    `labels`: `win_rate_human:A:B` and `win_rate_corrected:A:B` (`statistics.correction`).
    """

    def _read_pairs(self) -> list[Pair]:
        if "candidates" in self._source:  # made in this process, not read from files
            candidates, self._baseline = self._source["candidates"], self._source["baseline"]
        else:
            candidates, self._baseline = read_contestants(self.settings)
        self._names = [candidate.name for candidate in candidates]
        pairs = joined(
            candidates, self._baseline, join=self.settings.join, protocol=self.settings.protocol
        )
        if self.settings.labels is None:
            return pairs
        path = Path(self.settings.labels).expanduser()
        labels = read_labels(path, pairs)
        labelled = [replace(pair, gold=labels.get(pair.id)) for pair in pairs]
        check_sample(path, labelled)
        return labelled

    def _choose(self, pairs: list[Pair]) -> list[Pair]:
        """All of them: labels correct the win rate, they are no gold to agree with."""
        self.has_gold = False
        self.config.metadata["gold"] = "none" if self.settings.labels is None else LABELS
        return pairs

    def _figures(self) -> Figures:
        labelled = self.settings.labels is not None
        return comparison_figures(
            self.settings.protocol, self._names, self._baseline, labelled=labelled
        )

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """The judgment, for every key."""
        if "bypass" in self._metric_fn_list:  # --predict_only
            return {"bypass": 0.0}
        return ToldOnce(self._keys, judge(doc, self.settings.protocol, results))


class ToldOnce(dict[str, Any]):
    """One judgment for all figures of a comparison, of which there may be hundreds.

    The harness takes what figures get from `items`, and what a sample holds from the mapping
    itself: so a sample has one verdict, not one a figure.
    """

    def __init__(self, keys: Sequence[str], judgment: Judgment, **own: Any) -> None:
        """`keys` get the judgment, `own` ones their values."""
        super().__init__(verdict=judgment, **own)
        self._keys, self._own = keys, own

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """Every key with the judgment."""
        return (dict.fromkeys(self._keys, self["verdict"]) | self._own).items()


def read_contestants(settings: Settings) -> tuple[list[Candidate], str | None]:
    """The candidates and the baseline's name, None where all pairs are compared."""
    if not settings.responses:
        raise UsageError(
            "pandalm-compare needs response files: --metadata responses=FOLDER (or a quoted glob), "
            'or \'{"responses": {"NAME": "FILE", …}}\' (`pandalm-respond` makes them).'
        )
    prompts = _prompt_file(settings)
    return with_baseline(
        settings.baseline,
        read_candidates(settings.responses, prompts),
        lambda told: read_candidates(told, prompts),
    )


def with_baseline(
    baseline: Any, candidates: list[Candidate], read: Callable[[object], list[Candidate]]
) -> tuple[list[Candidate], str | None]:
    """The candidates, with the baseline among them, and its name; None where there is none.

    Args:
        baseline: the name of a candidate, or a response file that `read` reads.
    """
    if baseline is None or baseline in {candidate.name for candidate in candidates}:
        return candidates, baseline
    if not isinstance(baseline, Mapping) and not Path(str(baseline)).expanduser().exists():
        names = ", ".join(candidate.name for candidate in candidates)
        raise UsageError(f"the baseline {baseline!r} is neither a file nor one of {names}.")
    added = the_only(baseline, read(baseline))
    same = next((one for one in candidates if one.name == added.name), None)
    if same is None:
        return [*candidates, added], added.name
    if same.path.resolve() == added.path.resolve():
        return candidates, added.name
    raise InputError(
        f"{added.path}: the baseline is named {added.name}, as {same.path} is. Name them apart: "
        '--metadata \'{"responses": {"NAME": "FILE", …}, "baseline": {"NAME": "FILE"}}\'.'
    )


def _prompt_file(settings: Settings) -> Path | None:
    if settings.instructions is not None:
        return Path(settings.instructions).expanduser()
    try:
        return locate(INFERENCE_SET, settings.data_dir)
    except ValueError:
        return None  # needed for plain lists only; those then say so


def comparison_figures(
    protocol: Protocol, names: Sequence[str], baseline: str | None, *, labelled: bool = False
) -> Figures:
    """Wins, ties, losses and win rates of candidates, and the judge's biases."""
    versus = contests(names, baseline)
    bare = (*COUNTS, *RATES) if baseline is not None else ("tie", "invalid")
    keys = _with_error(bare)
    of_contest = (*COUNTS, *RATES, *(CORRECTIONS if labelled else ()))
    for a, b in versus:
        keys += _with_error([f"{key}:{a}:{b}" for key in of_contest])
    if len(versus) > 1:
        keys += _with_error([f"win_rate:{name}" for name in names])
    keys += keys_for(protocol, gold=False)

    def figures(judgments: Sequence[Judgment]) -> dict[str, float]:
        outcomes = Outcomes.of(judgments, protocol, names)
        number = {name: place for place, name in enumerate(outcomes.names)}
        values = _of_contest(outcomes.against(baseline), "")
        for a, b in versus:
            contest = outcomes.contest(number[a], number[b])
            values |= _of_contest(contest, f":{a}:{b}")
            if labelled:
                values |= _corrections(contest, f":{a}:{b}")
        for name in names:
            values |= _rate(outcomes.all_of(number[name]), f"win_rate:{name}")
        return values | summarise(judgments, protocol, gold=False)

    better = {key: not key.startswith(("lose", "invalid")) for key in keys}
    biases = {
        f"{metric.key}{suffix}": metric.higher_is_better
        for metric in metrics_for(protocol, gold=False)
        for suffix in SUFFIXES
    }
    return Figures(keys, figures, better | biases)


def _with_error(keys: Sequence[str]) -> list[str]:
    """The keys, each win rate followed by its error and interval."""
    rates = ("win_rate", *CORRECTIONS)
    return [
        told
        for key in keys
        for told in (
            [f"{key}{suffix}" for suffix in SUFFIXES] if key.split(":")[0] in rates else [key]
        )
    ]


def _of_contest(contest: Contest, name: str) -> dict[str, float]:
    values: dict[str, float] = {f"{key}{name}": count for key, count in contest.counts().items()}
    low, high = contest.bounds()
    values |= _rate(contest, f"win_rate{name}")
    return values | {f"win_rate_low{name}": low, f"win_rate_high{name}": high}


def _corrections(contest: Contest, name: str) -> dict[str, float]:
    human, corrected = None, None
    try:
        if contest.is_labelled:
            found = contest.corrected()
            human, corrected = found.classical, found.corrected
    except InputError as error:
        _log.warning("%s is not corrected by labels: %s", name.strip(":"), error)
    told = _estimated(human, f"win_rate_human{name}")
    return told | _estimated(corrected, f"win_rate_corrected{name}")


def _rate(contest: Contest, key: str) -> dict[str, float]:
    return _estimated(contest.win_rate(), key)


def _estimated(rate: Estimate | None, key: str) -> dict[str, float]:
    told = [math.nan] * 4 if rate is None else [rate.value, rate.stderr, rate.low, rate.high]
    return {f"{key}{suffix}": value for suffix, value in zip(SUFFIXES, told, strict=True)}
