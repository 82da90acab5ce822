"""The trainings of a study: Optuna's record of them, and who does which.

A lock on the training's folder says that it is being done. Worker and trainer hold it together, and
the system lets go of it when both have ended, however they do: so a dead worker's training is free
for the next one, but not while its trainer lives on.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from filelock import FileLock

from pandalm_eval.search.record import explained, open_storage
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

    @property
    def is_final(self) -> bool:
        """Whether no worker will do any more for it."""
        return self.stage in ("complete", "failed")


@dataclass(frozen=True, slots=True)
class Claim:
    """A training that this worker does.

    Attributes:
        lock: descriptor of the lock on its folder; a process that inherits it holds the lock, too.
    """

    training: Training
    trial: optuna.Trial
    lock: int


class Trainings:
    """The trainings of a study, as Optuna's record has them.

    Every method raises an InputError where the record cannot be read or written.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._place = study.storage or study.folder / "study.journal"

    @cached_property
    def _optuna(self) -> optuna.Study:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        return optuna.create_study(
            study_name=f"trainings-{self._study.id[:8]}",  # a database may hold several
            storage=open_storage(self._place),
            direction="minimize",
            load_if_exists=True,
        )

    def enqueue(self) -> None:
        """Let every training wait for a worker that does not yet."""
        with explained(self._place), self._alone():
            self._enqueue()

    def retry(self) -> int:
        """Let the trainings that failed wait for a worker again; returns how many."""
        with explained(self._place), self._alone():
            states = self._states().items()
            failed = frozenset(name for name, state in states if state.stage == "failed")
            self._enqueue(failed)
        return len(failed)

    def _enqueue(self, again: frozenset[str] = frozenset()) -> None:
        known = self._trials()
        for training in self._study.space.trainings:
            if training.name not in known or training.name in again:
                self._optuna.enqueue_trial(
                    dict(training.values), user_attrs={"training": training.name}
                )

    def states(self) -> dict[str, State]:
        """Where each training stands, by name, in the grid's order."""
        with explained(self._place):
            return self._states()

    def _states(self) -> dict[str, State]:
        import optuna

        stages = {
            optuna.trial.TrialState.RUNNING: "running",
            optuna.trial.TrialState.COMPLETE: "complete",
            optuna.trial.TrialState.FAIL: "failed",
        }
        trials = self._trials()
        states = {}
        for training in self._study.space.trainings:
            trial = trials.get(training.name)
            stage = "waiting" if trial is None else stages.get(trial.state, "waiting")
            reason = trial.user_attrs.get("reason", "") if trial and stage == "failed" else ""
            states[training.name] = State(stage, reason)
        return states

    def _trials(self) -> dict[str, optuna.trial.FrozenTrial]:
        """The newest trial of each training."""
        trials = self._optuna.get_trials(deepcopy=False)
        return {trial.user_attrs["training"]: trial for trial in trials}

    @contextlib.contextmanager
    def claimed(self) -> Iterator[Claim | None]:
        """The next training that nobody does, held while the block runs; None where there is none.

        Left by an exception, it stays as it is, for whoever comes next.
        """
        with contextlib.ExitStack() as held:
            with explained(self._place), self._alone():
                claim = self._left_alone(held) or self._next(held)
            yield claim

    def _alone(self) -> FileLock:
        return FileLock(self._study.folder / ".lock")

    def _left_alone(self, held: contextlib.ExitStack) -> Claim | None:
        """A training whose worker is gone."""
        import optuna

        trials = self._trials()
        for training in self._study.space.trainings:
            trial = trials.get(training.name)
            if trial is None or trial.state is not optuna.trial.TrialState.RUNNING:
                continue
            if (lock := self._lock(training, held)) is not None:
                _log.info("%s: goes on; its worker is gone.", training.name)
                return Claim(training, optuna.Trial(self._optuna, trial._trial_id), lock)
        return None

    def _next(self, held: contextlib.ExitStack) -> Claim | None:
        """The training that has waited longest."""
        import optuna

        self._enqueue()  # `init` may have been killed
        by_name = {training.name: training for training in self._study.space.trainings}
        while any(
            trial.state is optuna.trial.TrialState.WAITING for trial in self._trials().values()
        ):
            trial = self._optuna.ask()
            training = by_name[trial.user_attrs["training"]]
            for key in training.values:
                trial.suggest_categorical(key, self._study.space.levels(key))
            if (lock := self._lock(training, held)) is not None:
                _log.info("%s: begins.", training.name)
                return Claim(training, trial, lock)
        return None

    def _lock(self, training: Training, held: contextlib.ExitStack) -> int | None:
        """The lock on a training's folder, until `held` closes; None where somebody has it."""
        folder = self._study.training_folder(training)
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        held.callback(os.close, lock)
        return lock

    def complete(self, claim: Claim, loss: float) -> None:
        """Record a training as complete, all its epochs answered."""
        with explained(self._place):
            self._optuna.tell(claim.trial, loss)

    def fail(self, claim: Claim, reason: str) -> None:
        """Record why a training failed."""
        import optuna

        with explained(self._place):
            claim.trial.set_user_attr("reason", reason)
            self._optuna.tell(claim.trial, state=optuna.trial.TrialState.FAIL)
