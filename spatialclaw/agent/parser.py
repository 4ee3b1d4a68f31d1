"""Finds the Python cell in what a model really wrote.

The reading is tolerant about form and strict about substance: thoughts, headings, tags, prompts and
fences of any kind are taken off; a cell that was cut is never run; what was mended is said.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
import warnings
from dataclasses import dataclass, field
from typing import Any, Literal

from spatialclaw.agent.fences import Block, find_blocks

__all__ = ["CUT_MARK", "ParsedReply", "parse_reply", "python_parses", "strip_thoughts"]

ReplyKind = Literal["code", "cut", "empty", "html", "no_code", "thought_only"]

# A policy adds this line to a reply that the server ended at its length limit.
CUT_MARK = "[the reply was cut at the length limit]"

_PYTHON_NAMES = """
py python python2 python3 py3 ipython ipython3 pycon python-repl pyi code tool_code jupyter cell
execute sage {python} {py} {code-cell}
"""
_PYTHON_TAGS = frozenset(_PYTHON_NAMES.split())
_OUTPUT_NAMES = "output outputs stdout result results observation tool_output"
_OUTPUT_TAGS = frozenset(_OUTPUT_NAMES.split())
_FAKE_OUTPUT = re.compile(
    r"^\s*(?:#{1,6}\s*)?[*_]*(?:observation|output|result|execution result|cell output|"
    r"(?:user|system)(?=\s*:))s?[*_]*\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_REWRITTEN = re.compile(
    r"\b(?:correct(?:ed|ion)|actually|instead|let me (?:fix|rewrite|redo|revise|correct)|rewrit|"
    r"revised|final (?:version|code|cell)|better version|fixed version|oops|mistake|on second "
    r"thought)\b",
    re.IGNORECASE,
)
_THINK = "think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis"
_SPECIAL = re.compile(
    r"<\|(?:im_end|eot_id|end|endoftext|return|end_of_text|eom_id|im_start|start|assistant)\|>"
    r"(?:assistant)?|</s>|<end_of_turn>|<\|endofassistant\|>"
)
_CODE_KEYS = ("code", "python", "python_code", "cell", "source", "script", "program", "input")


@dataclass(frozen=True)
class ParsedReply:
    """How a reply was read.

    Attributes:
        kind: "code" (there is a cell), or why there is none.
        code: The cell, ending in a newline; "" when there is none.
        thought: Reasoning that stood in thinking tags.
        prose: The rest of the text around the code.
        notes: What was mended or left out, one line each; empty for a clean reply.
    """

    kind: ReplyKind
    code: str = ""
    thought: str = ""
    prose: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is a cell to run."""
        return self.kind == "code"


def parse_reply(reply: str | None) -> ParsedReply:
    """Reads a reply.

    Args:
        reply: The visible text of a model, as it came; may hold `CUT_MARK`.

    Returns:
        The cell, or the reason why there is none.
    """
    text = (reply or "").replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    cut = CUT_MARK in text
    text = text.replace(CUT_MARK, "")
    text, thought, open_thought = strip_thoughts(text)
    text = _SPECIAL.sub("", text)
    if not text.strip():
        if thought.strip():
            return ParsedReply("cut" if cut or open_thought else "thought_only", thought=thought)
        return ParsedReply("cut" if cut else "empty")
    if re.match(r"\s*(?:<!doctype html|<html[\s>]|<\?xml[^>]*>\s*<html)", text, re.IGNORECASE):
        return ParsedReply("html", prose=text)
    for reading in (_from_fences, _from_wrapper, _from_bare):
        parsed = reading(text, cut)
        if parsed is not None:
            return ParsedReply(parsed.kind, parsed.code, thought, parsed.prose, parsed.notes)
    return ParsedReply("cut" if cut else "no_code", thought=thought, prose=text.strip())


def strip_thoughts(text: str) -> tuple[str, str, bool]:
    """Takes reasoning in tags off a reply.

    Returns:
        The rest, the thoughts, and whether a thought was never closed.
    """
    thoughts: list[str] = []
    channels = re.compile(
        r"<\|channel\|>(?:analysis|commentary)[^<]*<\|message\|>(.*?)"
        r"(?:<\|end\|>|(?=<\|channel\|>)|(?=<\|start\|>)|\Z)",
        re.DOTALL,
    )
    thoughts += channels.findall(text)
    text = channels.sub("", text)
    text = re.sub(r"<\|channel\|>final[^<]*<\|message\|>", "", text)
    opening = re.compile(rf"(?:\A|^)[ \t]*<({_THINK})>", re.IGNORECASE | re.MULTILINE)
    while True:
        start = opening.search(text)
        # A fence before the tag means that the tag stands in code.
        if start is None or _inside_fence(text, start.start()):
            break
        end = re.compile(rf"</{start.group(1)}>", re.IGNORECASE).search(text, start.end())
        if end is None:
            thoughts.append(text[start.end() :])
            return text[: start.start()], "\n".join(thoughts).strip(), True
        thoughts.append(text[start.end() : end.start()])
        text = text[: start.start()] + text[end.end() :]
    # Templates that open the thought in the prompt leave only its end in the reply.
    lone = re.search(rf"</(?:{_THINK})>", text, re.IGNORECASE)
    if lone and not _inside_string(text, lone.start()):
        thoughts.append(text[: lone.start()])
        text = text[lone.end() :]
    return text, "\n".join(thoughts).strip(), False


def _inside_fence(text: str, position: int) -> bool:
    return len(re.findall(r"^[ \t]*(?:```|~~~)", text[:position], re.MULTILINE)) % 2 == 1


def _inside_string(text: str, position: int) -> bool:
    start = text.rfind("\n", 0, position) + 1
    return text.count('"', start, position) % 2 == 1 or text.count("'", start, position) % 2 == 1


def python_parses(code: str) -> bool:
    """Whether IPython could compile a cell (magics and top-level await allowed)."""
    plain = re.sub(r"^(\s*)[%!?].*$", r"\1pass", code, flags=re.MULTILINE)
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(plain, "<cell>", "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _from_fences(text: str, cut: bool) -> ParsedReply | None:
    blocks = find_blocks(text, python_parses)
    if not blocks:
        return None
    cells: list[tuple[Block, str]] = []
    notes: list[str] = []
    for block in blocks:
        before = text[cells[-1][0].end if cells else 0 : block.start]
        if cells and (block.tag in _OUTPUT_TAGS or _FAKE_OUTPUT.search(before)):
            notes.append("what follows the first made-up output was left out")
            break
        code = _code_of(block)
        if code is None:
            continue
        if cells and _REWRITTEN.search(before):
            notes.append("the last version of the cell was taken")
            cells = []
        cells.append((block, code))
    if not cells:
        return None
    prose = _around(text, [block for block, _ in cells])
    last, code = cells[-1]
    if not last.closed:
        if cut or not python_parses(code):
            return ParsedReply("cut", prose=prose, notes=["the last code block never ends"])
        notes.append("the closing fence was missing")
    elif cut and len(cells) == 1 and not text[last.end :].strip():
        notes.append("the reply was cut right after the cell")
    if len(cells) > 1:
        notes.append(f"{len(cells)} code blocks were joined to one cell")
    joined = "\n".join(_mend(part, notes) for _, part in cells)
    if not _substance(joined):
        return ParsedReply("no_code", prose=text.strip(), notes=["the code block is empty"])
    return ParsedReply("code", joined, prose=prose, notes=notes)


def _around(text: str, blocks: list[Block]) -> str:
    parts, position = [], 0
    for block in blocks:
        parts.append(text[position : block.start])
        position = block.end
    parts.append(text[position:])
    return "\n".join(part.strip() for part in parts if part.strip())


def _code_of(block: Block) -> str | None:
    """The Python of a fenced block, or None when it is something else."""
    body = block.body
    if block.tag in _PYTHON_TAGS:
        inner = _unwrap_json(body)
        return inner if inner is not None else body
    if block.tag in ("json", "jsonc", "tool_call", "tool", "function_call"):
        return _unwrap_json(body)
    if block.tag == "":
        inner = _unwrap_json(body)
        if inner is not None:
            return inner
        first, _, rest = body.lstrip("\n").partition("\n")
        if first.strip().lower() in _PYTHON_TAGS:
            return rest
        candidate = _take_off_prompts(textwrap.dedent(body))
        return body if python_parses(candidate) and _looks_like_code(candidate) else None
    return None


def _from_wrapper(text: str, cut: bool) -> ParsedReply | None:
    """Code in JSON, in tags, or in a tool call written out as text."""
    tags = re.search(
        r"<(code|python|execute_ipython|execute_python|execute|cell|ipython|tool_code|py)>"
        r"(.*?)(</\1>|\Z)",
        text,
        re.DOTALL | re.IGNORECASE,
    )
    if tags:
        code = _mend(tags.group(2), [])
        closed = bool(tags.group(3))
        if not closed and (cut or not python_parses(code)):
            return ParsedReply("cut", prose=text[: tags.start()].strip())
        if _substance(code):
            prose = text[: tags.start()] + text[tags.end() :]
            return ParsedReply("code", code, prose=prose.strip(), notes=["code stood in tags"])
    brackets = re.search(r"\[PYTHON\](.*?)\[/PYTHON\]", text, re.DOTALL | re.IGNORECASE)
    if brackets and _substance(brackets.group(1)):
        return ParsedReply("code", _mend(brackets.group(1), []), notes=["code stood in tags"])
    marker = text.find("<|python_tag|>")
    if marker >= 0 and _substance(text[marker + 14 :]):
        body = text[marker + 14 :]
        code = _mend(_unwrap_json(body) or body, [])
        if cut and not python_parses(code):
            return ParsedReply("cut", prose=text[:marker].strip())
        return ParsedReply("code", code, prose=text[:marker].strip(), notes=["code stood in tags"])
    call = re.search(r"<tool_call>(.*?)(?:</tool_call>|\Z)", text, re.DOTALL)
    body = call.group(1) if call else text
    inner = _unwrap_json(body)
    if inner is not None and _substance(inner):
        return ParsedReply("code", _mend(inner, []), notes=["code stood in JSON"])
    if cut and re.match(r"\s*\{\s*\"", body):
        return ParsedReply("cut")
    return None


def _unwrap_json(text: str) -> str | None:
    start = text.find("{")
    if start < 0 or text[:start].strip(" \n\t[") or not re.match(r"\{\s*[\"']", text[start:]):
        return None
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text[start:])
    except ValueError:
        return None
    return _code_in(value, 0)


def _code_in(value: Any, depth: int) -> str | None:
    if isinstance(value, str) and depth:
        try:
            value = json.loads(value, strict=False)
        except ValueError:
            return None
    if not isinstance(value, dict) or depth > 4:
        return None
    for key in _CODE_KEYS:
        code = value.get(key)
        if isinstance(code, str) and _substance(code):
            return code
        if isinstance(code, list) and code and all(isinstance(line, str) for line in code):
            return "\n".join(line.rstrip("\n") for line in code)
    for key in ("arguments", "parameters", "args", "action_input", "function", "tool", "action"):
        found = _code_in(value.get(key), depth + 1)
        if found is not None:
            return found
    return None


def _from_bare(text: str, cut: bool) -> ParsedReply | None:
    """Code without any fence: the whole reply, or its end from some line on."""
    lines = _take_off_prompts(text).split("\n")
    attempts = 0
    for start, line in enumerate(lines):
        if not line.strip() or (line[0].isspace() and start):
            continue
        if start and not _CODE_START.match(line):
            continue
        attempts += 1
        if attempts > 40:
            break
        code = textwrap.dedent("\n".join(lines[start:]))
        mended = _mend(code, [])
        if python_parses(mended) and _looks_like_code(mended):
            if cut:
                return ParsedReply("cut", prose="\n".join(lines[:start]).strip())
            prose = "\n".join(lines[:start]).strip()
            return ParsedReply("code", mended, prose=prose, notes=["the code had no fence"])
    return None


_CODE_START = re.compile(
    r"(?:#|import |from \w[\w.]* import |for .+:|if .+:|while .+:|with .+:|def |class |try:|@|%|"
    r"[A-Za-z_][\w.\[\]'\", ]*\s*[-+*/|&]?=(?!=)|[A-Za-z_][\w.]*\()"
)


def _looks_like_code(code: str) -> bool:
    plain = re.sub(r"^(\s*)[%!?].*$", r"\1pass", code, flags=re.MULTILINE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(plain)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return python_parses(code)
    if any(isinstance(node, ast.Call | ast.Import | ast.ImportFrom) for node in ast.walk(tree)):
        return True
    # "x: the cup" is prose that happens to be an annotation.
    return any(
        isinstance(node, ast.Assign | ast.AugAssign | ast.For | ast.FunctionDef | ast.With)
        for node in tree.body
    )


def _substance(code: str) -> bool:
    lines = (line.strip() for line in code.splitlines())
    return any(line and not line.startswith("#") for line in lines)


def _take_off_prompts(code: str) -> str:
    """Takes ``>>>`` and ``In [3]:`` prompts off, and the outputs between them."""
    lines = code.split("\n")
    if any(re.match(r"\s*>>> ?", line) for line in lines):
        kept = [re.sub(r"^\s*(?:>>>|\.\.\.) ?", "", line) for line in lines
                if re.match(r"\s*(?:>>>|\.\.\.)", line)]  # fmt: skip
        return "\n".join(kept)
    if any(re.match(r"\s*In ?\[\d*\]:", line) for line in lines):
        kept = [line for line in lines if not re.match(r"\s*Out ?\[\d*\]:", line)]
        return "\n".join(re.sub(r"^\s*(?:In ?\[\d*\]:|\.{3,}:) ?", "", line) for line in kept)
    return code


_QUOTES = str.maketrans(
    {"“": '"', "”": '"', "‘": "'", "’": "'", "\u00a0": " ", "\u200b": "", "\ufeff": ""}
    | {"−": "-", "，": ",", "（": "(", "）": ")", "：": ":"}
)


def _mend(code: str, notes: list[str]) -> str:
    """Tidies a cell; changes characters only when that alone makes it compile."""
    code = _take_off_prompts(textwrap.dedent(code.strip("\n"))).rstrip()
    if not python_parses(code):
        first, _, rest = code.partition("\n")
        candidates = (
            code.expandtabs(4),
            code.translate(_QUOTES),
            code.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"),
            code if "\n" in code else code.replace("\\n", "\n"),
            f"{first.lstrip()}\n{textwrap.dedent(rest)}",
        )
        for mended in candidates:
            if mended != code and python_parses(mended):
                notes.append("characters that are no Python were replaced")
                return mended.rstrip() + "\n"
    return code + "\n"
