"""`pandalm-eval search init|run|choose|confirm|report`: a study, from its space to its report."""

from __future__ import annotations

import argparse  # hardly more up here: every command pays for what this file imports
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pandalm_eval.search.judging import Judge
    from pandalm_eval.search.sources import Told
    from pandalm_eval.search.space import Judging

_STRATEGIES = ("adaptive", "sequential", "round_robin", "uniform", "halving")
_FORMATS = ("markdown", "csv", "latex", "json")


def add_parser(subparsers: Any) -> None:
    """Add `search` and its five commands; each sets `handler`, which returns an exit code."""
    parser = subparsers.add_parser(
        "search", help="choose among configurations of a tuning by the judge"
    )
    commands = parser.add_subparsers(
        dest="search_command", required=True, metavar="init|run|choose|confirm|report"
    )
    for name, handler, what in (
        ("init", init, "make a folder the study of a space, and print what it implies"),
        ("run", run, "train and answer, until no configuration is left; start any number of these"),
        ("choose", choose, "let the judge choose among the candidates that have answered"),
        ("confirm", confirm, "compare the chosen one with the default on held-out prompts"),
        ("report", report, "write all candidates, factors, pictures and costs into a folder"),
    ):
        command = commands.add_parser(name, help=what, description=f"{what.capitalize()}.")
        command.add_argument("study", metavar="STUDY", type=Path, help="the study's folder")
        command.set_defaults(handler=handler)
        _FLAGS[name](command)


def _init_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", required=True, type=Path, metavar="FILE", help="YAML")
    parser.add_argument(
        "--storage", metavar="URL", help="a database for the record; default: a journal in STUDY"
    )


def _run_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--retry", action="store_true", help="do the trainings that failed once more"
    )


def _responses_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--responses",
        metavar="FOLDER",
        help="candidates that were tuned elsewhere: their answers to the validation prompts",
    )
    parser.add_argument(
        "--instructions", metavar="FILE", help="the prompts of plain lists of texts among these"
    )


def _baseline_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--baseline", metavar="NAME", help="the default, in place of the space's own"
    )


def _judge_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--judge", metavar="JSON", help='{"model": …, "model_args": {…}}')
    parser.add_argument("--protocol", choices=("verdict", "full", "logprob"), help="of the judge")
    parser.add_argument("--prompt", choices=("pandalm", "chat"), help="of the judge")


def _choose_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strategy", choices=_STRATEGIES, default=_STRATEGIES[0])
    parser.add_argument(
        "--budget", type=int, metavar="N", help="most readings, for adaptive, uniform and halving"
    )
    parser.add_argument(
        "--error", type=float, metavar="P", help="adaptive stops at this error probability"
    )
    parser.add_argument("--seed", type=int, default=2023, help="default: %(default)s")
    parser.add_argument(
        "--incomplete", action="store_true", help="choose although some have not answered yet"
    )
    _responses_flags(parser)
    _judge_flags(parser)


def _confirm_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strategy", choices=_STRATEGIES, help="whose choice, if there are several"
    )
    parser.add_argument("--format", choices=_FORMATS, default="markdown", help="of the table")
    parser.add_argument(
        "--classic", action="store_true", help="let both run pandalm-classic, too (keep_weights)"
    )
    _responses_flags(parser)
    parser.add_argument(
        "--held_out", metavar="FOLDER", help="with --responses: answers to the held-out prompts"
    )
    parser.add_argument(
        "--held_out_instructions", metavar="FILE", help="the prompts of plain lists among these"
    )
    _baseline_flag(parser)
    _judge_flags(parser)


def _report_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strategy", choices=_STRATEGIES, help="whose choice, if there are several"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="default: STUDY/report")
    _baseline_flag(parser)
    _judge_flags(parser)


_FLAGS = {
    "init": _init_flags,
    "run": _run_flags,
    "choose": _choose_flags,
    "confirm": _confirm_flags,
    "report": _report_flags,
}


def init(args: argparse.Namespace) -> int:
    """`search init`."""
    from pandalm_eval.search.plan import plan
    from pandalm_eval.search.study import Study
    from pandalm_eval.search.trainings import Trainings

    study = Study.create(args.study, args.space, args.storage)
    Trainings(study).enqueue()
    print(plan(study))
    return 0


def run(args: argparse.Namespace) -> int:
    """`search run`; exit code 1 where a training failed."""
    from pandalm_eval.search.plan import plan, standing
    from pandalm_eval.search.study import Study
    from pandalm_eval.search.trainings import Trainings
    from pandalm_eval.search.worker import work

    _speak()
    study = Study.open(args.study)
    trainings = Trainings(study)
    _say(plan(study))
    if args.retry:
        _say(f"{trainings.retry()} trainings that failed are done once more.")
    work(study)
    print(standing(study))
    return int(any(state.stage == "failed" for state in trainings.states().values()))


def choose(args: argparse.Namespace) -> int:
    """`search choose`."""
    from pandalm_eval.search.choose import as_text, write_choice
    from pandalm_eval.search.choose import choose as chosen_by
    from pandalm_eval.search.contestants import Contestants

    _speak()
    told = _told(args)
    candidates, missing = told.candidates(incomplete=args.incomplete)
    contestants = Contestants(candidates)
    options = _options(args, contestants)
    _say(_implied(args.strategy, options, contestants))
    with _judge(told, options.get("budget")) as judge:
        found = chosen_by(contestants, judge, args.strategy, options, missing)
    write_choice(args.study, found)
    print(as_text(found))
    return 0


def confirm(args: argparse.Namespace) -> int:
    """`search confirm`."""
    from pandalm_eval.search.choose import read_choice
    from pandalm_eval.search.confirm import confirm as confirmed
    from pandalm_eval.search.confirm import require_two
    from pandalm_eval.search.space import Judging
    from pandalm_eval.tables.render import render

    _speak()
    told = _told(args)
    chosen = read_choice(args.study, args.strategy)
    names = (chosen.best, told.default())
    require_two(*names)
    if args.classic:
        _require_classic(told, names)
    validation = told.named(names)
    held_out = told.held_out_files(names)
    with _judge(told, None, Judging.from_json(chosen.judge)) as judge:
        table = confirmed(args.study, validation, held_out, judge, chosen.warnings)
    print(render(table, args.format))
    if args.classic:
        print(_classic(told, names, args.format))
    return 0


def report(args: argparse.Namespace) -> int:
    """`search report`."""
    from pandalm_eval.search.choose import read_choice
    from pandalm_eval.search.contestants import Contestants
    from pandalm_eval.search.readings import Readings
    from pandalm_eval.search.report import write_report
    from pandalm_eval.search.space import Judging
    from pandalm_eval.search.strengths import Strengths

    told = _told(args)
    study = told.study()
    chosen = read_choice(args.study, args.strategy)
    study.configurations(chosen.candidates)  # the choice must be one of this study
    default = told.default()
    told.named([default])  # and the default must have answered
    contestants = Contestants(told.named(chosen.candidates))
    readings = Readings(args.study, told.judging(Judging.from_json(chosen.judge)))
    strengths = Strengths.of(contestants, readings, default)
    print(write_report(study, chosen, strengths, readings.costs(), args.output))
    return 0


# What the commands share -----------------------------------------------------------------------


def _told(args: argparse.Namespace) -> Told:
    from dataclasses import fields

    from pandalm_eval.search.sources import Told

    names = [field.name for field in fields(Told) if field.name != "folder"]
    return Told(args.study, **{name: getattr(args, name, None) for name in names})


@contextlib.contextmanager
def _judge(told: Told, most: int | None, known: Judging | None = None) -> Iterator[Judge]:
    """The judge with its kept readings, and a progress bar of new ones."""
    from pandalm_eval.search.judging import Judge, counted
    from pandalm_eval.search.readings import Readings

    judging = told.judging(known)
    with counted(most) as watch, Judge(judging, Readings(told.folder, judging), watch) as judge:
        yield judge


def _require_classic(told: Told, names: Sequence[str]) -> None:
    """Refuse `--classic` before anything is judged where there are no weights for it."""
    from pandalm_eval.errors import UsageError
    from pandalm_eval.search.answering import require_weights

    if told.responses is not None:
        raise UsageError("--classic needs weights, and --responses has answers only.")
    study = told.study()
    require_weights(study, study.configurations(names))


def _classic(told: Told, names: Sequence[str], format: str) -> str:
    """Both on the classic tasks of the harness, and the table of that."""
    from pandalm_eval.classic_runs import read_tunings
    from pandalm_eval.search.answering import classic
    from pandalm_eval.tables.classic import ClassicTable
    from pandalm_eval.tables.render import render

    study = told.study()
    folders = [classic(study, one) for one in study.configurations(names)]
    return render(ClassicTable.of(read_tunings(folders)), format)


def _options(args: argparse.Namespace, contestants: Any) -> dict[str, Any]:
    """The strategy's settings; those that it has not are refused."""
    from pandalm_eval.errors import UsageError
    from pandalm_eval.search.choose import settings_of
    from pandalm_eval.search.strategies.adaptive import default_budget

    given = {"budget": args.budget, "error": args.error}
    known = settings_of(args.strategy)
    told = {key: value for key, value in given.items() if value is not None}
    wrong = [
        f"--{name} is {value}; {wanted}"
        for name, value, wanted, holds in (
            ("budget", args.budget, "at least 1", args.budget is None or args.budget >= 1),
            ("error", args.error, "a share", args.error is None or 0 <= args.error <= 1),
            ("seed", args.seed, "0 or more", args.seed >= 0),
        )
        if not holds
    ]
    if wrong:
        raise UsageError("; ".join(wrong) + ".")
    if foreign := sorted(set(told) - known):
        raise UsageError(f"--strategy {args.strategy} takes no --{foreign[0]}.")
    if "budget" in known and args.budget is None:
        told["budget"] = default_budget(len(contestants.names), len(contestants.prompts))
    return {**told, "seed": args.seed}


def _implied(strategy: str, options: dict[str, Any], contestants: Any) -> str:
    from pandalm_eval.search.choose import PROBED
    from pandalm_eval.search.plan import readings_of

    count, prompts = len(contestants.names), len(contestants.prompts)
    most = options.get("budget") or readings_of(strategy, count, prompts)
    return (
        f"{strategy} chooses among {count} candidates on {prompts} prompts: at most {most} "
        f"readings and {PROBED} more to learn how consistent the judge is, less those that are "
        "kept already."
    )


def _speak() -> None:
    """Let the search tell on standard error what it does."""
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("pandalm_eval.search").setLevel(logging.INFO)


def _say(text: str) -> None:
    import sys

    print(text, file=sys.stderr)
