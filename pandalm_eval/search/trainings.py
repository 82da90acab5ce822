"""The trainings of a study: Optuna's record of them, and who does which.

A lock on the training's folder says that it is being done. The system lets go of it when its holder
ends, however it does, so that a dead worker's training is free for the next one.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pandalm_eval.search.journal import open_storage
from pandalm_eval.search.space import Training
from pandalm_eval.search.study import Study

if TYPE_CHECKING:
    import optuna

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """Where a training stands.

    Attributes:
        stage: waiting, running, complete or failed.
        reason: why it failed, else empty.
    """

    stage: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A training that this worker does."""

    training: Training
    trial: optuna.Trial


class Trainings:
    """The trainings of a study, as Optuna's record has them."""

    def __init__(self, study: Study) -> None:
        self._study = study

    @cached_property
    def _optuna(self) -> optuna.Study:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = open_storage(self._study.storage or self._study.folder / "study.journal")
        return optuna.create_study(
            study_name=f"trainings-{self._study.id[:8]}",  # a database may hold several
            storage=storage,
            direction="minimize",
            load_if_exists=True,
        )

    def enqueue(self) -> None:
        """Let every training wait for a worker that does not yet."""
        with FileLock(self._study.folder / ".lock"):
            self._enqueue()

    def _enqueue(self, again: frozenset[str] = frozenset()) -> None:
        known = self._trials()
        for training in self._study.space.trainings:
            if training.name not in known or training.name in again:
                self._optuna.enqueue_trial(
                    dict(training.values), user_attrs={"training": training.name}
                )

    def _trials(self) -> dict[str, optuna.trial.FrozenTrial]:
        """The newest trial of each training."""
        trials = self._optuna.get_trials(deepcopy=False)
        return {trial.user_attrs["training"]: trial for trial in trials}

    def states(self) -> dict[str, State]:
        """Where each training stands, by name, in the grid's order."""
        import optuna

        stages = {
            optuna.trial.TrialState.WAITING: "waiting",
            optuna.trial.TrialState.RUNNING: "running",
            optuna.trial.TrialState.COMPLETE: "complete",
            optuna.trial.TrialState.FAIL: "failed",
        }
        trials = self._trials()
        return {
            training.name: State(stages[trial.state], trial.user_attrs.get("reason", ""))
            if (trial := trials.get(training.name))
            else State("waiting")
            for training in self._study.space.trainings
        }

    def retry(self) -> int:
        """Let the trainings that failed wait for a worker again; returns how many."""
        with FileLock(self._study.folder / ".lock"):
            states = self.states().items()
            failed = frozenset(name for name, state in states if state.stage == "failed")
            self._enqueue(failed)
        return len(failed)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[Claim | None]:
        """The next training that nobody does, held while the block runs; None where there is none.

        Left by an exception, it stays as it is, for whoever comes next.
        """
        with contextlib.ExitStack() as held:
            yield self._claim(held)

    def _claim(self, held: contextlib.ExitStack) -> Claim | None:
        import optuna

        with FileLock(self._study.folder / ".lock"):
            self._enqueue()  # `init` may have been killed
            trials = self._trials()
            for training in self._study.space.trainings:
                frozen = trials[training.name]
                if frozen.state not in (
                    optuna.trial.TrialState.WAITING,
                    optuna.trial.TrialState.RUNNING,
                ):
                    continue
                folder = self._study.training_folder(training)
                (folder / "output").mkdir(parents=True, exist_ok=True)
                with contextlib.ExitStack() as own:
                    try:
                        own.enter_context(FileLock(folder / ".lock", timeout=0))
                        # A trainer may have outlived its worker: its end is awaited.
                        with FileLock(folder / "output" / ".lock", timeout=0):
                            pass
                    except Timeout:
                        continue
                    held.push(own.pop_all())
                return Claim(training, self._begun(training, frozen))
        return None

    def _begun(self, training: Training, frozen: optuna.trial.FrozenTrial) -> optuna.Trial:
        """The training's trial, running."""
        import optuna

        if frozen.state is optuna.trial.TrialState.RUNNING:
            _log.info("%s: goes on; its worker is gone.", training.name)
            return optuna.Trial(self._optuna, frozen._trial_id)
        _log.info("%s: begins.", training.name)
        trial = self._optuna.ask()
        while trial.user_attrs["training"] != training.name:  # Optuna's queue has its own order;
            trial = self._optuna.ask()  # those before it are taken up as if their worker were gone
        for key in training.values:
            trial.suggest_categorical(key, self._study.space.grid[key])
        return trial

    def complete(self, claim: Claim, loss: float) -> None:
        """Record a training as complete, all its epochs answered."""
        self._optuna.tell(claim.trial, loss)

    def fail(self, claim: Claim, reason: str) -> None:
        """Record why a training failed."""
        import optuna

        claim.trial.set_user_attr("reason", reason)
        self._optuna.tell(claim.trial, state=optuna.trial.TrialState.FAIL)
