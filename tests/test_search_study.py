"""pandalm_eval.search.study: one folder, one space, and who does which training."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from search_space import write_space

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.search.study import Study
from pandalm_eval.search.trainings import Trainings

BASE = Path("base")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "study", write_space(tmp_path, BASE))


def stages(study: Study) -> list[str]:
    return [state.stage for state in Trainings(study).states().values()]


def test_a_new_study_waits(study: Study) -> None:
    assert stages(study) == ["waiting", "waiting"]
    assert [state.reason for state in Trainings(study).states().values()] == ["", ""]


def test_making_it_again_changes_nothing(study: Study, tmp_path: Path) -> None:
    Trainings(study).enqueue()
    again = Study.create(study.folder, write_space(tmp_path, BASE))
    Trainings(again).enqueue()
    assert stages(again) == ["waiting", "waiting"]
    assert (study.folder / "study.journal").read_text().count('"training":') == 2


def test_an_init_that_was_killed_is_made_good(study: Study, tmp_path: Path) -> None:
    (study.folder / "study.json").unlink()
    assert stages(Study.create(study.folder, write_space(tmp_path, BASE))) == ["waiting"] * 2


def test_two_spaces_do_not_fit_into_one_folder(study: Study, tmp_path: Path) -> None:
    other = write_space(tmp_path, BASE, keep_weights=True)
    with pytest.raises(UsageError, match="holds a study of another space"):
        Study.create(study.folder, other)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="is not empty, and no study"):
        Study.create(tmp_path / "mine", write_space(tmp_path, BASE))
    assert [place.name for place in (tmp_path / "mine").glob("*.tex")] == ["thesis.tex"]


def test_a_space_that_was_changed_inside_is_refused(study: Study) -> None:
    with (study.folder / "space.yaml").open("a") as file:
        file.write("keep_weights: true\n")
    with pytest.raises(UsageError, match="was changed since the study began"):
        Study.open(study.folder)


def test_a_judge_that_is_none_is_found_before_anything_is_trained(tmp_path: Path) -> None:
    for changes in ({"judge": {"model": "no-such"}}, {"judge": {"model": "rule"}}):
        with pytest.raises(UsageError):
            Study.create(tmp_path / "study", write_space(tmp_path, BASE, **changes))


def test_a_study_of_another_version_is_refused(study: Study) -> None:
    file = study.folder / "study.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 0, "version": "0.0"}))
    with pytest.raises(UsageError, match=r"format 0, made by pandalm_eval 0\.0; this is"):
        Study.open(study.folder)


def test_no_study_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pandalm-eval search init"):
        Study.open(tmp_path)


def test_data_that_changed_are_refused(study: Study, tmp_path: Path) -> None:
    with (tmp_path / "validation.jsonl").open("a") as file:
        file.write('{"instruction": "One more."}\n')
    with pytest.raises(InputError, match="validation changed since the study began"):
        Study.open(study.folder).require_same_data()


def test_a_prompt_that_stands_in_two_sets_is_refused(tmp_path: Path) -> None:
    space = write_space(tmp_path, BASE)
    rows = (tmp_path / "train.jsonl").read_text("utf-8").splitlines()
    for name, row in (("validation.jsonl", rows[3]), ("held_out.jsonl", rows[4].upper())):
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write(
                row.replace("INSTRUCTION", "instruction").replace('"INPUT"', '"input"') + "\n"
            )
    with pytest.raises(InputError) as caught:
        Study.create(tmp_path / "study", space)
    assert "train.jsonl: 1 of its 16 prompts stand in" in str(caught.value)
    assert str(caught.value).count("too, or nearly") == 2
    assert not (tmp_path / "study" / "study.json").exists()


def test_a_password_is_not_written_down(tmp_path: Path) -> None:
    url = "postgresql://me:secret@host/db"
    with pytest.raises(UsageError, match="holds a password") as caught:
        Study.create(tmp_path / "study", write_space(tmp_path, BASE), url)
    assert "secret" not in str(caught.value)


def test_a_database_can_hold_several_studies(tmp_path: Path) -> None:
    space = write_space(tmp_path, BASE)
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    one, other = (Study.create(tmp_path / name / "study", space, url) for name in ("a", "b"))
    with Trainings(one).claimed() as claim:
        assert claim is not None
        Trainings(one).complete(claim, 1.0)
    assert stages(one) == ["complete", "waiting"]
    assert stages(other) == ["waiting", "waiting"]


def test_a_training_is_done_by_one_worker(study: Study) -> None:
    other, third = Study.open(study.folder), Study.open(study.folder)
    with (
        Trainings(study).claimed() as mine,
        Trainings(other).claimed() as theirs,
        Trainings(third).claimed() as none,
    ):
        assert mine is not None
        assert theirs is not None
        assert mine.training.name != theirs.training.name
        assert none is None
        assert stages(study) == ["running", "running"]
        Trainings(study).complete(mine, 0.5)
        Trainings(other).fail(theirs, "diverged: loss not finite")
    assert stages(study) == ["complete", "failed"]
    assert list(Trainings(study).states().values())[1].reason == "diverged: loss not finite"
    with Trainings(study).claimed() as left:
        assert left is None


def test_what_failed_is_done_again_on_request(study: Study) -> None:
    for _ in range(2):
        with Trainings(study).claimed() as claim:
            assert claim is not None
            Trainings(study).fail(claim, "disk full")
    assert Trainings(study).retry() == 2
    assert stages(study) == ["waiting", "waiting"]
    with Trainings(study).claimed() as claim:
        assert claim is not None
        Trainings(study).complete(claim, 0.5)
    assert stages(study) == ["complete", "waiting"]


def test_a_dead_workers_training_is_taken_over(study: Study) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from pandalm_eval.search.study import Study\n"
        "from pandalm_eval.search.trainings import Trainings\n"
        "with Trainings(Study.open(Path(sys.argv[1]))).claimed() as claim:\n"
        "    print(claim.training.name, flush=True); time.sleep(600)"
    )
    words = [sys.executable, "-c", code, str(study.folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        name = worker.stdout.readline().strip()
        with Trainings(study).claimed() as mine:
            assert mine is not None
            assert mine.training.name != name
            Trainings(study).complete(mine, 0.5)
        with Trainings(study).claimed() as none:
            assert none is None
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    with Trainings(study).claimed() as claim:
        assert claim is not None
        assert claim.training.name == name
        Trainings(study).complete(claim, 0.5)
    assert stages(study) == ["complete", "complete"]


def test_a_trainer_that_outlived_its_worker_is_waited_for(study: Study) -> None:
    with Trainings(study).claimed() as claim:
        assert claim is not None
        words = [sys.executable, "-c", "input()"]
        trainer = subprocess.Popen(words, stdin=subprocess.PIPE, pass_fds=(claim.lock,))
    with Trainings(study).claimed() as other:
        assert other is not None
        assert other.training is study.space.trainings[1]
    trainer.communicate(b"\n")
    with Trainings(study).claimed() as again:
        assert again is not None
        assert again.training is study.space.trainings[0]


def test_a_database_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = Study.create(tmp_path / "study", write_space(tmp_path, BASE), "sqlite:///record.db")
    assert made.storage == f"sqlite:///{tmp_path / 'record.db'}"


def test_a_reason_is_told_of_what_failed_only(study: Study) -> None:
    with Trainings(study).claimed() as claim:
        assert claim is not None
        claim.trial.set_user_attr("reason", "disk full")  # and killed before it was told
    assert [state.reason for state in Trainings(study).states().values()] == ["", ""]


@pytest.mark.parametrize("tail", [b'{"op_code": 4, "wor', b"\x00\x00"])
def test_a_record_whose_end_was_cut_off_goes_on(study: Study, tail: bytes) -> None:
    with Trainings(study).claimed() as claim:
        assert claim is not None
        Trainings(study).complete(claim, 0.5)
    with (study.folder / "study.journal").open("ab") as journal:
        journal.write(tail)
    again = Study.open(study.folder)
    with Trainings(again).claimed() as claim:
        assert claim is not None
        Trainings(again).complete(claim, 0.5)
    assert stages(Study.open(study.folder)) == ["complete", "complete"]


def test_a_record_that_is_broken_inside_says_so(study: Study) -> None:
    Trainings(study).enqueue()
    journal = study.folder / "study.journal"
    journal.write_bytes(b"garbage\n" + journal.read_bytes())
    with pytest.raises(InputError, match="the study's record cannot be read"):
        Trainings(Study.open(study.folder)).states()
