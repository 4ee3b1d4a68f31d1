"""Scorers of multiple-choice replies, each reading as its benchmark's own code reads.

A scorer takes (reply, truth, args) and gives `Scored`; "letter" means one capital. The faults of
the own codes are kept, because the published figures contain them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spatialclaw.evaluation.scorers.base import Scored, no_answer, scorer, tag_content

__all__: list[str] = []

Args = Mapping[str, Any]
_NOTHING = Scored(0.0, None)


def _equal(read: str | None, truth: str) -> Scored:
    return Scored(float(read is not None and read == truth), read)


@scorer("letter-first-token")
def letter_first_token(reply: str, truth: str, args: Args) -> Scored:
    """The token before the first blank, without full stops at its end, in any case (VSI, VSTI)."""
    if no_answer(reply):
        return _NOTHING
    read = reply.split(" ")[0].rstrip(".").strip()
    return Scored(float(read.lower() == truth.lower()), read)


@scorer("letter-spbench")
def letter_spbench(reply: str, truth: str, args: Args) -> Scored:
    """The tag's content or the reply, "Answer:" deleted; a first token A-D, or the whole text."""
    if no_answer(reply):
        return _NOTHING
    content = tag_content(reply)
    text = (reply if content is None else content.strip()).replace("Answer:", "")
    first = text.split(" ")[0]
    letter = re.fullmatch(r"\s*([A-D])\.?\s*", first)
    read = letter.group(1) if letter else text.strip()
    return Scored(float(read.lower() == truth.strip().lower()), read)


@scorer("letter-spar")
def letter_spar(reply: str, truth: str, args: Args) -> Scored:
    """Equal, contained in the truth, or beginning with it; in any case."""
    if no_answer(reply):
        return _NOTHING
    text, wanted = reply.strip().lower(), truth.strip().lower()
    right = text == wanted or text in wanted or text[0] == wanted
    return Scored(float(right), reply.strip()[0])


_MINDCUBE_TAG = (
    r"[Mm]y answer is\s*([A-E])",
    r"[Tt]he answer is\s*([A-E])",
    r"([A-E])\.",
    r"\b([A-E])\b",
)
_MINDCUBE_TEXT = (
    r"^([A-E])(?:\s|\.|$)",
    r"\*+\s*([A-E])\s*\*+|\"([A-E])\"",
    r"Answer:\s*([A-E])",
    r"[Mm]y answer is\s*([A-E])",
    r"answer is\s*([A-E])",
)


def read_mindcube(reply: str) -> str | None:
    """The letter MindCube's own code reads: the last match of the first rule that matches."""
    stopped = re.findall(r"([A-E])\.", reply)
    if stopped:
        return str(stopped[-1])
    tag = re.search(r"<Answer>([^<]*)", reply)
    if tag:
        for pattern in _MINDCUBE_TAG:
            found = re.findall(pattern, tag.group(1))
            if found:
                return str(found[-1])
    for pattern in _MINDCUBE_TEXT:
        matches = list(re.finditer(pattern, reply, re.MULTILINE))
        if matches:
            return next(group for group in matches[-1].groups() if group)
    for line in reversed(reply.splitlines()):
        lone = re.search(r"\b([A-E])\b", line)
        if lone:
            return lone.group(1)
    return None


@scorer("letter-mindcube")
def letter_mindcube(reply: str, truth: str, args: Args) -> Scored:
    """A-E, capitals only, by the rules of `read_mindcube`."""
    return _equal(read_mindcube(reply), truth)


@scorer("letter-mmsi")
def letter_mmsi(reply: str, truth: str, args: Args) -> Scored:
    """The first lone A-D within double backticks, single backticks, braces, one after the other."""
    text = reply
    for pattern in (r"``([^`]*)``", r"`([^`]*)`", r"\{([^}]*)\}"):
        match = re.search(pattern, text)
        if match:
            text = match.group(1)
    match = re.search(r"\b([A-D])\b(?!\s[a-zA-Z])", text)
    return _equal(match.group(1) if match else None, truth)


_MMSI_VIDEO_MARKS = ('"answer":', "answer is", "answer:", '"Answer":', "Answer is", "Answer:")


@scorer("letter-mmsi-video")
def letter_mmsi_video(reply: str, truth: str, args: Args) -> Scored:
    """A boxed content, what follows the last mark, or the text before the first full stop: A-F."""
    text = reply.replace("<answer>", "").replace("</answer>", "")
    if "no answer" in text.lower():
        return _NOTHING
    mark = next((mark for mark in _MMSI_VIDEO_MARKS if mark in text), None)
    if "boxed{" in text:
        text = text.split("boxed{")[1].split("}")[0]
    elif mark is not None:
        text = text.rpartition(mark)[2].split(",")[0].split(".")[0]
    else:
        text = text.split(".")[0]
    for gone in (" ", '"', "'", "\n", ":"):
        text = text.replace(gone, "")
    read = text if text in {"A", "B", "C", "D", "E", "F"} else None
    return _equal(read, truth)


def _last_line_letter(text: str) -> str | None:
    lines = text.strip().splitlines()
    match = re.search(r"\b([A-Da-d])\b", lines[-1]) if lines else None
    return match.group(1).upper() if match else None


@scorer("letter-last-line")
def letter_last_line(reply: str, truth: str, args: Args) -> Scored:
    """The first lone A-D in any case on the last line; the truth likewise (ViewSpatial)."""
    read = _last_line_letter(reply)
    return Scored(float(read is not None and read == _last_line_letter(truth)), read)


@scorer("letter-after-answer-colon")
def letter_after_answer_colon(reply: str, truth: str, args: Args) -> Scored:
    """The letter after the last "answer:", as written; none reads A (OmniSpatial).

    The truth is the 0-based index of the option, or its letter.
    """
    if no_answer(reply):
        return _NOTHING
    found = re.findall(r"answer\s*:\s*\b([A-D])\b", reply, re.IGNORECASE)
    read = str(found[-1]) if found else "A"
    wanted = chr(ord("A") + int(truth)) if truth.strip().isdigit() else truth.strip()
    return _equal(read, wanted)


@scorer("letter-osi")
def letter_osi(reply: str, truth: str, args: Args) -> Scored:
    """The first capital between delimiters, else a capital at the very start (OSI)."""
    around = r"[\s,.\[\](){}]"
    match = re.search(rf"{around}([A-Z])(?={around})", f" {reply} ")
    match = match or re.match(r"([A-Z])", reply)
    return _equal(match.group(1) if match else None, truth)


@scorer("letter-perception")
def letter_perception(reply: str, truth: str, args: Args) -> Scored:
    """The last tag's content, else the letter after "Answer", else the last lone A-E."""
    if no_answer(reply):
        return _NOTHING
    tags = re.findall(r"<answer>(.*?)</answer>", reply, re.DOTALL | re.IGNORECASE)
    after = re.search(r"answer[\s:]*\b([A-E])\b", reply, re.IGNORECASE)
    lone = re.findall(r"\b([A-E])\b", reply)
    if tags:
        text = tags[-1]
    elif after:
        text = after.group(1)
    else:
        text = lone[-1] if lone else reply
    letters = re.findall(r"\b([A-E])\b", text.upper())
    return _equal(letters[-1] if letters else None, truth)


@scorer("letter-tag-first-char")
def letter_tag_first_char(reply: str, truth: str, args: Args) -> Scored:
    """The first character of the tag's content; without a tag E, which is wrong (DSI)."""
    content = tag_content(reply)
    if content is None or not content.strip():
        return _NOTHING
    return _equal(content.strip()[0], truth)


@scorer("text-tag-exact")
def text_tag_exact(reply: str, truth: str, args: Args) -> Scored:
    """The tag's content or the reply, trimmed, exact (cross-video CVBench)."""
    read = (tag_content(reply) or "").strip() or reply.strip()
    return _equal(read or None, truth.strip())


@scorer("text-tag-normalised")
def text_tag_normalised(reply: str, truth: str, args: Args) -> Scored:
    """From the first tag to its end, lower case, without full stops and blanks (PAI)."""
    if "<answer>" not in reply:
        return _NOTHING
    content = reply.split("<answer>")[1].split("</answer>")[0]

    def plain(text: str) -> str:
        return re.sub(r"[.\s]", "", text.lower())

    read = plain(content)
    return Scored(float(bool(read) and read == plain(truth)), read)


_INTRODUCTIONS = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option is",
    "The correct option is",
    "Best answer:",
    "Best option:",
)
_INTRODUCTIONS_V2 = ("Final Answer:", "Answer:", "Option:")


@scorer("letter-first-capital")
def letter_first_capital(reply: str, truth: str, args: Args) -> Scored:
    """The first capital of the range anywhere, introductions removed (Video-MME, v2).

    Args of the row: ``letters``: "ABCD" or "ABCDEFGH"; the longer one also removes v2's phrases.
    """
    letters = str(args.get("letters", "ABCD"))
    phrases = _INTRODUCTIONS + (_INTRODUCTIONS_V2 if len(letters) > 4 else ())
    text = reply.strip()
    for phrase in phrases:
        text = text.replace(phrase, "")
    match = re.search(f"[{letters}]", text)
    return _equal(match.group(0) if match else None, truth)


@scorer("letter-leading")
def letter_leading(reply: str, truth: str, args: Args) -> Scored:
    """The letter at the start, in any case, even of a word (BLINK)."""
    match = re.match(r"[\s(\[{]*([A-Za-z])", reply)
    read = match.group(1).upper() if match else None
    return _equal(read, truth.strip("() ").upper())


@scorer("text-bare")
def text_bare(reply: str, truth: str, args: Args) -> Scored:
    """Without full stops, trimmed, lower case, whole (ERQA)."""
    read = reply.replace(".", "").strip().lower()
    return Scored(float(bool(read) and read == truth.replace(".", "").strip().lower()), read)


_TREE_PHRASES = (
    "The correct option is {}",
    "The correct answer is {}",
    "The answer is {}",
    "The correct choice is {}",
    "The right option is {}",
    "The right answer is {}",
    "The right choice is {}",
    "The best answer is {}",
    "The best option is {}",
    "Option {} is correct",
    "Option {} is right",
    "Choice {} is correct",
    "Answer: {}",
    "Answer {}",
    "Choice {}",
    "Select {}",
    "{} is correct",
    "{} is the answer",
    "{} is the correct answer",
    "Correct: {}",
    "Right: {}",
    "<|begin_of_box|>{}<|end_of_box|>",
)


def _read_tree(reply: str, options: list[str], letters: str) -> str | None:
    for phrase in _TREE_PHRASES:
        before, _, after = phrase.partition("{}")
        pattern = (
            (r"\b" if not before else re.escape(before))
            + f"([{letters}])"
            + (r"(?![A-Za-z])" if not after else re.escape(after))
        )
        match = re.search(pattern, reply)
        if match:
            return match.group(1)
    if "Answer:" in reply:
        tail = reply.rpartition("Answer:")[2]
        inside = {letter for letter in letters if letter in tail}
        if len(inside) == 1:
            return inside.pop()
    text = " " + reply.strip(",.!?;:'\" ") + " "
    for form in ("({})", "{} ", "{}."):
        places = {letter: text.rfind(form.format(letter)) for letter in letters}
        found = {letter: place for letter, place in places.items() if place >= 0}
        if found:
            return max(found, key=lambda letter: found[letter])
    if len(reply.split()) > 5:
        pairs = zip(letters, options, strict=False)
        places = {letter: reply.lower().rfind(text.lower()) for letter, text in pairs}
        found = {letter: place for letter, place in places.items() if place >= 0}
        if found:
            return max(found, key=lambda letter: found[letter])
    return None


@scorer("letter-spatialtree")
def letter_spatialtree(reply: str, truth: str, args: Args) -> Scored:
    """Phrases, then brackets, blanks, full stops, option texts (SpatialTree).

    Args of the row: ``options``: the texts. Where the own code draws at random the score is 0.
    """
    options = [re.sub(r"^\(?[A-Z][.):]\s*", "", str(o)) for o in args.get("options") or []]
    letters = "ABCDEFGHIJ"[: len(options) or 4]
    if no_answer(reply):
        return _NOTHING
    return _equal(_read_tree(reply, options, letters), truth.strip())


@scorer("first-char")
def first_char(reply: str, truth: str, args: Args) -> Scored:
    """The first character of the (tag) content against that of the truth, any case (ViLaSR)."""
    content = (tag_content(reply) or reply).strip()
    wanted = (tag_content(truth) or truth).strip()
    if not content or not wanted:
        return _NOTHING
    return Scored(float(content[0].lower() == wanted[0].lower()), content[0])
