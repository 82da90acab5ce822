"""Calibration of runs with probabilities: how often the likeliest verdict is right, by bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pandalm_eval.judgments import Protocol
from pandalm_eval.metrics import CalibrationBin, calibration_bins
from pandalm_eval.results import Run
from pandalm_eval.tables.cells import with_interval


@dataclass(frozen=True, slots=True)
class Calibration:
    """One run's curve, with its errors as printed: value and interval."""

    run: Run
    bins: list[CalibrationBin]
    ece: str
    brier: str

    @property
    def most(self) -> int:
        """Pairs in the fullest bin."""
        return max(bin.n for bin in self.bins)

    @property
    def n(self) -> int:
        """Pairs in all bins."""
        return sum(bin.n for bin in self.bins)


def calibrations(runs: Sequence[Run]) -> list[Calibration]:
    """The curve of every run of the log-probability protocol that has gold."""
    found = []
    for run in runs:
        if run.name.protocol is not Protocol.LOGPROB or run.judgments is None:
            continue
        bins = calibration_bins(run.judgments)
        if any(bin.n for bin in bins):
            errors = [_printed(run, key) for key in ("ece", "brier")]
            found.append(Calibration(run, bins, *errors))
    return found


def _printed(run: Run, key: str) -> str:
    return with_interval(*(run.figures.get(f"{key}{end}") for end in ("", "_ci_low", "_ci_high")))
