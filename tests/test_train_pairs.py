"""Drawing pairs of candidates' responses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from pandalm_eval.instructions import Prompt
from pandalm_eval.pairs import Pair, read_pairs
from pandalm_eval.responses import Candidate
from train_judge import pairs
from train_judge.funnel import Funnel, funnel_file
from train_judge.pairs import candidate_pairs, drawn
from train_judge.steps import command

Write = Callable[..., Path]


def responses(write: Write, name: str, texts: list[str]) -> Path:
    rows = [
        {"instruction": f"Task {number}", "input": "", "response": text}
        for number, text in enumerate(texts)
    ]
    return write(rows, f"{name}.json")


@pytest.fixture
def files(write: Write) -> list[Path]:
    return [
        responses(write, name, [f"{name} says {number}" for number in range(10)])
        for name in ("llama", "opt", "bloom")
    ]


def run(files: list[Path], output: Path, *more: str) -> list[Pair]:
    assert command(pairs.main, [*map(str, files), "-o", str(output), *more]) == 0
    return read_pairs(output)


def test_all_pairs(files: list[Path], tmp_path: Path) -> None:
    found = run(files, tmp_path / "pairs.jsonl")
    assert len(found) == 30  # 10 prompts, 3 pairs of candidates
    assert len({(p.prompt_id, frozenset((p.model1, p.model2))) for p in found}) == 30
    for pair in found:
        number = pair.instruction.split()[1]
        assert pair.response1 == f"{pair.model1} says {number}"
        assert pair.response2 == f"{pair.model2} says {number}"
    sorted_pairs = sum(str(pair.model1) < str(pair.model2) for pair in found)
    assert sorted_pairs == 15  # half each way


def test_the_draw_does_not_depend_on_the_order_of_files(files: list[Path], tmp_path: Path) -> None:
    one = run(files, tmp_path / "one.jsonl", "--size", "12")
    two = run(files[::-1], tmp_path / "two.jsonl", "--size", "12")
    other = run(files, tmp_path / "other.jsonl", "--size", "12", "--seed", "1")
    larger = run(files, tmp_path / "larger.jsonl", "--size", "20")
    assert one == two != other
    assert larger[:12] == one


def test_what_no_teacher_is_paid_for(write: Write, tmp_path: Path) -> None:
    files = [
        responses(write, "one", ["same", "", "a", "alone"]),
        responses(write, "two", ["same ", "b", "b"]),
    ]
    output = tmp_path / "pairs.jsonl"
    assert [pair.instruction for pair in run(files, output)] == ["Task 2"]
    told = json.loads(funnel_file(output).read_text())
    assert (told["read"], told["kept"]) == (4, 1)
    assert told["dropped"] == {
        "one candidate has no answer": 1,
        "identical or empty responses": 2,
        "not drawn": 0,
    }


@given(st.integers(2, 5), st.integers(1, 6), st.integers(1, 60), st.integers())
def test_draw(candidates: int, prompts: int, size: int, seed: int) -> None:
    asked = [Prompt(f"Task {number}", "") for number in range(prompts)]
    systems = [
        Candidate(f"c{place}", {prompt: f"c{place} {prompt}" for prompt in asked}, Path("f"))
        for place in range(candidates)
    ]
    funnel = Funnel("pairs")
    found = list(drawn(candidate_pairs(systems, funnel), size, seed))
    everything = prompts * candidates * (candidates - 1) // 2
    assert funnel.read == everything
    assert len(found) == min(size, everything) == len({pair.id for pair in found})
    again = drawn(candidate_pairs(systems[::-1], Funnel("pairs")), size, seed)
    assert list(again) == found
    straight = sum(str(pair.model1) < str(pair.model2) for pair in found)
    assert straight == (len(found) + 1) // 2


def test_names(files: list[Path], tmp_path: Path) -> None:
    told = [f"a={files[0]}", f"b={files[1]}"]
    found = run([Path(word) for word in told], tmp_path / "pairs.jsonl")
    assert {pair.model1 for pair in found} == {"a", "b"}


def test_done_again_and_changed(
    files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "pairs.jsonl"
    run(files, output)
    capsys.readouterr()
    before = output.stat().st_mtime_ns
    run(files, output)
    assert "nothing to do" in capsys.readouterr().err
    assert output.stat().st_mtime_ns == before
    run(files, output, "--again")
    assert output.stat().st_mtime_ns > before
    run(files, output, "--size", "3")  # other settings
    assert len(read_pairs(output)) == 3
    output.write_text("cut")  # no longer what was written
    run(files, output, "--size", "3")
    assert len(read_pairs(output)) == 3


def faults(files: list[Path], write: Write) -> list[tuple[list[str], int, str]]:
    broken = write('[{"instruction": "i"', "broken.json")
    same = responses(write, "same", [f"llama says {number}" for number in range(10)])
    return [
        ([str(files[0])], 1, "two candidates"),
        ([str(files[0]), str(broken)], 1, "broken.json"),
        ([str(files[0]), "none.json"], 1, "no such file"),
        ([str(files[0]), str(same)], 1, "no pair is left"),
        ([*map(str, files), "--size", "0"], 2, "--size 0"),
        ([str(files[0]), f"llama={files[1]}"], 1, "one candidate"),
    ]


@pytest.mark.parametrize("place", range(6))
def test_faults(
    place: int,
    files: list[Path],
    write: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments, code, said = faults(files, write)[place]
    output = tmp_path / "pairs.jsonl"
    assert command(pairs.main, [*arguments, "-o", str(output)]) == code
    assert said in capsys.readouterr().err
    assert not output.exists()


def test_one_process_at_a_time(
    files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "pairs.jsonl"
    with FileLock(f"{output}.lock"):
        assert command(pairs.main, [*map(str, files), "-o", str(output)]) == 1
    assert "another process is writing it" in capsys.readouterr().err


def test_full_disk(
    files: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "pairs.jsonl"
    found = run(files, output)

    def full(*told: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("train_judge.steps.os.fsync", full)
    assert command(pairs.main, [*map(str, files), "-o", str(output), "--again"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert read_pairs(output) == found
    assert not list(tmp_path.glob(".*.tmp"))
