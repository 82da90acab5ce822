"""The page of a report: figures, escaping, determinism, contrast, messages. No browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import report_runs
from test_metrics import judgment

from pandalm_eval.cli import main
from pandalm_eval.columns import Columns
from pandalm_eval.errors import InputError
from pandalm_eval.judgments import Protocol
from pandalm_eval.metrics import calibration_bins
from pandalm_eval.report import browser, hostile, manifests
from pandalm_eval.report.page import render, write_report
from pandalm_eval.report.position import Changes, is_changed
from pandalm_eval.report.samples import texts_of
from pandalm_eval.report.sheets import Axis
from pandalm_eval.results import Run, read_runs
from pandalm_eval.tables.domains import DomainsTable
from pandalm_eval.tables.judges import JudgesTable, confusion_counts
from pandalm_eval.tables.models import ModelsTable
from pandalm_eval.verdicts import Verdict

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
VOID = {"meta", "input", "br", "link", "base", "img"}
FIRST, SECOND, TIE, INVALID = Verdict


class Page(HTMLParser):
    """What stands on a page: elements with their attributes, tables cell by cell.

    Attributes:
        elements: (tag, attributes) in order.
        tables: by id, rows of (text, data-order).
        problems: tags that do not close, or close what is not open.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[tuple[str, str | None]]]] = {}
        self.problems: list[str] = []
        self.blocks: dict[str, str] = {}
        self._open: list[str] = []
        self._table: str | None = None
        self._cell: list[str] | None = None
        self.feed(html)
        self.problems += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.elements.append((tag, told))
        if tag in VOID:
            return
        self._open.append(tag)
        if tag == "table":
            self._table = told.get("id")
            if self._table:
                self.tables[self._table] = []
        if self._table and tag == "tr":
            self.tables[self._table].append([])
        if self._table and tag in ("td", "th"):
            self._cell = []
            self._order = told.get("data-order")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"/{tag}")
        if self._cell is not None and tag in ("td", "th") and self._table:
            text = " ".join("".join(self._cell).split())
            self.tables[self._table][-1].append((text, self._order))
            self._cell = None
        if tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)
        if self._open and self._open[-1] in ("script", "style", "title"):
            self.blocks[f"{self._open[-1]}{len(self.elements)}"] = data

    def script(self, kind: str | None) -> str:
        """The text of the script of a type."""
        (place,) = [
            number
            for number, (tag, told) in enumerate(self.elements, start=1)
            if tag == "script" and told.get("type") == kind
        ]
        return self.blocks[f"script{place}"]


def told(html: str) -> Any:
    """The data that the page's script reads."""
    return json.loads(Page(html).script("application/json"))


@pytest.fixture(scope="module")
def small_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("small")
    return read_runs(
        [report_runs.small(folder / "a", "one"), report_runs.small(folder / "b", "two")]
    )


@pytest.fixture(scope="module")
def small_page(small_runs: list[Run]) -> str:
    return render(small_runs)


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return render(read_runs([report_runs.hostile(tmp_path_factory.mktemp("hostile"))]))


@pytest.fixture(scope="module")
def committed() -> list[Run]:
    """Of what is committed, the runs that have domains and probabilities."""
    files = [*(RESULTS / "key").glob("judgments_*"), *(RESULTS / "human").glob("*_human_*SmolLM2*")]
    return read_runs(sorted(path for path in files if path.suffix == ".jsonl"))


@pytest.fixture(scope="module")
def committed_page(committed: list[Run]) -> str:
    return render(committed)


# Figures ---------------------------------------------------------------------------------------


def printed(section: list[dict[str, str]]) -> list[list[str]]:
    return [[" ".join(cell.split()) for cell in row.values()] for row in section]


def texts(table: list[list[tuple[str, str | None]]]) -> list[list[str]]:
    return [[text for text, _ in row] for row in table[1:]]


def test_tables_are_those_of_the_table_command(small_runs: list[Run], small_page: str) -> None:
    tables = Page(small_page).tables
    judges, agreements = JudgesTable.of(small_runs).sections()
    assert texts(tables["table-judges"]) == printed(judges)
    assert texts(tables["table-agreements"]) == printed(agreements)
    ranking, matrix, contests, _ = ModelsTable.of(small_runs[:1]).sections()
    assert texts(tables["table-ranking-1"]) == printed(ranking)
    assert texts(tables["table-matrix-1"]) == printed(matrix)
    assert texts(tables["table-contests-1"]) == printed(contests)


def test_tables_of_domains(committed: list[Run], committed_page: str) -> None:
    tables = Page(committed_page).tables
    domains, drops = DomainsTable.of(committed).sections()
    assert texts(tables["table-domains"]) == printed(domains)
    assert texts(tables["table-drops"]) == printed(drops)


def test_cells_are_sorted_by_the_figures_of_the_json(
    committed: list[Run], committed_page: str
) -> None:
    table = Page(committed_page).tables["table-judges"]
    heads = [text for text, _ in table[0]]
    rows = JudgesTable.of(committed).as_json()["rows"]
    for head, key in (("accuracy", "acc"), ("kappa", "kappa"), ("n (prompts)", "n_pairs")):
        column = heads.index(head)
        found = [row[column][1] for row in table[1:]]
        assert [None if f is None else float(f) for f in found] == [row.get(key) for row in rows]


def test_published_rows_are_shown_with_their_source(committed_page: str) -> None:
    page = Page(committed_page)
    published = [
        told for tag, told in page.elements if tag == "tr" and told.get("class") == "published"
    ]
    shown = [row for row in texts(page.tables["table-judges"]) if "arXiv" in row[1]]
    assert len(published) == len(shown) > 5


def test_every_panel_is_there(small_page: str, committed_page: str) -> None:
    sections = {told.get("id") for tag, told in Page(small_page).elements if tag == "section"}
    assert sections == {
        *("overview", "judges", "models", "confusion", "position", "length", "cost"),
        *("judgments", "manifests"),
    }
    sections = {told.get("id") for tag, told in Page(committed_page).elements if tag == "section"}
    assert {"domains", "calibration"} <= sections


def test_confusion_is_that_of_the_plot(small_runs: list[Run], small_page: str) -> None:
    found = re.findall(r'<td class="shade\d+[^"]*"><b>(\d+)</b>', small_page)
    counts = [count for run in small_runs for count in confusion_counts(run).ravel().tolist()]
    assert list(map(int, found)) == counts


def test_calibration_is_of_the_bins(committed: list[Run], committed_page: str) -> None:
    shown = re.findall(r"<th scope=\"row\">[\d.]+–[\d.]+</th><td>(\d+)</td>", committed_page)
    bins = [
        bin.n
        for run in committed
        if run.name.protocol is Protocol.LOGPROB
        for bin in calibration_bins(run.judgments or ())
    ]
    assert bins
    assert list(map(int, shown)) == bins


def test_changes_by_hand() -> None:
    """Of five pairs one is invalid, one holds, and three change, each in its way."""
    judged = [
        judgment(0, FIRST, FIRST, FIRST),
        judgment(1, FIRST, FIRST, SECOND),
        judgment(2, FIRST, SECOND, FIRST),
        judgment(3, FIRST, TIE, FIRST),
        judgment(4, FIRST, INVALID, FIRST),
    ]
    assert Changes.of(judged) == Changes(4, 3, 1, 1, 1)
    assert is_changed(Columns.of(judged)).tolist() == [False, True, True, True, False]
    assert not is_changed(Columns.of([replace(judged[1], readings=judged[1].readings[:1])])).any()


def test_bar_by_hand() -> None:
    """On [-1, 1], 0 is in the middle; what is outside is drawn at the end."""
    row = {"d": 0.5, "d_ci_low": 0.0, "d_ci_high": 1.5}
    bar = Axis("d", -1, 1, guide=0).bar(row)
    assert bar is not None
    assert (bar.value, bar.low, bar.high, bar.guide) == (75, 50, 100, 50)
    assert Axis("d").bar({"d": None}) is None
    alone = Axis("d").bar({"d": 0.25, "d_ci_low": None})
    assert alone is not None
    assert (alone.low, alone.high) == (25, 25)


def test_manifest_has_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-123456789")
    folder = report_runs.write_run(
        tmp_path,
        [report_runs.sample(report_runs.pair(0), "1", "2")],
        api_key="hush-hush",
        header="sk-123456789",
        base_url="http://user:word@host/v1?key=letmein",
        pretrained="/home/me/model",
        revision="sk-123456789",
    )
    page = render(read_runs([folder]))
    for secret in ("hush-hush", "sk-123456789", "letmein", "user:word", "/home/me"):
        assert secret not in page
    assert "12.5" in page
    assert "abcdef0" in page


def test_manifest_without_one() -> None:
    assert manifests.when({"date": "yesterday"}) == "–"


# Determinism, size, texts ------------------------------------------------------------------------


def test_same_runs_same_bytes(small_runs: list[Run], small_page: str, tmp_path: Path) -> None:
    assert render(small_runs) == small_page
    path = write_report([small_runs[0].path], tmp_path / "a")
    assert path.read_bytes() == write_report([small_runs[0].path], tmp_path / "b").read_bytes()
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["index.html"]


def test_prompts_and_replies_are_exact(small_runs: list[Run], small_page: str) -> None:
    data = told(small_page)
    rows = iter(data["judgments"])
    for run in small_runs:
        found = texts_of(run)
        assert found is not None
        for text in found:
            own, prompts, replies = next(rows)[12]
            pool = data["texts"]
            joined = tuple("".join(pool[place] for place in parts) for parts in prompts)
            assert joined == text.prompts
            assert tuple(pool[place] for place in replies) == text.replies
            assert [pool[place] for place in own] == [
                *(text.instruction, text.input, text.response1, text.response2)
            ]
    assert next(rows, None) is None


def test_texts_stand_once(small_runs: list[Run]) -> None:
    data = browser.browser_data(small_runs, with_text=True)
    assert len(set(data["texts"])) == len(data["texts"])
    assert sum(map(len, data["texts"])) < 6000  # two runs, 60 judgments, 120 prompts


def test_chat_messages_and_scored_prompts(tmp_path: Path) -> None:
    """The harness keeps messages as JSON in a list; three requests an order have one prompt."""
    line = report_runs.sample(report_runs.pair(0), "1", "2")
    line["arguments"]["gen_args_0"]["arg_0"] = ['[{"role": "user"}]']
    line["arguments"]["gen_args_1"]["arg_0"] = [{"role": "user"}]
    (run,) = read_runs([report_runs.write_run(tmp_path, [line])])
    found = next(iter(texts_of(run) or ()))
    assert found.prompts == ('[{"role": "user"}]', '[\n {\n  "role": "user"\n }\n]')


def test_a_winrate_has_texts_but_no_prompts(tmp_path: Path) -> None:
    line = report_runs.sample(report_runs.pair(0), "1", "2")
    whole = {"pair": line["doc"], "readings": line["filtered_resps"], "response": "x"}
    line |= {"filtered_resps": [json.dumps(whole)], "doc": {"instruction": "other"}}
    page = render(read_runs([report_runs.write_run(tmp_path, [line])]))
    (row,) = told(page)["judgments"]
    assert row[12][1:] == [[], []]
    assert "Count to 0." in told(page)["texts"]


def test_without_text(small_runs: list[Run]) -> None:
    page = render(small_runs, with_text=False)
    data = told(page)
    assert data["texts"] == []
    assert len(data["judgments"]) == 60
    assert "Count to" not in page


def test_committed_judgments_are_browsable(committed: list[Run], committed_page: str) -> None:
    data = told(committed_page)
    assert len(data["judgments"]) == sum(len(run.judgments or ()) for run in committed)
    assert not any(run["text"] for run in data["runs"])
    assert len({run["key"] for run in data["runs"]}) == len(data["runs"])


def test_two_runs_of_one_name_have_two_keys(small_runs: list[Run]) -> None:
    data = browser.browser_data([small_runs[0]] * 2, with_text=False)
    assert [run["key"] for run in data["runs"]] == [
        *("pandalm-pairs/verdict/one", "pandalm-pairs/verdict/one~2")
    ]


# Hostile text ------------------------------------------------------------------------------------


def test_hostile_text_makes_no_element(hostile_page: str, small_page: str) -> None:
    page = Page(hostile_page)
    assert not page.problems
    assert page.script("application/json")
    tags = {tag for tag, _ in page.elements}
    assert tags <= {tag for tag, _ in Page(small_page).elements} | {"i"}
    assert hostile_page.count("<script") == 2
    assert hostile_page.count("</script") == 2
    for _, told in page.elements:
        assert not [name for name in told if name.startswith("on") or name == "style"]
        assert not (told.get("href") or "#").removeprefix("#").startswith(("java", "http"))


def test_hostile_data_is_whole(hostile_page: str) -> None:
    data = told(hostile_page)
    assert set(report_runs.HOSTILE) <= set(data["texts"])
    assert set(report_runs.HOSTILE) <= set(data["names"])


def test_hidden_characters_stand_nowhere_on_the_page(hostile_page: str) -> None:
    hostile_page.encode("utf-8")  # no surrogate alone
    assert hostile.visible(hostile_page) == hostile_page
    assert "gnp.exe" in hostile_page
    assert "[U+202E]gnp.exe[U+2066]" in hostile_page


@pytest.mark.parametrize("text", report_runs.HOSTILE)
def test_json_reads_back(text: str) -> None:
    found = hostile.json_for_script({"a": [text]})
    assert json.loads(found) == {"a": [text]}
    assert not re.search("[<>&\u2028\u2029\u202e]", found)


def test_script_pattern_is_the_same_as_ours() -> None:
    """JavaScript's escapes, read as Python's, find the same characters."""
    pattern = re.sub(
        r"\\u\{?([0-9a-f]+)\}?",
        lambda code: re.escape(chr(int(code[1], 16))),
        hostile.SCRIPT_PATTERN,
    )
    for code in (*range(0x3200), *range(0xD7F0, 0xE010), *range(0xFE00, 0x10000), 0xE0041, 0x1F600):
        shown = hostile.visible(chr(code)) != chr(code)
        assert shown == bool(re.fullmatch(pattern, chr(code))), hex(code)


def test_policy_allows_our_script_and_style_only(small_page: str) -> None:
    policy = next(
        told["content"]
        for tag, told in Page(small_page).elements
        if told.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    style = small_page.partition("<style>")[2].partition("</style>")[0]
    for text in (style, Page(small_page).script(None)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "http" not in style
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", small_page)


# Accessibility -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["small_page", "hostile_page", "committed_page"])
def test_structure(name: str, request: pytest.FixtureRequest) -> None:
    html = request.getfixturevalue(name)
    page = Page(html)
    assert not page.problems
    ids = [told["id"] for _, told in page.elements if "id" in told]
    assert len(ids) == len(set(ids))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("table") == tags.count("caption")
    assert tags.count("main") == tags.count("h1") == 1
    for tag, told in page.elements:
        if tag == "th":
            assert told.get("scope") in ("row", "col"), told
        for key in ("aria-labelledby", "href"):
            target = (told.get(key) or "").removeprefix("#")
            if target and target != "detail-title":  # the script makes it
                assert target in ids, target
    for tag in ("input", "select"):
        assert len(re.findall(rf"<label[^>]*>(?:<span>[^<]*</span>)?<{tag}", html)) == tags.count(
            tag
        )


def colours(theme: int) -> dict[str, tuple[float, float, float]]:
    """The style sheet's variables: 0 light, 1 dark."""
    css = (ROOT / "pandalm_eval/report/report.css").read_text("utf-8")
    found = re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\);", css)
    assert len(found) > 10
    return {
        name: tuple(int(both[theme][i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[misc]
        for name, *both in found
    }


def luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance of WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_by_hand() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)


@pytest.mark.parametrize("theme", [0, 1])
def test_contrast(theme: int) -> None:
    """Text 4.5, edges of controls and what is drawn 3 (WCAG 2.2 AA), on every ground."""
    found = colours(theme)
    for ground in ("ground", "paper", "band"):
        for text in ("ink", "muted", "accent", "first", "second", "tie", "invalid"):
            assert contrast(found[text], found[ground]) >= 4.5, (text, ground)
        assert contrast(found["edge"], found[ground]) >= 3, ground
    assert contrast(found["ink"], found["found"]) >= 4.5
    css = (ROOT / "pandalm_eval/report/report.css").read_text("utf-8")
    shades = re.findall(r"color-mix\(in srgb, var\(--accent\) (\d+)%, var\(--paper\)\)", css)
    assert len(shades) == 10
    for percent in map(int, shades):
        pairs = zip(found["accent"], found["paper"], strict=True)
        mixed = tuple(percent / 100 * a + (1 - percent / 100) * p for a, p in pairs)
        assert contrast(found["ink"], mixed) >= 4.5, percent  # type: ignore[arg-type]


# Messages ----------------------------------------------------------------------------------------


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = report_runs.small(tmp_path / "run")
    assert main(["report", str(folder), "-o", str(tmp_path / "page")]) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'page' / 'index.html'}\n"
    assert "MB" in err
    whole = (tmp_path / "page/index.html").stat().st_size
    assert main(["report", str(folder), "-o", str(tmp_path / "page"), "--no_text"]) == 0
    assert (tmp_path / "page/index.html").stat().st_size < whole


def test_no_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "page")]) == 1
    assert "holds no result of a pairwise-judge task" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_unwritable_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = report_runs.small(tmp_path / "run")
    (tmp_path / "page").write_text("a file", "utf-8")
    assert main(["report", str(folder), "-o", str(tmp_path / "page")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_results_without_samples(tmp_path: Path) -> None:
    """Figures of the results file, and a word on what is missing."""
    folder = report_runs.small(tmp_path)
    path = next(folder.glob("results_*.json"))
    data = json.loads(path.read_text("utf-8"))
    data["results"][report_runs.TASK] = {
        "acc,none": 0.5,
        "n_pairs,none": 30,
        "n_prompts,none": 10,
        "kappa,none": "N/A",
    }
    path.write_text(json.dumps(data), "utf-8")
    next(folder.glob("samples_*.jsonl")).unlink()
    page = render(read_runs([folder]))
    assert "No samples beside" in page
    assert ".5000" in page
    assert 'id="judgments"' not in page
    assert not Page(page).problems


def test_an_older_page_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle of the writing."""
    folder = report_runs.small(tmp_path / "run")
    path = write_report([folder], tmp_path / "page")
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_report([folder], tmp_path / "page", with_text=False)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["index.html"]


def test_no_verdict_at_all(tmp_path: Path) -> None:
    lines = [report_runs.sample(report_runs.pair(i), "hm", "hm") for i in range(6)]
    page = render(read_runs([report_runs.write_run(tmp_path, lines)]))
    assert "there is no verdict" in page
    assert not Page(page).problems


def test_one_pair_has_no_interval(tmp_path: Path) -> None:
    lines = [report_runs.sample(report_runs.pair(0), "1", "2")]
    page = render(read_runs([report_runs.write_run(tmp_path, lines)]))
    assert "nan" not in re.sub(r"<style>.*</style>|<script.*</script>", "", page, flags=re.DOTALL)


def test_results_without_counts(small_runs: list[Run]) -> None:
    """A results file of another hand may lack them."""
    bare = replace(small_runs[0], judgments=None, figures={"acc": 0.5})
    assert ".5000" in render([bare])


def test_no_torch() -> None:
    code = "import sys, pandalm_eval.report.page; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
