"""Makes docs/report.png and docs/playground.png, the pictures of the README.

python docs/make_screenshots.py [--only report|playground] [--judge FOLDER]

The report is of committed results: light above, dark below, the cards of some judges and single
judgments. The playground shows a pair of the demo, read by the demo's judge, SmolLM2-135M-Instruct,
which was never trained to judge: whatever stands first is better to it, and the swap shows that.
`--judge` takes the weights of another. Needs Playwright, Pillow (which matplotlib brings) and
Chromium; the playground Gradio, too.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import chromium
from PIL import Image

from pandalm_eval.cli.playground import free_port
from pandalm_eval.demo.__main__ import JUDGE, PAIRS, small_judge
from pandalm_eval.judges import JudgeModel
from pandalm_eval.judgments import Protocol
from pandalm_eval.pairs import read_pairs
from pandalm_eval.playground import page as playground_page
from pandalm_eval.playground.judging import Playground
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.report.page import write_report

ROOT = Path(__file__).resolve().parents[1]
RUNS = (
    "human/judgments_pandalm_human_single_PandaLM-7B.jsonl",
    "human/judgments_pandalm_human_single_gpt-3.5-turbo.jsonl",
    "human/judgments_pandalm_human_logprob_SmolLM2-135M-Instruct.jsonl",
    "judge_training/judgments_pandalm_human_verdict_rule-longest.jsonl",
)
WIDTH, HEIGHT = 1280, 1000
PAIR = "demo-059"
MARGIN = 12


def main() -> None:
    """Write both pictures, or one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=("report", "playground"))
    parser.add_argument("--judge", metavar="FOLDER", help="weights of the playground's judge")
    told = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    with chromium.launched() as browser:
        if told.only != "playground":
            save(report(browser), "report.png")
        if told.only != "report":
            save(playground(browser, told.judge), "playground.png")


def save(picture: Image.Image, name: str) -> None:
    """Write it in 128 colours: enough for flat grounds and text, and a third of the size."""
    path = Path(__file__).with_name(name)
    picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{name}: {path.stat().st_size / 1000:.0f} kB")


def opened(browser: Any, address: str, scheme: str = "light") -> Any:
    """A tab of one size, without animations."""
    size = {"width": WIDTH, "height": HEIGHT}
    tab = browser.new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    tab.goto(address)
    return tab


def report(browser: Any) -> Image.Image:
    """The cards, and below them the list of judgments with the first of them."""
    shots = []
    with tempfile.TemporaryDirectory() as folder:
        path = write_report([ROOT / "results" / run for run in RUNS], Path(folder))
        for scheme, section in (("light", "overview"), ("dark", "judgments")):
            tab = opened(browser, path.as_uri(), scheme)
            tab.locator(f"#{section}").evaluate("section => section.scrollIntoView()")
            if section == "overview":
                end = bottom(tab.locator(".cards")) + MARGIN
            else:  # the list goes on below; no row of it is cut through
                detail = bottom(tab.locator("#detail"))
                rows = map(bottom, tab.locator(".list tbody tr").all()[:20])
                end = min(row for row in rows if row >= detail)
            shots.append(upper(tab, end))
            tab.close()
    whole = Image.new("RGB", (WIDTH, sum(shot.height for shot in shots)))
    height = 0
    for shot in shots:
        whole.paste(shot, (0, height))
        height += shot.height
    return whole


def bottom(element: Any) -> float:
    """Where it ends, in pixels from the top of the window."""
    box = element.bounding_box()
    return float(box["y"] + box["height"])


def upper(tab: Any, height: float) -> Image.Image:
    """What the tab shows down to there."""
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": round(height)}
    return Image.open(io.BytesIO(tab.screenshot(clip=clip)))


def playground(browser: Any, folder: str | None) -> Image.Image:
    """The form with a pair, and what the judge says to it."""
    if folder is None:
        weights = small_judge()
        place = {"pretrained": str(weights.parent), "gguf_file": weights.name, "name": JUDGE}
    else:
        place = {"pretrained": folder, "name": Path(folder).name}
    judge = JudgeModel("hf-judge", {**place, "dtype": "float32"})
    blocks = playground_page.build(Playground(judge, Protocol.LOGPROB, PromptStyle.PANDALM))
    address = playground_page.launch(blocks, "127.0.0.1", free_port("127.0.0.1", None))
    (pair,) = (pair for pair in read_pairs(PAIRS) if pair.id == PAIR)
    try:
        tab = opened(browser, f"{address}?__theme=light")
        texts = {
            "Instruction": pair.instruction,
            "Input": pair.input,
            "Response 1": pair.response1,
            "Response 2": pair.response2,
        }
        for label, text in texts.items():
            tab.get_by_label(label, exact=True).fill(text)
        tab.get_by_role("button", name="Judge", exact=True).click()
        tab.get_by_text("Decided on the mean probabilities").wait_for(timeout=300_000)
        tab.evaluate("() => document.activeElement.blur()")
        tab.mouse.move(0, 0)
        return upper(tab, bottom(tab.get_by_text("Exact prompt and text").last) + MARGIN)
    finally:
        blocks.close(verbose=False)


if __name__ == "__main__":
    main()
