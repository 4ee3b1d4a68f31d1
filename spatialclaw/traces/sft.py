"""Runs as training data: conversations with pictures, and pairs of a better and a worse run."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from spatialclaw.errors import RunError, UsageError
from spatialclaw.traces.read import Run
from spatialclaw.traces.sft_filters import Judgement, Judges, executable, key_of, reflective

__all__ = ["SftOptions", "Turn", "find_runs", "turns_of", "write_sft"]

Format = Literal["openai", "sharegpt"]
_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}
_SHAREGPT = {"user": "human", "assistant": "gpt", "system": "system"}


@dataclass(frozen=True)
class SftOptions:
    """What is written, and which runs are left out.

    Attributes:
        format: "openai" (messages) or "sharegpt" (conversations).
        pairs: Pairs of runs of one question instead of single runs.
        right: Only runs whose answer is known to be right.
        executable: Only runs all of whose cells ran.
        reflective: Only runs that revised a mark, a measurement or an answer.
        max_tokens: Only conversations of at most so many tokens, estimated.
        files: Pictures as files beside the data instead of within.
    """

    format: Format = "openai"
    pairs: bool = False
    right: bool = False
    executable: bool = False
    reflective: bool = False
    max_tokens: int | None = None
    files: bool = False


@dataclass(frozen=True)
class Turn:
    """A message: who, its text, and the pictures after it."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: list[Path] = field(default_factory=list)


@dataclass
class Written:
    """What came of it: lines written, and for each reason how many runs were left out."""

    lines: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def skip(self, why: str) -> None:
        """Counts a run that is left out."""
        self.left_out[why] = self.left_out.get(why, 0) + 1


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """Run folders: those given, and those below a folder of runs or an evaluation.

    Raises:
        RunError: There is none below one of them.
    """
    found: list[Path] = []
    for folder in folders:
        if (folder / "run.json").is_file() or (folder / "events.jsonl").is_file():
            found.append(folder)
            continue
        below = sorted(
            path.parent
            for path in folder.rglob("events.jsonl")
            if not path.is_symlink() and path.is_file()
        )
        if not below:
            raise RunError(f"there is no run in {folder}", hint="Give run folders or a folder.")
        found += below
    return list(dict.fromkeys(found))


def turns_of(run: Run) -> list[Turn]:
    """The conversation of a run as the policy saw it: what it was told, what it wrote.

    It ends with the last reply. Empty when the run has no reply.
    """
    turns = [Turn("system", _system(run))]
    for event in run.events("observation", "reply"):
        if event["kind"] == "observation":
            if event.get("expects") == "plan":
                del turns[1:]  # a session or a vote begins anew: the last conversation counts
            if not event.get("done"):
                _tell(turns, str(event.get("text") or ""), _images(run, event))
        elif event.get("purpose") == "step":
            text = str(event.get("text") or "")
            if turns[-1].role == "user" and text.strip():
                turns.append(Turn("assistant", text))
    while turns and turns[-1].role != "assistant":
        turns.pop()
    return turns


def _tell(turns: list[Turn], text: str, images: list[Path]) -> None:
    if turns[-1].role == "user":  # nothing was said between two observations
        last = turns.pop()
        text, images = f"{last.text}\n\n{text}", [*last.images, *images]
    turns.append(Turn("user", text, images))


def _images(run: Run, event: dict[str, Any]) -> list[Path]:
    paths = [run.image(str(shown.get("image") or "")) for shown in event.get("images") or []]
    return [path for path in paths if path is not None and path.suffix in _TYPES]


def _system(run: Run) -> str:
    """As recorded where a model was asked; else what a model would have been told."""
    for event in run.events("request"):
        for message in event.get("messages") or []:
            if event.get("thread") == "main" and message.get("role") == "system":
                return "\n".join(str(part.get("text") or "") for part in message.get("parts") or [])
    from spatialclaw.agent.conversation import system_prompt
    from spatialclaw.agent.prompts import Prompts

    interface = str((run.facts.get("settings") or {}).get("interface") or "code")
    return system_prompt(Prompts(), interface=interface)


def write_sft(
    folders: Sequence[Path], out: Path, options: SftOptions, truths: Path | None = None
) -> Written:
    """Writes training data as JSON lines.

    Args:
        folders: Run folders, folders of runs, evaluations.
        out: The file; with `files` the pictures lie beside it in ``<name>_images``.
        options: What is written.
        truths: JSON lines with the truth of questions, or corrections of answers.

    Raises:
        RunError: There is no run, or the file cannot be written.
        UsageError: `truths` cannot be read, or nothing is known to be right or wrong.
    """
    judges = Judges(folders, truths)
    written = Written()
    kept: list[tuple[Run, Judgement, list[Turn]]] = []
    for path in find_runs(folders):
        try:
            run = Run(path)
            turns = turns_of(run)
            judgement = judges.judge(run)
        except RunError:
            written.skip("cannot be read")
            continue
        why = _left_out(run, turns, judgement, options)
        if why:
            written.skip(why)
        else:
            kept.append((run, judgement, turns))
    if options.right and not options.pairs and not kept and not judges.known:
        raise UsageError(
            "nothing says which answers are right",
            hint="Give an evaluation, or --truth FILE with the truth or accepted corrections.",
        )
    writer = _Pictures(out, files=options.files)
    lines = _pairs(kept, options, writer) if options.pairs else _singles(kept, options, writer)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", encoding="utf-8") as file:
            for line in lines:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                written.lines += 1
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from error
    return written


def _left_out(run: Run, turns: list[Turn], judgement: Judgement, options: SftOptions) -> str:
    if len(turns) < 3 or not run.answer:
        return "unfinished"
    if options.right and not options.pairs and judgement.right is not True:
        return "not known to be right"
    if options.executable and not executable(run):
        return "with a cell that failed"
    if options.reflective and not reflective(run):
        return "without a revision"
    if options.max_tokens is not None and tokens_of(turns) > options.max_tokens:
        return f"over {options.max_tokens} tokens"
    return ""


def tokens_of(turns: Sequence[Turn]) -> int:
    """About how many tokens a conversation has, pictures included."""
    from spatialclaw.agent.metering import PICTURE_TOKENS
    from spatialclaw.agent.prompts import estimate_tokens

    return sum(estimate_tokens(t.text) + PICTURE_TOKENS * len(t.images) for t in turns)


class _Pictures:
    """Puts pictures into the data, or beside it."""

    def __init__(self, out: Path, *, files: bool) -> None:
        self.files = files
        self._folder = out.with_name(f"{out.stem}_images")
        self._name = self._folder.name

    def url(self, path: Path) -> str:
        """A data URL, or the path of a copy relative to the data."""
        if not self.files:
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            return f"data:{_TYPES[path.suffix]};base64,{data}"
        self._folder.mkdir(parents=True, exist_ok=True)
        copy = self._folder / path.name  # named by content
        if not copy.exists():
            shutil.copyfile(path, copy)
        return f"{self._name}/{path.name}"


def _singles(
    kept: list[tuple[Run, Judgement, list[Turn]]], options: SftOptions, pictures: _Pictures
) -> Iterator[dict[str, Any]]:
    for run, judgement, turns in kept:
        if options.format == "openai":
            line: dict[str, Any] = {"messages": [_openai(turn, pictures) for turn in turns]}
        else:
            system, *rest = turns
            line = {
                "system": system.text,
                "conversations": [_sharegpt(turn) for turn in rest],
                "images": [pictures.url(path) for turn in rest for path in turn.images],
            }
        yield line | {"metadata": _metadata(run, judgement)}


def _pairs(
    kept: list[tuple[Run, Judgement, list[Turn]]], options: SftOptions, pictures: _Pictures
) -> Iterator[dict[str, Any]]:
    """For each question every right run with every wrong one, the same pair once."""
    groups: dict[str, list[tuple[Run, Judgement, list[Turn]]]] = {}
    for entry in kept:
        groups.setdefault(key_of(entry[0]), []).append(entry)
    for group in groups.values():
        for chosen in (e for e in group if e[1].right is True):
            for rejected in (e for e in group if e[1].right is False):
                yield _pair(chosen, rejected, options, pictures)


def _pair(
    chosen: tuple[Run, Judgement, list[Turn]],
    rejected: tuple[Run, Judgement, list[Turn]],
    options: SftOptions,
    pictures: _Pictures,
) -> dict[str, Any]:
    start = _shared(chosen[2], rejected[2])
    parts = {
        "prompt": chosen[2][:start],
        "chosen": chosen[2][start:],
        "rejected": rejected[2][start:],
    }
    metadata = {
        "chosen": _metadata(chosen[0], chosen[1]),
        "rejected": _metadata(rejected[0], rejected[1]),
    }
    if options.format == "openai":
        told = {name: [_openai(turn, pictures) for turn in turns] for name, turns in parts.items()}
        return told | {"metadata": metadata}
    line: dict[str, Any] = {
        "conversations" if name == "prompt" else name: [_sharegpt(turn) for turn in turns]
        for name, turns in parts.items()
    }
    line["images"] = [
        pictures.url(path) for turns in parts.values() for turn in turns for path in turn.images
    ]
    return line | {"metadata": metadata}


def _shared(a: list[Turn], b: list[Turn]) -> int:
    """How many turns both begin with, so that a reply of the policy comes next."""
    same = 0
    for left, right in zip(a, b, strict=False):
        if (left.role, left.text, [p.name for p in left.images]) != (
            right.role,
            right.text,
            [p.name for p in right.images],
        ):
            break
        same += 1
    same = min(same, len(a) - 1, len(b) - 1)
    while same > 0 and a[same].role != "assistant":
        same -= 1
    # what they were told at first may differ in a figure of time: then the chosen one's counts
    return same or 2


def _metadata(run: Run, judgement: Judgement) -> dict[str, Any]:
    answer = run.answer or {}
    return {
        "run": run.path.name,
        "id": run.facts.get("id") or None,
        "question": run.question,
        "answer": answer.get("answer"),
        "unit": answer.get("unit"),
        "status": answer.get("status"),
        "model": answer.get("model"),
        "backend": answer.get("backend"),
        "right": judgement.right,
        "judged_by": judgement.by or None,
    }


def _openai(turn: Turn, pictures: _Pictures) -> dict[str, Any]:
    if not turn.images:
        return {"role": turn.role, "content": turn.text}
    content: list[dict[str, Any]] = [{"type": "text", "text": turn.text}]
    content += [
        {"type": "image_url", "image_url": {"url": pictures.url(path)}} for path in turn.images
    ]
    return {"role": turn.role, "content": content}


def _sharegpt(turn: Turn) -> dict[str, Any]:
    # the marks say where the pictures belong; a mark in the text itself would be one too many
    text = turn.text.replace("<image>", "< image >")
    return {"from": _SHAREGPT[turn.role], "value": text + "\n<image>" * len(turn.images)}
