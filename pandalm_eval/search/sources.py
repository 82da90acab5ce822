"""Where a command finds candidates, judge and default: in a study, or in what it was told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pandalm_eval.errors import InputError, UsageError, listing
from pandalm_eval.judges import JudgeModel
from pandalm_eval.judgments import Protocol
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.responses import Candidate, read_candidate, read_candidates
from pandalm_eval.search.answering import answer_held_out
from pandalm_eval.search.space import Judging
from pandalm_eval.search.study import Prompts, Study
from pandalm_eval.search.trainings import Trainings


@dataclass(frozen=True, slots=True)
class Told:
    """What the command line says of them; None for what it leaves to the study.

    Attributes:
        folder: the study's.
        responses, held_out: response files of candidates that were tuned elsewhere: a folder, a
            glob, or {name: file} as JSON.
        instructions, held_out_instructions: the prompts of plain lists of texts among these.
        baseline: the default's name.
        judge: {model, model_args} as JSON.
        protocol, prompt: how it judges.
    """

    folder: Path
    responses: str | None = None
    held_out: str | None = None
    instructions: str | None = None
    held_out_instructions: str | None = None
    baseline: str | None = None
    judge: str | None = None
    protocol: str | None = None
    prompt: str | None = None

    def study(self) -> Study:
        """The study of the folder."""
        return Study.open(self.folder)

    def judging(self, known: Judging | None = None) -> Judging:
        """Who judges, and how: as told, else as `known`, else as the study's space says.

        Raises:
            UsageError: nothing says it.
        """
        if self.judge is not None:
            model = JudgeModel.read(self.judge)
            judging = Judging(model.model, model.arguments)
        elif known is not None:
            judging = known
        elif self.responses is not None:
            raise UsageError("--responses needs a judge, too: --judge '{\"model\": …}'.")
        else:
            judging = self.study().space.judge
        if self.protocol is not None:
            judging = replace(judging, protocol=Protocol(self.protocol))
        if self.prompt is not None:
            judging = replace(judging, prompt=PromptStyle(self.prompt))
        return judging

    def candidates(self, *, incomplete: bool = False) -> tuple[list[Candidate], dict[str, str]]:
        """Those that have answered the validation prompts, and why the others have not.

        Args:
            incomplete: whether trainings may still be waited for.

        Raises:
            UsageError: they are, and may not.
        """
        if self.responses is not None:
            return self._read(self.responses, self.instructions), {}
        study = self.study()
        states = Trainings(study).states()
        unfinished = [name for name, one in states.items() if one.stage in ("waiting", "running")]
        if unfinished and not incomplete:
            raise UsageError(
                f"{self.folder}: {len(unfinished)} trainings are not done: "
                f"{listing(unfinished, 3)}. Do them (pandalm-eval search run {self.folder}), or "
                "choose among the others with --incomplete."
            )
        found, missing = [], {}
        for one in study.space.configurations:
            path = study.answers(one, Prompts.VALIDATION)
            state = states[one.training.name]
            if path.exists():
                found.append(read_candidate(path, one.name))
            else:
                missing[one.name] = state.reason or state.stage
        return found, missing

    def named(self, names: Sequence[str]) -> list[Candidate]:
        """The candidates of these names, with their answers to the validation prompts."""
        if self.responses is not None:
            return _named(
                {one.name: one for one in self._read(self.responses, self.instructions)}, names
            )
        study = self.study()
        found = study.configurations(names)
        files = {one.name: study.answers(one, Prompts.VALIDATION) for one in found}
        if silent := [name for name, path in files.items() if not path.exists()]:
            raise InputError(
                f"{listing(silent, 3)}: has not answered the validation prompts. Train it "
                f"(pandalm-eval search run {self.folder} --retry), or name another --baseline."
            )
        return [read_candidate(path, name) for name, path in files.items()]

    def default(self) -> str:
        """What the choice has to beat."""
        if self.baseline is not None:
            return self.baseline
        if self.responses is not None:
            raise UsageError("--responses needs --baseline NAME: what the choice is compared with.")
        return self.study().space.default_configuration.name

    def held_out_files(self, names: Sequence[str]) -> dict[str, Path]:
        """Response files on the held-out prompts; answered now where weights were kept."""
        if self.responses is None:
            if self.held_out is not None:
                raise UsageError("--held_out belongs to --responses; a study has its own prompts.")
            study = self.study()
            study.require_same_data()
            chosen = study.configurations(names)
            answer_held_out(study, chosen)
            return {one.name: study.answers(one, Prompts.HELD_OUT) for one in chosen}
        if self.held_out is None:
            raise UsageError("--responses needs --held_out FOLDER: answers to other prompts.")
        found = {one.name: one for one in self._read(self.held_out, self.held_out_instructions)}
        return {one.name: one.path for one in _named(found, names)}

    def _read(self, told: str, instructions: str | None) -> list[Candidate]:
        """Candidates of a folder, a glob, or {name: file} as JSON."""
        if (self.folder / "study.json").exists():
            raise UsageError(
                f"{self.folder}: is a study with candidates of its own. Choose among those of "
                "--responses in another folder."
            )
        place: object = told
        if told.lstrip().startswith("{"):
            try:
                place = json.loads(told)
            except ValueError:
                raise UsageError(f"--responses {told!r} is no JSON of {{name: file}}.") from None
        return read_candidates(place, None if instructions is None else Path(instructions))


def _named(found: Mapping[str, Candidate], names: Sequence[str]) -> list[Candidate]:
    if unknown := [name for name in names if name not in found]:
        raise UsageError(f"{unknown[0]!r} has no answers; there are those of {listing(found, 5)}.")
    return [found[name] for name in names]
