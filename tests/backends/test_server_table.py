"""The page of all server dialogues and faults that are tried over HTTP says what is tried.

Run this file to write the page anew.
"""

from __future__ import annotations

from pathlib import Path

from backends.test_dialogues import SERVERS
from backends.test_native_tools import REFUSALS
from backends.test_openai import AT_ONCE, BLIND, LASTING, LESSONS, PASSING, READINGS
from backends.test_preflight import UNUSABLE
from backends.test_probe_pool import POINTS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "servers.md"

HEAD = """# Servers that are tried

Each row is tried in the tests over real HTTP against a scripted server
(`spatialclaw.backends.scripted_server`), which refuses, words its replies and breaks as the
servers named do. Together they are {count} dialogues and faults.

| what is tried | what has to come of it | cases | which |
| --- | --- | --- | --- |
"""


def groups() -> list[tuple[str, str, list[str]]]:
    """What is tried, what has to come of it, and the cases."""
    return [
        (
            "a whole question, with what the server refuses and how it words its replies",
            "the answer, and what was refused once is not tried again",
            list(SERVERS),
        ),
        (
            "a refusal that says what the server wants",
            "learnt from its words, kept, and the request goes through",
            [row[0] for row in LESSONS],
        ),
        (
            "function schemas refused",
            "the calls are described in the prompt and written as JSON",
            list(REFUSALS),
        ),
        (
            "a reply in the server's own form",
            "text and reasoning are told apart",
            [row[0] for row in READINGS],
        ),
        (
            "a fault that passes",
            "tried again, as long as the server asks to wait",
            [f"{name} ({count}x)" if count > 1 else name for name, count in PASSING],
        ),
        ("a fault that stays", "one line, after a few tries", [row[0] for row in LASTING]),
        ("a refusal that no repeating mends", "one line, at once", [row[0] for row in AT_ONCE]),
        (
            "a server that cannot be used",
            "one line in under 10 s, before a kernel starts",
            list(UNUSABLE),
        ),
        (
            "a model that takes no pictures",
            "one line, and what to choose instead",
            [text if len(text) < 60 else f"{text[:57]}..." for text in BLIND],
        ),
        (
            "coordinates in the server's convention",
            "source pixels",
            [str(row[0]) for row in POINTS],
        ),
    ]


def page() -> str:
    """The page as it should be."""
    rows = groups()
    text = HEAD.format(count=sum(len(cases) for _, _, cases in rows))
    for tried, outcome, cases in rows:
        listed = "; ".join(case.replace("|", "\\|").replace("\n", " ") for case in cases)
        text += f"| {tried} | {outcome} | {len(cases)} | {listed} |\n"
    return text


def test_there_are_more_than_sixty() -> None:
    assert sum(len(cases) for _, _, cases in groups()) >= 60


def test_the_page_says_what_is_tried() -> None:
    assert PAGE.read_text() == page(), f"run {Path(__file__).name} to write it anew"


if __name__ == "__main__":
    PAGE.write_text(page())
