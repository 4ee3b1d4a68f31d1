"""A run as a notebook that executes from top to bottom and gives the same answer."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from spatialclaw._version import __version__
from spatialclaw.errors import RunError
from spatialclaw.traces.notebook_text import clean, clip, fenced, plain_markdown
from spatialclaw.traces.path_of_run import Step, steps_of
from spatialclaw.traces.read import Run

__all__ = ["new_notebook", "notebook", "write_notebook"]

MAX_OUTPUT = 60_000
_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}
_SAID = ("vlm.locate", "vlm.look")
_UNDONE = {
    "error": "This cell failed; the state was put back to before it, so it is not executed here.",
    "timeout": "This cell reached its time limit and was undone, so it is not executed here.",
    "died": "This cell took its kernel with it and was undone, so it is not executed here.",
}
_AWAY = "The run went back to an older state after this cell, so it is not executed here."


def write_notebook(run: Run, out: Path) -> Path:
    """Writes a run as a notebook.

    Args:
        run: The run.
        out: The file; relative media paths are kept relative, to its folder.

    Raises:
        RunError: The run holds nothing, or the file cannot be written.
    """
    text = json.dumps(notebook(run, out.absolute().parent), ensure_ascii=False, indent=1)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from error
    return out


def notebook(run: Run, folder: Path) -> dict[str, Any]:
    """A run as a notebook of format 4.5.

    Cells that the run undid are kept as text. What `locate` and `look` said is in the first cell,
    so that no model is asked.

    Args:
        run: The run, whole or half-written.
        folder: Where the notebook will lie.

    Raises:
        RunError: There is neither a question nor a cell in it.
    """
    steps = steps_of(run)
    if not steps and not run.question:
        raise RunError(f"{run.path} holds no question and no cell yet")
    cells = [_markdown(_head(run)), _setup(run, steps, folder)]
    for event in run.events("plan"):
        text = plain_markdown(str(event.get("text") or ""))
        cells.append(_markdown(f"## Plan\n\n{text}", "plan"))
    cells.append(_markdown("## Cells", "cells"))
    count = 1
    for step in steps:
        thought = _thought(step)
        if thought:
            cells.append(_markdown(plain_markdown(thought), "thought"))
        if step.kept:
            count += 1
            cell = _code(step.code.rstrip("\n"), count, _outputs(run, step, count), "cell")
            if step.result.get("error"):
                cell["metadata"]["tags"] = ["raises-exception"]  # execution goes on after it
            cells.append(cell)
        else:
            cells.append(_undone(run, step))
    cells += _answer(run, steps, count + 1)
    return _whole(cells, _metadata(run))


def new_notebook(media: Sequence[str | Path], folder: Path) -> dict[str, Any]:
    """A notebook that loads media and leaves the rest to its reader.

    Args:
        media: Paths; relative ones are from here.
        folder: Where the notebook will lie.
    """
    inputs = [{"path": str(path), "absolute": str(Path(path).absolute())} for path in media]
    paths = ", ".join(repr(_relative(item, folder)) for item in inputs)
    cells = [
        _code(f"from spatialclaw.notebook import load\n\nload({paths})", None, [], "setup"),
        _code("show(*frames.sample(4))", None, [], "cell"),
    ]
    return _whole(cells, {"exported_by": __version__})


def _whole(cells: list[dict[str, Any]], metadata: dict[str, Any]) -> dict[str, Any]:
    for number, cell in enumerate(cells):
        digest = hashlib.sha256(f"{number}{''.join(cell['source'])}".encode()).hexdigest()
        cell["id"] = digest[:12]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {
                "name": "spatialclaw",
                "display_name": "spatialclaw",
                "language": "python",
            },
            "language_info": {"name": "python", "file_extension": ".py"},
            "spatialclaw": metadata,
        },
        "cells": cells,
    }


def _metadata(run: Run) -> dict[str, Any]:
    facts = run.facts
    kept = ("question", "choices", "answer_type", "unit", "id", "media", "settings", "seed")
    return {
        "schema": facts.get("schema"),
        "exported_by": __version__,
        "run": run.path.name,
        "version": facts.get("version"),
        **{key: facts[key] for key in kept if key in facts},
        "answer": _short({k: v for k, v in (run.answer or {}).items() if k != "run_dir"}) or None,
    }


def _short(value: Any) -> Any:
    """Without texts that nobody could read and a frontend could choke on."""
    if isinstance(value, str):
        return clip(clean(value), 2_000)
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value[:100]] if isinstance(value, list) else value


def _head(run: Run) -> str:
    lines = [f"# {plain_markdown(run.question or 'A session', 2_000)}", ""]
    for letter, text in (run.facts.get("choices") or {}).items():
        lines.append(f"- {plain_markdown(str(letter), 20)}. {plain_markdown(str(text), 500)}")
    answer = run.answer or {}
    who = answer.get("model") or answer.get("backend") or "spatialclaw"
    if answer.get("status") in ("submitted", "best_guess"):
        guess = " (best guess)" if answer["status"] == "best_guess" else ""
        text = plain_markdown(str(answer.get("text")), 2_000)
        lines += ["", f"**{text}**{guess}, by {plain_markdown(str(who), 200)}"]
    elif not answer:
        lines += ["", "*The run ended before it had an answer.*"]
    return "\n".join(lines)


def _setup(run: Run, steps: Iterable[Step], folder: Path) -> dict[str, Any]:
    paths = [_relative(item, folder) for item in run.facts.get("media") or []]
    arguments = [repr(path) for path in paths]
    if run.question:
        arguments.append(f"question={run.question!r}")
    if run.facts.get("choices"):
        arguments.append(f"choices={run.facts['choices']!r}")
    frames = (run.facts.get("settings") or {}).get("frames")
    if isinstance(frames, int) and frames != 32:
        arguments.append(f"frames={frames}")
    said = [_reply(call) for step in steps if step.kept for call in step.calls if _asked(call)]
    lines = ["from spatialclaw.notebook import conclude, load", ""]
    if said:
        lines += [
            "# what the model said to locate and look, so that it need not be asked again",
            "said = [",
            *(f"    {entry!r}," for entry in said),
            "]",
        ]
        arguments.append("said=said")
    inner = "".join(f"    {argument},\n" for argument in arguments)
    one = f"load({', '.join(arguments)})"
    lines.append(one if len(one) <= 88 else f"load(\n{inner})")
    return _code("\n".join(lines), None, [], "setup")


def _relative(item: dict[str, Any], folder: Path) -> str:
    given, absolute = str(item.get("path") or ""), item.get("absolute")
    if Path(given).is_absolute() or not absolute:
        return given
    return Path(os.path.relpath(str(absolute), folder)).as_posix()


def _asked(call: dict[str, Any]) -> bool:
    return call.get("method") in _SAID and bool(call.get("ok")) and call.get("result") is not None


def _reply(call: dict[str, Any]) -> dict[str, Any]:
    params = call.get("params") or {}
    asked = params.get("what") or params.get("question") or ""
    return {"method": call["method"], "asked": asked, "reply": call["result"]}


def _thought(step: Step) -> str:
    """The words around the cell in the model's reply."""
    code = step.code.strip()
    said = step.said
    fence = said.find("```")
    if code and fence >= 0:
        end = said.find("```", fence + 3)
        rest = said[end + 3 :] if end >= 0 else ""
        said = f"{said[:fence].strip()}\n\n{rest.strip()}"
    return said.strip()


def _outputs(run: Run, step: Step, count: int) -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = []
    result = step.result
    for name in ("stdout", "stderr"):
        text = clip(clean(str(result.get(name) or "")), MAX_OUTPUT)
        if text:
            outputs.append({"output_type": "stream", "name": name, "text": _lines(text)})
    outputs += [_picture(run, shown) for shown in step.event.get("images") or []]
    error = result.get("error")
    if isinstance(error, dict):
        name, message = clean(str(error.get("name"))), clip(clean(str(error.get("message"))), 6_000)
        lines = clip(clean(str(error.get("traceback") or "")), 6_000).splitlines()
        outputs.append(
            {"output_type": "error", "ename": name, "evalue": message, "traceback": lines}
        )
    submission = step.submission
    if submission:
        outputs.append(_display({"text/plain": _submitted(submission)}))
    value = result.get("result")
    if value:
        data = {"text/plain": _lines(clip(clean(str(value)), MAX_OUTPUT))}
        outputs.append(
            {
                "output_type": "execute_result",
                "execution_count": count,
                "data": data,
                "metadata": {},
            }
        )
    return outputs


def _submitted(submission: dict[str, Any]) -> str:
    unit = submission.get("unit")
    text = f"submitted {submission.get('value')!r}{f' {unit}' if unit else ''}"
    return clip(clean(text), 2_000)


def _picture(run: Run, shown: dict[str, Any]) -> dict[str, Any]:
    name = str(shown.get("image") or "")
    path = run.image(name) if name else None
    kind = _TYPES.get(Path(name).suffix)
    title = clip(clean(str(shown.get("title") or "")), 500)
    if path is None or kind is None:
        return _display({"text/plain": f"[the picture {clean(name)} is missing]"})
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    size = f"{shown.get('width')}x{shown.get('height')}"
    return _display({kind: data, "text/plain": f"<picture {size}{': ' + title if title else ''}>"})


def _display(data: dict[str, Any]) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": {}}


def _undone(run: Run, step: Step) -> dict[str, Any]:
    result = step.result
    why = _UNDONE.get(str(result.get("status")), _AWAY)
    parts = [f"*{why}*", fenced(step.code, "python")]
    output = str(result.get("stdout") or "")
    error = result.get("error")
    if isinstance(error, dict):
        output += f"\n{error.get('name')}: {error.get('message')}"
    if output.strip():
        parts.append(fenced(output.strip(), "", 6_000))
    attachments: dict[str, Any] = {}
    for shown in step.event.get("images") or []:
        path = run.image(str(shown.get("image") or ""))
        kind = _TYPES.get(path.suffix) if path else None
        if path is not None and kind:
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            attachments[path.name] = {kind: data}
            parts.append(f"![picture](attachment:{path.name})")
    cell = _markdown("\n\n".join(parts), "undone")
    if attachments:
        cell["attachments"] = attachments
    return cell


def _answer(run: Run, steps: list[Step], count: int) -> list[dict[str, Any]]:
    answer = run.answer
    if not answer:
        return []
    submitted = [step.submission for step in steps if step.kept and step.submission]
    lines = ["## Answer", ""]
    if answer.get("status") == "failed":
        lines.append(f"None: {plain_markdown(str(answer.get('reason') or 'no answer'), 2_000)}")
    for item in (answer.get("evidence") or [])[:20]:
        text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
        lines.append(f"- {plain_markdown(text, 1_000)}")
    if answer.get("confidence") is not None:
        lines += ["", f"Confidence {answer['confidence']}"]
    if not submitted and answer.get("status") == "best_guess":
        lines += ["", "A best guess in words; no cell submitted it."]
    cells = [_markdown("\n".join(lines), "answer")]
    last = submitted[-1] if submitted else None
    if last is not None and answer.get("status") == "submitted":
        text = clip(clean(str(answer.get("text"))), 2_000)
        arguments = [repr(last.get("value")), f"text={text!r}"]
        arguments += [
            f"{name}={run.facts[name]!r}"
            for name in ("answer_type", "unit")
            if run.facts.get(name) is not None
        ]
        output = {
            "output_type": "execute_result",
            "execution_count": count,
            "data": {"text/plain": _lines(text)},
            "metadata": {},
        }
        cells.append(_code(f"conclude({', '.join(arguments)})", count, [output], "conclusion"))
    return cells


def _markdown(source: str, role: str = "question") -> dict[str, Any]:
    return {
        "cell_type": "markdown",
        "metadata": {"spatialclaw": {"role": role}},
        "source": _lines(source),
    }


def _code(
    source: str, count: int | None, outputs: list[dict[str, Any]], role: str
) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "metadata": {"spatialclaw": {"role": role}},
        "execution_count": count,
        "outputs": outputs,
        "source": _lines(source),
    }


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
