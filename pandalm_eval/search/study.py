"""A study: a folder with the space, answers and readings, and Optuna's record of the trainings.

```text
STUDY/
├── study.json      format, storage, and checksums of the data
├── space.yaml      the space as `init` read it
├── study.journal   Optuna's record, unless a database holds it
├── trainings/      a folder a training: configuration, log, weights while they are needed
├── answers/        validation/ and held-out/: one response file a configuration
├── readings/       every reading of the judge (`readings.py`)
├── choices/        what each strategy chose
├── confirmed/      harness runs on the held-out prompts
└── report/
```

Any number of workers share a study. Which of them does a training is decided by a lock on the
training's folder, which the system lets go of when its holder ends, however it does: so a dead
worker's training is free for the next one, and goes on from its checkpoint. Workers on several
machines need a file system that they share and whose locks hold.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from pandalm_eval import __version__
from pandalm_eval.data import locate
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.instructions import INFERENCE_SET
from pandalm_eval.records import read_object
from pandalm_eval.search.apart import require_apart
from pandalm_eval.search.journal import open_storage
from pandalm_eval.search.space import Configuration, Space, Training, read_space
from train_judge.steps import checksum, write_json

if TYPE_CHECKING:
    import optuna

_log = logging.getLogger(__name__)

FORMAT = 1
"""Of the folder; one of another format is refused."""


class Prompts(StrEnum):
    """The two sets of prompts of a study."""

    VALIDATION = "validation"
    """By which the judge chooses."""
    HELD_OUT = "held-out"
    """On which the choice is confirmed, and which it never saw."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a training stands.

    Attributes:
        stage: waiting, running, complete or failed.
        reason: why it failed, else empty.
    """

    stage: str
    reason: str = ""


class Study:
    """A study's folder; `Study.open` or `Study.create` give one.

    Attributes:
        folder: where it is.
        space: what is searched.
    """

    def __init__(self, folder: Path, space: Space, told: Mapping[str, Any]) -> None:
        self.folder = folder
        self.space = space
        self._told = told

    @classmethod
    def create(cls, folder: Path, space_file: Path, storage: str | None = None) -> Study:
        """Make a folder the space's study; one that already is, is opened.

        Args:
            storage: URL of a database for Optuna's record; a journal in the folder by default.

        Raises:
            UsageError: the folder holds another study or something else, or the URL a password.
            InputError: a file cannot be read or written.
        """
        space = read_space(space_file)
        if storage is not None and _has_password(storage):
            raise UsageError(
                "the storage's URL holds a password, which would stand in study.json. Leave it "
                "out, and let the database's client find it (for PostgreSQL in ~/.pgpass)."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):
                if (folder / "study.json").exists():
                    study = cls.open(folder)
                    study._require_same(space, storage)
                else:
                    study = cls._begin(folder, space, space_file, storage)
                study._enqueue()
        except OSError as error:
            raise InputError(
                f"{error.filename or folder}: cannot be written ({error.strerror}). Name another "
                "folder, or make room."
            ) from None
        return study

    @classmethod
    def _begin(cls, folder: Path, space: Space, space_file: Path, storage: str | None) -> Study:
        if {place.name for place in folder.iterdir()} - {".lock", "space.yaml"}:
            raise UsageError(f"{folder}: is not empty, and no study. Name another folder.")
        require_apart(
            Path(str(space.tuning.get("train"))).expanduser(),
            *(_prompt_file(space, prompts) for prompts in Prompts),
        )
        told = {
            "format": FORMAT,
            "version": __version__,
            "id": uuid.uuid4().hex,
            "storage": storage,
            "data": _checksums(space),
        }
        shutil.copyfile(space_file, folder / "space.yaml")
        write_json(folder / "study.json", told)
        return cls(folder, space, told)

    @classmethod
    def open(cls, folder: Path) -> Study:
        """The study of a folder.

        Raises:
            UsageError: no study stands there, or one of another format.
            InputError: its data are no longer what they were.
        """
        if not (folder / "study.json").exists():
            raise UsageError(
                f"{folder}: is no study. Make one: pandalm-eval search init {folder} --space FILE."
            )
        told = read_object(folder / "study.json")
        if told.get("format") != FORMAT:
            raise UsageError(
                f"{folder}: is a study of format {told.get('format')}, made by pandalm_eval "
                f"{told.get('version')}; this is {__version__} with format {FORMAT}. Use that "
                "version, or begin a new study."
            )
        return cls(folder, read_space(folder / "space.yaml"), told)

    def require_same_data(self) -> None:
        """Raise an InputError where tuning data or prompts changed since `init`."""
        now = _checksums(self.space)
        if changed := [name for name, digest in now.items() if self._told["data"][name] != digest]:
            raise InputError(
                f"{self.folder}: {', '.join(changed)} changed since the study began. Put the old "
                "file back, or begin a new study: figures of both would be mixed."
            )

    def _require_same(self, space: Space, storage: str | None) -> None:
        if space != self.space:
            raise UsageError(
                f"{self.folder}: holds a study of another space ({self.folder / 'space.yaml'}). "
                "Name another folder."
            )
        if storage != self._told["storage"]:
            raise UsageError(
                f"{self.folder}: the study's storage is {self._told['storage'] or 'its journal'}."
            )
        self.require_same_data()

    # Places ------------------------------------------------------------------------------------

    def training_folder(self, training: Training) -> Path:
        """Everything of a training."""
        return self.folder / "trainings" / training.name

    def weights(self, configuration: Configuration) -> Path:
        """A configuration's weights, or its adapter, while they are kept."""
        output = self.training_folder(configuration.training) / "output"
        return output / f"epoch-{configuration.epoch}"

    def answers(self, configuration: Configuration, prompts: Prompts) -> Path:
        """A configuration's response file."""
        return self.folder / "answers" / prompts / f"{configuration.name}.jsonl"

    def prompt_file(self, prompts: Prompts) -> Path:
        """The file of a set of prompts."""
        return _prompt_file(self.space, prompts)

    @property
    def at_once(self) -> tuple[Prompts, ...]:
        """Which prompts every configuration answers before its weights may be let go.

        Where they stay, the held-out ones are answered only by those that are confirmed.
        """
        return (Prompts.VALIDATION,) if self.space.keep_weights else tuple(Prompts)

    def has_answered(self, configuration: Configuration) -> bool:
        """Whether it has answered all of these."""
        return all(self.answers(configuration, prompts).exists() for prompts in self.at_once)

    def answered(self, training: Training) -> dict[str, bool]:
        """The same of every epoch of a training, by the configuration's name."""
        own = [one for one in self.space.configurations if one.training is training]
        return {one.name: self.has_answered(one) for one in own}

    # Trainings ---------------------------------------------------------------------------------

    @cached_property
    def _optuna(self) -> optuna.Study:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = open_storage(self._told["storage"] or self.folder / "study.journal")
        return optuna.create_study(
            study_name=f"trainings-{self._told['id'][:8]}",  # a database may hold several
            storage=storage,
            direction="minimize",
            load_if_exists=True,
        )

    def _enqueue(self, names: frozenset[str] | None = None) -> None:
        known = self._trials()
        for training in self.space.trainings:
            if training.name not in known or (names and training.name in names):
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
            for training in self.space.trainings
        }

    def retry(self) -> int:
        """Let the trainings that failed wait for a worker again; returns how many."""
        failed = {name for name, state in self.states().items() if state.stage == "failed"}
        with FileLock(self.folder / ".lock"):
            if failed:
                self._enqueue(frozenset(failed))
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

        with FileLock(self.folder / ".lock"):
            self._enqueue()  # `init` may have been killed
            trials = self._trials()
            for training in self.space.trainings:
                frozen = trials[training.name]
                if frozen.state not in (
                    optuna.trial.TrialState.WAITING,
                    optuna.trial.TrialState.RUNNING,
                ):
                    continue
                folder = self.training_folder(training)
                (folder / "output").mkdir(parents=True, exist_ok=True)
                try:
                    held.enter_context(FileLock(folder / ".lock", timeout=0))
                    # A trainer may have outlived its worker: its end is awaited.
                    with FileLock(folder / "output" / ".lock", timeout=0):
                        pass
                except Timeout:
                    continue
                return Claim(training, self._begun(training, frozen))
        return None

    def _begun(self, training: Training, frozen: optuna.trial.FrozenTrial) -> optuna.Trial:
        """The training's trial, running."""
        import optuna

        if frozen.state is optuna.trial.TrialState.RUNNING:
            _log.info("%s: goes on; its worker is gone.", training.name)
            return optuna.Trial(self._optuna, frozen._trial_id)
        trial = self._optuna.ask()
        while trial.user_attrs["training"] != training.name:  # Optuna's queue has its own order;
            trial = self._optuna.ask()  # those before it are taken up as if their worker were gone
        for key in training.values:
            trial.suggest_categorical(key, self.space.grid[key])
        return trial

    def complete(self, claim: Claim, loss: float) -> None:
        """Record a training as complete, all its epochs answered."""
        self._optuna.tell(claim.trial, loss)

    def fail(self, claim: Claim, reason: str) -> None:
        """Record why a training failed."""
        import optuna

        claim.trial.set_user_attr("reason", reason)
        self._optuna.tell(claim.trial, state=optuna.trial.TrialState.FAIL)


@dataclass(frozen=True, slots=True)
class Claim:
    """A training that this worker does."""

    training: Training
    trial: optuna.Trial


def _has_password(url: str) -> bool:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).password is not None
    except ArgumentError:
        raise UsageError(
            "--storage takes a database's URL, such as postgresql://USER@HOST/NAME."
        ) from None


def _prompt_file(space: Space, prompts: Prompts) -> Path:
    if prompts is Prompts.VALIDATION:
        return Path(space.answers.validation).expanduser()
    if space.answers.held_out is None:
        return locate(INFERENCE_SET, None)
    return Path(space.answers.held_out).expanduser()


def _checksums(space: Space) -> dict[str, str]:
    files = {prompts.value: _prompt_file(space, prompts) for prompts in Prompts}
    files["train"] = Path(str(space.tuning.get("train"))).expanduser()
    return {name: checksum(path) for name, path in files.items()}
