"""`submission.yaml`: who submits, and what each judge of the submission is."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

import yaml

from pandalm_eval.leaderboard.plain_text import LONGEST, fault_of_link, fault_of_text

NAME = "submission.yaml"
LARGEST = 2**16
"""Bytes of the file."""

_Rule = Callable[[object], str | None]


def _no_date(value: object) -> str | None:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
            datetime.date.fromisoformat(str(value))
            return None
    except ValueError:
        pass
    return "is no date: YYYY-MM-DD is needed"


def _told(what: str, rule: _Rule, **default: Any) -> Any:
    return field(metadata={"what": what, "rule": rule}, **default)


@dataclass(frozen=True, slots=True)
class JudgeCard:
    """What a reader must know of a judge."""

    link: str = _told("where it can be had: a link, or `none`", fault_of_link)
    licence: str = _told("of its weights or terms, or `unknown`", fault_of_text)
    training_data: str = _told("what it was trained on, or `unknown`", fault_of_text)


@dataclass(frozen=True, slots=True)
class Submission:
    """The metadata of a submission."""

    submitter: str = _told("a person or group", fault_of_text)
    date: str = _told("of the submission, YYYY-MM-DD", _no_date)
    judges: Mapping[str, JudgeCard] = _told(
        "{name of the judge, as its judgments have it: its card}", lambda _: None
    )
    contact: str = _told("how to reach the submitter", fault_of_text, default="")
    note: str = _told("anything else a reader must know", fault_of_text, default="")
    other_files: tuple[str, ...] = _told(
        "names of further files of the folder, which are not checked", lambda _: None, default=()
    )
    files: Mapping[str, str] = _told(
        "{name: sha256 of its content}, written by `leaderboard add`",
        lambda _: None,
        default_factory=dict,
    )


class MetadataError(ValueError):
    """Everything that is wrong with a metadata file."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class _Loader(yaml.BaseLoader):
    """Texts only (a version 1.0 or a name `no` stays what it is), no key twice, no aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(
                None, None, "has an alias (*name); write it out", None
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [str(key.value) for key, _ in node.value]
        if doubled := sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(doubled)} stands there twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def parse(raw: bytes) -> Submission:
    """The submission that a file's bytes tell.

    Raises:
        MetadataError: with everything that is wrong.
    """
    return read(mapping(raw))


def mapping(raw: bytes) -> object:
    """The value of a small YAML file, every scalar of it a text.

    Raises:
        MetadataError: too large, not UTF-8, no YAML, a key twice, or an alias.
    """
    if len(raw) > LARGEST:
        raise MetadataError([f"has {len(raw)} bytes; {LARGEST} is the most"])
    try:
        return yaml.load(raw.decode("utf-8"), _Loader)
    except UnicodeDecodeError as error:
        raise MetadataError([f"is not UTF-8 text (byte {error.start})"]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise MetadataError([f"is no valid YAML ({' '.join(str(error).split())})"]) from None


def read(told: object) -> Submission:
    """The submission that a mapping tells.

    Raises:
        MetadataError: with everything that is wrong.
    """
    faults: list[str] = []
    found = _checked(Submission, told, "", faults)
    cards: dict[str, JudgeCard] = {}
    judges = found.get("judges")
    if "judges" in found and not (isinstance(judges, Mapping) and judges):
        faults.append("judges: {name: {link, licence, training_data}} is needed")
    elif isinstance(judges, Mapping):
        for name, card in judges.items():
            if wrong := fault_of_text(name):
                faults.append(f"judges: the name {name!r:.80} {wrong}")
            told_of = _checked(JudgeCard, card, f"judges: {name!r:.80}: ", faults)
            if {f.name for f in fields(JudgeCard)} == set(told_of):
                cards[name] = JudgeCard(**told_of)
    others, files = found.get("other_files") or (), found.get("files") or {}
    if not isinstance(others, list | tuple) or any(not _is_name(name) for name in others):
        faults.append("other_files: a list of file names of this folder is needed")
    if not isinstance(files, Mapping) or any(
        not _is_name(name) or not re.fullmatch(r"[0-9a-f]{64}", str(digest))
        for name, digest in files.items()
    ):
        faults.append("files: {file name: 64 hexadecimal digits} is needed")
    if faults:
        raise MetadataError(faults)
    return Submission(
        **found | {"judges": cards, "other_files": tuple(others), "files": dict(files)}
    )


def _is_name(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"\w[\w.-]*", name, re.ASCII) is not None


def _checked(kind: Any, told: object, where: str, faults: list[str]) -> dict[str, Any]:
    """The known keys of a mapping that keep their rules; what is wrong goes into `faults`."""
    known = {f.name: f for f in fields(kind)}
    if not isinstance(told, Mapping):
        faults.append(f"{where}{', '.join(known)} are needed, as `key: value`")
        return {}
    faults += [f"{where}unknown key {key!r:.80}" for key in told if key not in known]
    faults += [
        f"{where}{name} is missing"
        for name, f in known.items()
        if name not in told and f.default is MISSING and f.default_factory is MISSING
    ]
    found = {name: told[name] for name in known if name in told}
    for name, value in found.items():
        if (wrong := known[name].metadata["rule"](value)) and (value or known[name].default != ""):
            faults.append(f"{where}{name} {wrong}")
    return found


def dump(submission: Submission) -> str:
    """The file's text; `parse` is the inverse."""
    told: dict[str, Any] = {}
    for f in fields(Submission):
        value = getattr(submission, f.name)
        if f.name == "judges":
            value = {
                name: {g.name: getattr(card, g.name) for g in fields(JudgeCard)}
                for name, card in submission.judges.items()
            }
        elif f.name == "files":
            value = dict(sorted(submission.files.items()))
        if value:
            told[f.name] = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=1000)


def schema() -> str:
    """The keys as Markdown tables, for the documentation."""
    parts = []
    for kind, name in ((Submission, "submission"), (JudgeCard, "card of a judge")):
        parts.append(f"| key of the {name} | what | |\n| --- | --- | --- |")
        for f in fields(kind):
            needed = f.default is MISSING and f.default_factory is MISSING
            parts.append(f"| `{f.name}` | {f.metadata['what']} | {'needed' if needed else ''} |")
        parts.append("")
    return "\n".join([*parts, f"Texts have one line of at most {LONGEST} characters."])
