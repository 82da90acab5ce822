"""pandalm_eval.search.readings: kept once, for every process, whatever happens to the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pandalm_eval.errors import InputError
from pandalm_eval.judgments import Reading
from pandalm_eval.pairs import Pair
from pandalm_eval.search.readings import Kept, Readings
from pandalm_eval.search.space import Judging
from pandalm_eval.verdicts import Invalid, Verdict

RULE = Judging("rule", {"name": "longest"})


def pair(one: str = "a", two: str = "b", response: str = "yes") -> Pair:
    return Pair(f"p:{one}:{two}", "p", "Say yes.", "", response, "no", model1=one, model2=two)


def kept(of: Pair, verdict: Verdict, reason: Invalid | None = None) -> Kept:
    return Kept(of.text_hash, Reading(verdict, reason), tokens=7, seconds=0.5)


def test_what_one_process_adds_another_sees(tmp_path: Path) -> None:
    one, other = Readings(tmp_path, RULE), Readings(tmp_path, RULE)
    one.add([(pair(), False, kept(pair(), Verdict.FIRST))])
    assert other.of(pair(), False) is None
    other.refresh()
    assert other.of(pair(), False) == Reading(Verdict.FIRST)
    assert other.of(pair(), True) is None
    assert len(Readings(tmp_path, RULE)) == 1


def test_another_judge_protocol_or_arguments_has_readings_of_its_own(tmp_path: Path) -> None:
    Readings(tmp_path, RULE).add([(pair(), False, kept(pair(), Verdict.FIRST))])
    for other in (Judging("rule", {"name": "first"}), Judging("recorded", RULE.model_args)):
        assert len(Readings(tmp_path, other)) == 0


def test_a_judge_whose_files_changed_is_another(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    judge = Judging("hf-judge", {"pretrained": str(weights)})
    Readings(tmp_path, judge).add([(pair(), False, kept(pair(), Verdict.TIE))])
    assert len(Readings(tmp_path, judge)) == 1
    (weights / "model.safetensors").write_bytes(b"other")
    assert len(Readings(tmp_path, judge)) == 0


def test_how_requests_are_sent_makes_no_other_judge(tmp_path: Path) -> None:
    Readings(tmp_path, RULE).add([(pair(), False, kept(pair(), Verdict.TIE))])
    sent = Judging("rule", {**RULE.model_args, "batch_size": 4})
    assert len(Readings(tmp_path, sent)) == 1


def test_an_answer_that_changed_is_read_again(tmp_path: Path) -> None:
    readings = Readings(tmp_path, RULE)
    readings.add([(pair(), False, kept(pair(), Verdict.FIRST))])
    assert readings.of(pair(response="perhaps"), False) is None


def test_equal_texts_under_other_names_are_one_reading(tmp_path: Path) -> None:
    readings = Readings(tmp_path, RULE)
    readings.add([(pair(), False, kept(pair(), Verdict.SECOND))])
    assert readings.of(pair("c", "d"), False) is None
    assert readings.of_same_texts(pair("c", "d"), False) == Reading(Verdict.SECOND)
    assert readings.of_same_texts(pair("c", "d"), True) is None


def test_a_failed_request_is_asked_again_by_the_next_process(tmp_path: Path) -> None:
    readings = Readings(tmp_path, RULE)
    readings.add([(pair(), False, kept(pair(), Verdict.INVALID, Invalid.ERROR))])
    assert readings.of(pair(), False) == Reading(Verdict.INVALID, Invalid.ERROR)
    assert Readings(tmp_path, RULE).of(pair(), False) is None


@pytest.mark.parametrize("tail", [b'{"pair": "p:a', b"\x00\x00\n", b"\n"])
def test_a_line_that_was_cut_off_costs_itself_only(tmp_path: Path, tail: bytes) -> None:
    readings = Readings(tmp_path, RULE)
    readings.add([(pair(), False, kept(pair(), Verdict.FIRST))])
    (file,) = readings.folder.glob("*.jsonl")
    with file.open("ab") as torn:
        torn.write(tail)
    assert Readings(tmp_path, RULE).of(pair(), False) == Reading(Verdict.FIRST)


def test_a_foreign_line_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    readings = Readings(tmp_path, RULE)
    (readings.folder / "x.jsonl").write_text('{"pair": "p"}\n', "utf-8")
    with pytest.raises(InputError, match=r"x\.jsonl: holds a line that is no reading"):
        Readings(tmp_path, RULE)
