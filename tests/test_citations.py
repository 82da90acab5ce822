"""Citations: every entry is BibTeX, stands in one place, and is printed where it is due."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from pandalm_eval import __version__
from pandalm_eval.citations import _CLASSIC, ALWAYS, bibtex, entries, keys_of
from pandalm_eval.classic_runs import METRICS
from pandalm_eval.cli import main

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
Capture = pytest.CaptureFixture[str]


def field(key: str, name: str) -> str:
    """A field of an entry, without the braces and escapes of BibTeX."""
    found = re.search(rf"^  {name} += \{{(.*?)\}},?$", entries()[key], re.MULTILINE | re.DOTALL)
    assert found is not None, (key, name)
    return re.sub(r"[{}\\]", "", " ".join(found[1].split()))


def authors(key: str) -> list[str]:
    return field(key, "author").split(" and ")


def test_every_entry_is_bibtex() -> None:
    pybtex = pytest.importorskip("pybtex.database", reason="pybtex is in the extra dev")
    found = pybtex.parse_string(bibtex([], entries()), "bibtex").entries
    assert list(found) == list(entries())
    for key, entry in found.items():
        assert {"title", "year"} <= set(entry.fields), key
        assert entry.persons["author"], key
        assert re.fullmatch(r"\d{4}", entry.fields["year"])
    assert found["pandalm_eval"].fields["version"] == __version__
    assert re.match(r"commit [0-9a-f]{40}|installed release", found["pandalm_eval"].fields["note"])


def test_braces_match() -> None:
    for key, entry in entries().items():
        assert entry.count("{") == entry.count("}"), key
        assert entry.startswith("@"), key


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("human/judgments_pandalm_human_single_PandaLM-7B.jsonl", "chen2025judgelrm"),
        ("gpt-3.5-turbo", ""),
        ("key/judgments_pandalm_bioasq_SmolLM2-135M-Instruct.jsonl", "krithara2023bioasq"),
        ("key/judgments_pandalm_pubmedqa_SmolLM2-135M-Instruct.jsonl", "jin2019pubmedqa"),
        ("key/judgments_pandalm_lsat_SmolLM2-135M-Instruct.jsonl", "zhong2023agieval wang2021lsat"),
        ("end_to_end", ""),
    ],
)
def test_keys_of_results(path: str, keys: str) -> None:
    found = list(dict.fromkeys(keys_of(RESULTS / path)))
    # Where candidates are named, their table has a win rate at equal length.
    assert [key for key in found if key != "dubois2024length"] == keys.split()
    named = path.startswith(("human", "gpt", "end"))
    assert ("dubois2024length" in found) is named


def test_classic_results(tmp_path: Path) -> None:
    assert set(_CLASSIC) == set(METRICS)
    told = {
        "results": {"hellaswag": {"acc_norm,none": 0.5}, "cb": {"acc,none": 0.5}},
        "configs": {"hellaswag": {}, "cb": {}},
        "config": {"model": "hf", "model_args": {"pretrained": "a"}},
    }
    path = tmp_path / "results_2026-01-01T00-00-00.0.json"
    path.write_text(json.dumps(told), "utf-8")
    assert set(keys_of(path)) == {"zellers2019hellaswag", "wang2019superglue"}


def test_all_tasks_have_their_sources() -> None:
    from pandalm_eval.tables.domains import DOMAINS

    for domain in DOMAINS:
        (file, *_) = sorted((RESULTS / "key").glob(f"judgments_pandalm_{domain}_*"))
        assert keys_of(file)


def test_cite(capsys: Capture) -> None:
    assert main(["cite"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^@\w+\{(.*),$", out, re.MULTILINE) == list(ALWAYS)
    assert main(["cite", str(RESULTS / "key"), "--also", "li2023alpacaeval"]) == 0
    out = capsys.readouterr().out
    found = re.findall(r"^@\w+\{(.*),$", out, re.MULTILINE)
    assert len(found) == len(set(found)) == len(ALWAYS) + 5
    for wrong in (
        ["--also", "x"],
        ["--judge", "x"],
        ["--model_card"],
        [str(RESULTS / "human"), "--model_card", "--also", "x"],
        [str(RESULTS / "human"), "--model_card"],
        [str(RESULTS / "human"), "--model_card", "--judge", "x"],
    ):
        assert main(["cite", *wrong]) == 2
        assert capsys.readouterr().out == ""
    assert main(["cite", "/nowhere"]) == 1


# One place -----------------------------------------------------------------------------------


def test_the_readme_prints_the_same_entries() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (block,) = re.findall(r"^```bibtex\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    found = re.findall(r"^@.*?^\}$", block, re.MULTILINE | re.DOTALL)
    assert found == [entries()["wang2024pandalm"], entries()["gao2024harness"]]


def test_citation_cff_says_the_same() -> None:
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert told["version"] == __version__
    assert told["title"] == field("pandalm_eval", "title")
    assert told["authors"] == [{"name": field("pandalm_eval", "author")}]
    for reference, key in zip(told["references"], ALWAYS[1:], strict=True):
        assert reference["title"] == field(key, "title")
        assert str(reference["year"]) == field(key, "year")
        named = [
            f"{author['family-names']}, {author['given-names']}"
            for author in reference["authors"]
            if "family-names" in author
        ]
        assert named == [author for author in authors(key) if author != "others"]
        if "doi" in reference:
            assert reference["doi"] == field(key, "doi")


@pytest.mark.parametrize("key", [key for key in entries() if key != "pandalm_eval"])
def test_third_party_names_each_work(key: str) -> None:
    """The first author and the year, and the number of the arXiv where there is one."""
    page = (ROOT / "THIRD_PARTY.md").read_text("utf-8")
    surname = authors(key)[0].partition(",")[0]
    year = field(key, "year")
    assert re.search(rf"{surname} (et al\. |and \w+ )?\({year}\)", page), (surname, year)
    if "arXiv:" in entries()[key] and (number := re.search(r"arXiv:([\d.]+)", entries()[key])):
        assert number[1] in page
