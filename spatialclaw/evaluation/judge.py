"""A model that judges free answers, where a benchmark has no rule for them.

Only answers whose scorer is "open" are judged, with one pinned prompt (``prompts/judge.md``). Who
judged, with which prompt and what was said is kept with each score; it can be told from a score by
rule at any time, and is never given anew by a re-score.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any

from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.types import Usage
from spatialclaw.backends.base import ChatClient, Message
from spatialclaw.config import Resolved
from spatialclaw.errors import BackendError
from spatialclaw.evaluation.records import Result
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.store import Store

__all__ = ["Judge", "JudgeOptions", "judge_open", "prompt_version"]

SCORER = "judge"
VERSION = 1
TRIES = 2
_SCORE = re.compile(r"SCORE:\s*\**\s*(\d+(?:\.\d+)?)", re.IGNORECASE)


@dataclass(frozen=True)
class JudgeOptions:
    """Who judges.

    Attributes:
        model: The judge's name on its server.
        base_url: Its server; that of the evaluated model when None.
    """

    model: str
    base_url: str | None = None


def prompt_version(prompts: Prompts) -> str:
    """First digits of the sha256 of the judge's prompt."""
    return sha256(prompts.source("judge").encode()).hexdigest()[:16]


class Judge:
    """Asks a model whether an answer means the same as the truth; no randomness on our side.

    Args:
        chat: The judge.
        prompts: Templates.
    """

    def __init__(self, chat: ChatClient, prompts: Prompts) -> None:
        self._chat = chat
        self._prompts = prompts
        self.version = prompt_version(prompts)

    async def score(self, question: str, result: Result) -> Result:
        """The result with the judge's score; unscored when it says nothing that can be read.

        Raises:
            BackendError: The judge's server failed.
        """
        text = self._prompts.render(
            "judge", question=question, truth=result.truth, reply=result.reply
        )
        usage = Usage(**result.usage)
        said, score = "", None
        for _ in range(TRIES):
            reply = await self._chat.complete(
                [Message("user", (text,))], purpose="judge", temperature=0.0, seed=0
            )
            usage.add(reply.usage)
            said, score = reply.text, read_score(reply.text)
            if score is not None:
                break
        judge = {"model": self._chat.model, "prompt": self.version, "said": said}
        scored = replace(result, judge=judge, usage=asdict(usage))
        if score is None:
            return scored
        return replace(
            scored, score=score, lenient=score, read=said, scorer=SCORER, scorer_version=VERSION
        )


def read_score(text: str) -> float | None:
    """The score in a judge's reply, or None: exactly one line names it, and it lies in 0..1."""
    found = {float(number) for number in _SCORE.findall(text)}
    return found.pop() if len(found) == 1 and 0 <= min(found) <= 1 else None


async def judge_open(
    store: Store,
    rows: Mapping[tuple[str, str], Row],
    options: JudgeOptions,
    resolved: Resolved,
    *,
    concurrency: int = 8,
) -> list[str]:
    """Judges the answers that no rule scores and no judge has seen; goes on where it was killed.

    Args:
        store: Where the results are.
        rows: The questions by (benchmark, uid).
        options: Who judges.
        resolved: The settings of the evaluation.
        concurrency: Requests at once.

    Returns:
        What the user should know, one line each.
    """
    from spatialclaw.backends import resolve

    waiting = [
        r
        for r in await asyncio.to_thread(store.results)
        if r.outcome == "answered" and r.scorer == "open" and (r.benchmark, r.uid) in rows
    ]
    if not waiting:
        return []
    settings = resolved.settings
    changed: dict[str, Any] = {"backend": "openai", "model": options.model}
    changed["base_url"] = options.base_url or settings.base_url
    chosen = await resolve(settings.model_copy(update=changed), sources=resolved.sources)
    assert chosen.backend.chat is not None
    judge = Judge(chosen.backend.chat, Prompts(settings.prompts_dir))
    turns = asyncio.Semaphore(concurrency)
    failures: list[str] = []

    async def one(result: Result) -> None:
        async with turns:
            try:
                judged = await judge.score(rows[result.benchmark, result.uid].question, result)
            except BackendError as error:
                failures.append(str(error))
                return
            await asyncio.to_thread(store.replace, [judged])

    try:
        await asyncio.gather(*(one(result) for result in waiting))
    finally:
        await chosen.backend.aclose()
    return _notes(failures, len(waiting))


def _notes(failures: Sequence[str], count: int) -> list[str]:
    if not failures:
        return []
    return [f"{len(failures)} of {count} free answers were not judged, the first: {failures[0]}"]
