"""Writes the page: panels from runs, HTML from templates, one file that needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from tqdm import tqdm

from pandalm_eval import __version__
from pandalm_eval.errors import InputError
from pandalm_eval.report import hostile, manifests
from pandalm_eval.report.browser import MARKS, browser_data
from pandalm_eval.report.calibration import calibrations
from pandalm_eval.report.confusion import VERDICTS, confusions
from pandalm_eval.report.cost import cost_sheet
from pandalm_eval.report.domains import domain_sheets
from pandalm_eval.report.glance import glance, runs_sheet
from pandalm_eval.report.judges import judge_sheets
from pandalm_eval.report.length import length_sheets
from pandalm_eval.report.models import comparisons
from pandalm_eval.report.position import position_sheet
from pandalm_eval.results import Run, read_runs
from train_judge.steps import written

_log = logging.getLogger(__name__)

_LARGE = 20_000_000
"""Bytes from which on a page is slow to open on a phone."""


def write_report(paths: Iterable[Path], folder: Path, *, with_text: bool = True) -> Path:
    """Write `index.html` into a folder; what stood there is replaced only by a whole page.

    Args:
        with_text: whether texts of samples are on the page.

    Raises:
        InputError: no results, or the folder cannot be written.
    """
    page = render(read_runs(paths), with_text=with_text)
    path = folder / "index.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with written(path) as file:
            file.write(page)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}). Name another folder; a page that "
            "stood there is untouched."
        ) from None
    size = path.stat().st_size
    if size > _LARGE and with_text:
        _log.warning(
            "%s: %.0f MB, nearly all of it texts. --no_text leaves them out.", path, size / 1e6
        )
    return path


def render(runs: list[Run], *, with_text: bool = True) -> str:
    """The page as HTML: the same runs give the same text."""
    told = [manifests.manifest(run) for run in runs]
    panels: dict[str, Callable[[], Any]] = {
        "glances": lambda: [glance(run) for run in runs],
        "runs_sheet": lambda: runs_sheet(runs, told),
        "judge_sheets": lambda: judge_sheets(runs),
        "comparisons": lambda: comparisons(runs),
        "domain_sheets": lambda: domain_sheets(runs),
        "confusions": lambda: confusions(runs),
        "position_sheet": lambda: position_sheet(runs),
        "calibrations": lambda: calibrations(runs),
        "cost_sheet": lambda: cost_sheet(runs, told),
        "data": lambda: browser_data(runs, with_text=with_text),
    }
    bar = tqdm(panels.items(), "report", unit="", delay=3, leave=False, disable=None)
    made = {name: make() for name, make in bar}
    made["length_sheets"] = length_sheets(runs, made["comparisons"])
    made["manifests"] = [
        (run, manifests.printed(one)) for run, one in zip(runs, told, strict=True) if one
    ]
    return _filled(made, runs)


def _filled(panels: dict[str, Any], runs: list[Run]) -> str:
    styles, script = _resource("report.css"), _resource("report.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            **panels,
            runs=runs,
            bare=[run for run in runs if run.judgments is None],
            verdicts=VERDICTS,
            marks=MARKS,
            dates=sorted(
                {when for one in panels["runs_sheet"].rows if (when := one[-1].text) != "–"}
            ),
            version=__version__,
            styles=Markup(styles),
            script=Markup(script),
            json=hostile.json_for_script(panels["data"]),
            policy=policy(styles, script),
        )
    )


def policy(styles: str, script: str) -> str:
    """The Content-Security-Policy: our style sheet and our script, told by hash, and nothing else.

    No address may be loaded or sent to, no other script runs, and no script may write markup.
    """
    return (
        f"default-src 'none'; style-src {_hash(styles)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _resource(name: str) -> str:
    return resources.files("pandalm_eval.report").joinpath(name).read_text("utf-8")


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("pandalm_eval.report"),
        autoescape=True,
        finalize=hostile.finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
