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

Any number of workers share a study (`trainings.py`); those on several machines need a file system
that they share and whose locks hold.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock

from pandalm_eval import __version__
from pandalm_eval.data import locate
from pandalm_eval.errors import InputError, UsageError, listing
from pandalm_eval.instructions import INFERENCE_SET
from pandalm_eval.judges import model_class
from pandalm_eval.records import read_object
from pandalm_eval.search.apart import require_apart
from pandalm_eval.search.space import Configuration, Space, Training, read_space
from train_judge.config import epoch_folder
from train_judge.steps import checksum, write_json, written

FORMAT = 1
"""Of the folder; one of another format is refused."""


class Prompts(StrEnum):
    """The two sets of prompts of a study."""

    VALIDATION = "validation"
    """By which the judge chooses."""
    HELD_OUT = "held-out"
    """On which the choice is confirmed, and which it never saw."""


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

    @property
    def id(self) -> str:
        """Tells it from the other studies of a database."""
        return str(self._told["id"])

    @property
    def storage(self) -> str | None:
        """URL of the database that holds the record; None for the journal."""
        told: str | None = self._told["storage"]
        return told

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
        storage = storage and _url(storage)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):
                if (folder / "study.json").exists():
                    study = cls.open(folder)
                    study._require_same(space, storage)
                else:
                    study = cls._begin(folder, space, space_file, storage)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written ({error.strerror}). Name another folder, or make "
                "room."
            ) from None
        return study

    @classmethod
    def _begin(cls, folder: Path, space: Space, space_file: Path, storage: str | None) -> Study:
        # An `init` that was killed leaves the space, and names that begin with a dot.
        if any(not place.name.startswith((".", "space.yaml")) for place in folder.iterdir()):
            raise UsageError(f"{folder}: is not empty, and no study. Name another folder.")
        require_apart(
            Path(str(space.tuning.get("train"))).expanduser(),
            *(_prompt_file(space, prompts) for prompts in Prompts),
        )
        space.judge.judge.check(space.judge.protocol, space.judge.prompt)
        model_class(space.answers.model, "answers.model")
        told = {
            "format": FORMAT,
            "version": __version__,
            "id": uuid.uuid4().hex,
            "storage": storage,
            "space": checksum(space_file),
            "data": _checksums(space),
        }
        with written(folder / "space.yaml") as file:
            file.write(space_file.read_text("utf-8"))
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
        if told.get("space") != checksum(folder / "space.yaml"):
            raise UsageError(
                f"{folder / 'space.yaml'}: was changed since the study began. Put it back, or "
                "begin another study in another folder."
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
        return epoch_folder(output, configuration.epoch)

    def answers(self, configuration: Configuration, prompts: Prompts) -> Path:
        """A configuration's response file."""
        return self.folder / "answers" / prompts / f"{configuration.name}.jsonl"

    def prompt_file(self, prompts: Prompts) -> Path:
        """The file of a set of prompts."""
        return _prompt_file(self.space, prompts)

    def configurations(self, names: Sequence[str]) -> list[Configuration]:
        """The configurations of these names.

        Raises:
            UsageError: a name that is none.
        """
        known = {one.name: one for one in self.space.configurations}
        if unknown := [name for name in names if name not in known]:
            raise UsageError(
                f"{listing(unknown, 3)}: no configuration of {self.folder}. There are "
                f"{listing(known, 3)}."
            )
        return [known[name] for name in names]

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


def _url(storage: str) -> str:
    """A database's URL that holds wherever the command runs.

    Raises:
        UsageError: no URL, or one with a password, which would stand in study.json.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(storage)
    except ArgumentError:
        raise UsageError(
            "--storage takes a database's URL, such as postgresql://USER@HOST/NAME."
        ) from None
    if url.password is not None:
        raise UsageError(
            "the storage's URL holds a password, which would stand in study.json. Leave it out, "
            "and let the database's client find it (for PostgreSQL in ~/.pgpass)."
        )
    if url.get_backend_name() == "sqlite" and url.database:
        url = url.set(database=str(Path(url.database).expanduser().absolute()))
    return url.render_as_string()


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
