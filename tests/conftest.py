"""What several test files share: real data where it is at hand, a small set of the same shape."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pandalm_eval.results import Run

os.environ["HF_HUB_OFFLINE"] = "1"  # before any test module imports transformers
settings.register_profile(
    "tests",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("tests")

REAL_FILES = (
    "pandalm/testset-v1.json",
    "pandalm/gpt-3.5-turbo-testset-v1.json",
    "pandalm/pandalm-7b-testset-v1.json",
    "lsat/lsat-ar.jsonl",
    "lsat/lsat-lr.jsonl",
    "lsat/lsat-rc.jsonl",
    "pubmedqa/ori_pqal.json",
    "pubmedqa/test_ground_truth.json",
)


@pytest.fixture(autouse=True, scope="session")
def _harness_is_read_once() -> Iterator[None]:
    """The harness's own 13,000 YAMLs are read once a session, not once a run (10 s each)."""
    from lm_eval import tasks
    from lm_eval.tasks._index import TaskIndex

    root, build = Path(tasks.__file__).resolve().parent, TaskIndex.build
    own: dict[str, Any] = {}

    def build_once(paths: Iterable[Path], **options: Any) -> dict[str, Any]:
        index: dict[str, Any] = {}
        for path in paths:
            if Path(path).resolve() != root:
                index |= build([path], **options)
                continue
            if not own:
                own.update(build([path], **options))
            index |= own
        return index

    TaskIndex.build = staticmethod(build_once)
    yield
    TaskIndex.build = staticmethod(build)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data, PANDALM_DATA; without it skipped, or failed if it is required."""
    told = os.environ.get("PANDALM_DATA")
    if not told:
        give_up = "PANDALM_DATA is not set, so there is no real data"
    elif missing := [name for name in REAL_FILES if not (Path(told) / name).is_file()]:
        give_up = f"PANDALM_DATA={told} has no {', '.join(missing)}"
    else:
        return Path(told)
    if os.environ.get("PANDALM_REQUIRE_DATA") == "1":
        pytest.fail(f"{give_up}, but PANDALM_REQUIRE_DATA=1")
    pytest.skip(give_up)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """{tokenizer: folder of a small random judge}; copied before it is changed."""
    from small_judges import made  # transformers, which few tests need

    return made(tmp_path_factory)


def _row(
    idx: int, names: str, prompt: int, one: object, two: object, labels: str
) -> dict[str, Any]:
    instruction, input = _PROMPTS[prompt]
    return {
        "idx": idx,
        "motivation_app": "Tests",
        "cmp_key": names,
        "instruction": instruction,
        "input": input,
        "response1": one,
        "response2": two,
        **{f"annotator{i}": int(label) for i, label in enumerate(labels, start=1)},
    }


_PROMPTS = (
    ("Name the capital.", "France"),
    ("Is the statement true?", "Water is wet."),
    ("Write one sentence about rain.", ""),
    ("Translate to German.", "good morning"),
    ("Add the numbers.", "2 and 2"),
)
_ROWS = (
    _row(0, "bloom-7b_llama-7b", 0, "Paris", "Paris is the capital of France.", "222"),
    _row(1, "bloom-7b_opt-7b", 0, "Lyon", "Paris", "222"),
    _row(2, "llama-7b_opt-7b", 0, " Paris.\n", "Paris", "001"),
    _row(3, "bloom-7b_llama-7b", 1, True, "No.", "111"),  # a spreadsheet's reading of the word
    _row(4, "bloom-7b_opt-7b", 1, "Yes, it is.", "", "111"),
    _row(5, "llama-7b_opt-7b", 1, "Yes.", "No.", "112"),
    _row(6, "bloom-7b_llama-7b", 2, "Rain falls.", "It rains and rains.", "212"),
    _row(7, "bloom-7b_opt-7b", 2, "Rain falls.", "It rains and rains.", "222"),  # texts of row 6
    _row(8, "bloom-7b_llama-7b", 3, "", "", "000"),
    _row(9, "llama-7b_opt-7b", 3, "Guten Morgen", "Gute Nacht", "111"),
    _row(10, "bloom-7b_llama-7b", 4, "4", "5", "110"),
    _row(11, "bloom-7b_opt-7b", 4, "2 and 2 is 4.", "four", "121"),
)


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """12 rows over 5 prompts in the released format of the test set.

    With one `true` response, empty responses and a text that stands under two `cmp_key`s.
    """
    return copy.deepcopy(list(_ROWS))


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write(content, name="file.json") makes a file: bytes and text as they are, else as JSON."""

    def make(content: object, name: str = "file.json") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str | bytes):
            content = json.dumps(content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def lsat_record(number: int) -> dict[str, Any]:
    """A question of the released shape; two questions share a passage."""
    colours = ("red", "green", "blue", "white", "black")
    return {
        "passage": f"There is box {number // 2}. It holds {number // 2} coins.",
        "question": f"Which colour is box {number // 2}, seen from side {number % 2}?",
        "options": [f"({'ABCDE'[i]}){colour}" for i, colour in enumerate(colours)],
        "label": "ABCDE"[number % 5],
        "answer": None,
        "other": None,
    }


def pubmedqa_record(number: int, decision: str) -> dict[str, Any]:
    """A question of the released shape."""
    return {
        "QUESTION": f"Does treatment {number} shorten the stay?",
        "CONTEXTS": [f"We treated {number} mice.", "The stay was measured in days."],
        "LABELS": ["METHODS", "RESULTS"],
        "final_decision": decision,
        "LONG_ANSWER": "A conclusion that no judge may see.",
    }


def bioasq_record(number: int, kind: str, exact: Any) -> dict[str, Any]:
    """A question of a golden file's shape, about nothing in BioASQ."""
    return {
        "id": f"{kind}{number}",
        "type": kind,
        "body": f"Which {kind} is told of planet {number}?",
        "ideal_answer": ["A paragraph that no judge may see."],
        "snippets": [{"text": f"Planet {number} is far."}, {"text": f"Planet {number} is far."}],
        "documents": [],
    } | ({} if exact is None else {"exact_answer": exact})


SMALL_BIOASQ = (
    bioasq_record(0, "yesno", "yes"),
    bioasq_record(1, "yesno", "Yes"),
    bioasq_record(2, "yesno", ["no"]),
    bioasq_record(3, "factoid", "rust"),
    bioasq_record(4, "factoid", ["dusty ice", "ice"]),
    bioasq_record(5, "factoid", [["green cheese", "cheese"]]),
    bioasq_record(6, "list", [["iron"], ["sand", "silica"]]),
    bioasq_record(7, "list", ["water", "salt", "air"]),
    bioasq_record(8, "summary", None),
)


@pytest.fixture
def small_data(write: Write, rows: list[dict[str, Any]], tmp_path: Path) -> Path:
    """A data folder with small files of every source.

    The test set with verdicts of gpt-3.5-turbo on it, one of them "garbage"; 6 LSAT questions a
    part; 6 PubMedQA questions, 5 of them in the test split; 9 BioASQ questions.
    """
    for place, part in enumerate(("ar", "lr", "rc")):
        questions = [lsat_record(10 * place + number) for number in range(6)]
        lines = "".join(f"{json.dumps(question)}\n" for question in questions)
        write(lines, f"data/lsat/lsat-{part}.jsonl")
    decisions = ("yes", "no", "yes", "maybe", "yes", "no")
    records = {str(100 + i): pubmedqa_record(i, told) for i, told in enumerate(decisions)}
    write(records, "data/pubmedqa/ori_pqal.json")
    split = {pmid: record["final_decision"] for pmid, record in list(records.items())[:5]}
    write(split, "data/pubmedqa/test_ground_truth.json")
    write({"questions": list(SMALL_BIOASQ)}, "data/bioasq/9B1_golden.json")
    write(rows, "data/pandalm/testset-v1.json")
    told = ["2", "2", "Tie", "1", "1", "1", "2", "2", "garbage", "1", "2", "1"]
    verdicts = [{"idx": idx, "gpt_result": verdict} for idx, verdict in enumerate(told)]
    write(verdicts, "data/pandalm/gpt-3.5-turbo-testset-v1.json")
    return tmp_path / "data"


@pytest.fixture(scope="module")
def board_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data`, and `out`: a run of the rule `longest` under two protocols."""
    folder = tmp_path_factory.mktemp("run")
    data = folder / "data" / "pandalm" / "testset-v1.json"
    data.parent.mkdir(parents=True)
    data.write_text(json.dumps(_ROWS), encoding="utf-8")
    words = ["--model", "rule", "--model_args", "name=longest", "--log_samples"]
    words += ["--tasks", "pandalm_human,pandalm_human_logprob", "--output_path", f"{folder}/out"]
    from pandalm_eval.cli import main

    assert main(["run", *words, "--metadata", f"data_dir={folder / 'data'}"]) == 0
    return folder


@pytest.fixture
def board(
    board_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Path:
    """A board with that run on it."""
    from boards import FLAGS

    from pandalm_eval.cli import main

    monkeypatch.setenv("PANDALM_DATA", str(board_run / "data"))
    assert (
        main(["leaderboard", "add", f"{board_run}/out", "--board", f"{tmp_path}/board", *FLAGS])
        == 0
    )
    capsys.readouterr()
    return tmp_path / "board"


# Pages of reports ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def small_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two runs of `report_runs.small`."""
    import report_runs

    from pandalm_eval.results import read_runs

    folder = tmp_path_factory.mktemp("small")
    return read_runs(
        [report_runs.small(folder / "a", "one"), report_runs.small(folder / "b", "two")]
    )


@pytest.fixture(scope="session")
def small_page(small_runs: list[Run]) -> str:
    from pandalm_eval.report.page import render

    return render(small_runs)


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    import report_runs

    from pandalm_eval.report.page import render
    from pandalm_eval.results import read_runs

    return render(read_runs([report_runs.hostile(tmp_path_factory.mktemp("hostile"))]))


@pytest.fixture(scope="session")
def committed() -> list[Run]:
    """Of what is committed, the runs that have domains and probabilities."""
    from pandalm_eval.results import read_runs

    results = Path(__file__).resolve().parents[1] / "results"
    files = [*(results / "key").glob("judgments_*"), *(results / "human").glob("*_human_*SmolLM2*")]
    return read_runs(sorted(path for path in files if path.suffix == ".jsonl"))


@pytest.fixture(scope="session")
def committed_page(committed: list[Run]) -> str:
    from pandalm_eval.report.page import render

    return render(committed)
