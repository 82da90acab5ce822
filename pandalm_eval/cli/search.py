"""`pandalm-eval search init|run|choose|confirm|report`: a study, from its space to its report."""

from __future__ import annotations

import argparse  # alone up here: every command pays for what stands at the top of this file
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandalm_eval.responses import Candidate
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


def _elsewhere_flags(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument(
        "--responses", metavar="FOLDER", help="candidates that were tuned elsewhere: their answers"
    )
    _elsewhere_flags(parser)


def _confirm_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strategy", choices=_STRATEGIES, help="whose choice, if there are several"
    )
    parser.add_argument("--format", choices=_FORMATS, default="markdown", help="of the table")
    parser.add_argument(
        "--classic", action="store_true", help="let both run pandalm-classic, too (keep_weights)"
    )
    parser.add_argument(
        "--responses", metavar="FOLDER", help="validation answers of candidates tuned elsewhere"
    )
    parser.add_argument(
        "--held_out", metavar="FOLDER", help="with --responses: answers to the held-out prompts"
    )
    parser.add_argument("--baseline", metavar="NAME", help="the default; needed with --responses")
    _elsewhere_flags(parser)


def _report_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strategy", choices=_STRATEGIES, help="whose choice, if there are several"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="default: STUDY/report")
    _elsewhere_flags(parser)
    parser.set_defaults(responses=None)


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

    study = Study.create(args.study, args.space, args.storage)
    print(plan(study))
    return 0


def run(args: argparse.Namespace) -> int:
    """`search run`; exit code 1 where a training failed."""
    from pandalm_eval.search.plan import plan, standing
    from pandalm_eval.search.study import Study
    from pandalm_eval.search.worker import work

    _speak()
    study = Study.open(args.study)
    _say(plan(study))
    if args.retry:
        _say(f"{study.retry()} trainings that failed are done once more.")
    work(study)
    print(standing(study))
    return int(any(state.stage == "failed" for state in study.states().values()))


def choose(args: argparse.Namespace) -> int:
    """`search choose`."""
    from pandalm_eval.search.choose import as_text, write_choice
    from pandalm_eval.search.choose import choose as chosen_by
    from pandalm_eval.search.contestants import Contestants
    from pandalm_eval.search.judging import Judge, counted
    from pandalm_eval.search.readings import Readings

    _speak()
    candidates, missing = _candidates(args)
    contestants = Contestants(candidates)
    options = _options(args, contestants)
    judging = _judging(args)
    _say(_implied(args.strategy, options, contestants))
    readings = Readings(args.study, judging)
    with counted(options.get("budget")) as watch, Judge(judging, readings, watch) as judge:
        found = chosen_by(contestants, judge, args.strategy, options, missing)
    write_choice(args.study, found)
    print(as_text(found))
    return 0


def confirm(args: argparse.Namespace) -> int:
    """`search confirm`."""
    from pandalm_eval.search.choose import read_choice
    from pandalm_eval.search.confirm import confirm as confirmed
    from pandalm_eval.search.confirm import require_two
    from pandalm_eval.search.judging import Judge, counted
    from pandalm_eval.search.readings import Readings
    from pandalm_eval.tables.render import render

    _speak()
    chosen = read_choice(args.study, args.strategy)
    default = _default(args)
    require_two(chosen.best, default)
    names = (chosen.best, default)
    judging = _judging(args)
    held_out = _held_out(args, names)
    by_name = {candidate.name: candidate for candidate in _candidates(args, all_of_them=False)[0]}
    validation = [_named(by_name, name) for name in names]
    with counted(None) as watch, Judge(judging, Readings(args.study, judging), watch) as judge:
        table = confirmed(args.study, judging, validation, held_out, judge, list(chosen.warnings))
    print(render(table, args.format))
    if args.classic:
        _classic(args, names)
    return 0


def report(args: argparse.Namespace) -> int:
    """`search report`."""
    from pandalm_eval.responses import read_candidate
    from pandalm_eval.search.choose import read_choice
    from pandalm_eval.search.contestants import Contestants
    from pandalm_eval.search.readings import Readings
    from pandalm_eval.search.report import write_report
    from pandalm_eval.search.strengths import Strengths
    from pandalm_eval.search.study import Prompts, Study

    study = Study.open(args.study)
    chosen = read_choice(args.study, args.strategy)
    known = {one.name: one for one in study.space.configurations}
    files = {name: study.answers(known[name], Prompts.VALIDATION) for name in chosen.candidates}
    contestants = Contestants([read_candidate(path, name) for name, path in files.items()])
    readings = Readings(args.study, _judging(args))
    default = study.space.default_configuration.name
    print(write_report(study, chosen, Strengths.of(contestants, readings, default), args.output))
    return 0


# What the commands share -----------------------------------------------------------------------


def _candidates(
    args: argparse.Namespace, *, all_of_them: bool = True
) -> tuple[list[Candidate], dict[str, str]]:
    """The candidates that have answered, and why the others have not.

    Raises:
        UsageError: some have not answered yet, and that is not what was asked for.
    """
    from pandalm_eval.errors import UsageError, listing
    from pandalm_eval.responses import read_candidate, read_candidates
    from pandalm_eval.search.study import Prompts, Study

    if args.responses:
        return read_candidates(args.responses), {}
    study = Study.open(args.study)
    states = study.states()
    files = {one.name: study.answers(one, Prompts.VALIDATION) for one in study.space.configurations}
    missing = {
        one.name: states[one.training.name].reason or states[one.training.name].stage
        for one in study.space.configurations
        if not files[one.name].exists()
    }
    unfinished = [name for name, state in states.items() if state.stage in ("waiting", "running")]
    if all_of_them and unfinished and not args.incomplete:
        raise UsageError(
            f"{args.study}: {len(unfinished)} trainings are not done: {listing(unfinished, 3)}. "
            f"Do them (pandalm-eval search run {args.study}), or choose among the others with "
            "--incomplete."
        )
    found = [read_candidate(path, name) for name, path in files.items() if path.exists()]
    return found, missing


def _judging(args: argparse.Namespace) -> Judging:
    """The judge of the flags, else of the study's space."""
    from dataclasses import replace

    from pandalm_eval.errors import UsageError
    from pandalm_eval.judges import JudgeModel
    from pandalm_eval.judgments import Protocol
    from pandalm_eval.prompts import PromptStyle
    from pandalm_eval.search.space import Judging
    from pandalm_eval.search.study import Study

    if args.judge is not None:
        told = JudgeModel.read(args.judge)
        judging = Judging(told.model, told.arguments)
    elif args.responses:
        raise UsageError("--responses needs a judge, too: --judge '{\"model\": …}'.")
    else:
        judging = Study.open(args.study).space.judge
    if args.protocol is not None:
        judging = replace(judging, protocol=Protocol(args.protocol))
    if args.prompt is not None:
        judging = replace(judging, prompt=PromptStyle(args.prompt))
    return judging


def _default(args: argparse.Namespace) -> str:
    from pandalm_eval.errors import UsageError
    from pandalm_eval.search.study import Study

    if args.baseline is not None:
        return str(args.baseline)
    if args.responses:
        raise UsageError("--responses needs --baseline NAME: what the choice is compared with.")
    return Study.open(args.study).space.default_configuration.name


def _named(by_name: dict[str, Candidate], name: str) -> Candidate:
    from pandalm_eval.errors import UsageError, listing

    if name not in by_name:
        raise UsageError(f"{name!r} has no answers; there are those of {listing(by_name, 5)}.")
    return by_name[name]


def _held_out(args: argparse.Namespace, names: Sequence[str]) -> dict[str, Path]:
    """The response files of both on the held-out prompts; made now where weights were kept."""
    from pandalm_eval.errors import UsageError
    from pandalm_eval.responses import read_candidates
    from pandalm_eval.search.answering import answer
    from pandalm_eval.search.study import Prompts, Study

    if args.responses:
        if not args.held_out:
            raise UsageError("--responses needs --held_out FOLDER: answers to other prompts.")
        found = {one.name: one for one in read_candidates(args.held_out)}
        return {name: _named(found, name).path for name in names}
    study = Study.open(args.study)
    known = {one.name: one for one in study.space.configurations}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"{unknown[0]!r} is no configuration of {args.study}.")
    for name in names:
        answer(study, known[name], Prompts.HELD_OUT)
    return {name: study.answers(known[name], Prompts.HELD_OUT) for name in names}


def _classic(args: argparse.Namespace, names: Sequence[str]) -> None:
    """Both on the classic tasks of the harness, and the table of that."""
    from pandalm_eval.classic_runs import read_tunings
    from pandalm_eval.errors import UsageError
    from pandalm_eval.search.answering import classic
    from pandalm_eval.search.study import Study
    from pandalm_eval.tables.classic import ClassicTable
    from pandalm_eval.tables.render import render

    if args.responses:
        raise UsageError("--classic needs weights, and --responses has answers only.")
    study = Study.open(args.study)
    known = {one.name: one for one in study.space.configurations}
    folders = [classic(study, known[name]) for name in names]
    print(render(ClassicTable.of(read_tunings(folders)), args.format))


def _options(args: argparse.Namespace, contestants: Any) -> dict[str, Any]:
    """The strategy's settings; those that it has not are refused."""
    from pandalm_eval.errors import UsageError
    from pandalm_eval.search.choose import settings_of
    from pandalm_eval.search.plan import default_budget

    given = {"budget": args.budget, "error": args.error}
    known = settings_of(args.strategy)
    told = {key: value for key, value in given.items() if value is not None}
    if foreign := sorted(set(told) - known):
        raise UsageError(f"--strategy {args.strategy} takes no --{foreign[0]}.")
    if "budget" in known and args.budget is None:
        told["budget"] = default_budget(len(contestants.names), len(contestants.prompts))
    return {**told, "seed": args.seed}


def _implied(strategy: str, options: dict[str, Any], contestants: Any) -> str:
    from pandalm_eval.search.plan import readings_of

    count, prompts = len(contestants.names), len(contestants.prompts)
    most = options.get("budget") or readings_of(strategy, count, prompts)
    return (
        f"{strategy} chooses among {count} candidates on {prompts} prompts: at most {most} "
        "readings, less those that are kept already."
    )


def _speak() -> None:
    """Let the search tell on standard error what it does."""
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("pandalm_eval.search").setLevel(logging.INFO)


def _say(text: str) -> None:
    import sys

    print(text, file=sys.stderr)
