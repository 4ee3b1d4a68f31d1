"""Before media are read and a kernel starts: can the server be used at all?

A wrong key, an unknown model, a model that takes no pictures and a server that is not there are
said within seconds, in one line, instead of after everything else was made ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import lru_cache
from typing import Any, TypeVar

from spatialclaw.kernel.results import Shown

__all__ = ["CHECK_SECONDS", "HEAD_START", "alongside", "check_message", "preflight"]

CHECK_SECONDS = 8.0
# What is wrong is mostly said at once; only then nothing else was begun for nothing.
HEAD_START = 0.3
T = TypeVar("T")


async def preflight(chat: Any, *, pictures: bool) -> None:
    """Asks a client's server whether it can be used; returns at once where that is known.

    Args:
        chat: A chat client, or None; one without a method `check` is taken as it is.
        pictures: Whether it will be sent pictures.

    Raises:
        BackendError: It cannot; in under ten seconds.
    """
    check = getattr(chat, "check", None)
    if check is not None:
        await check(pictures=pictures)


async def alongside(
    check: Coroutine[Any, Any, None],
    work: Callable[[], Coroutine[Any, Any, T]],
    undo: Callable[[T], Awaitable[None]],
) -> T:
    """Does the work while the check runs, a head start later; the check's failure ends both.

    Args:
        check: Raises when the work is for nothing.
        work: What is to be done.
        undo: Takes back work that was done when the check failed.
    """
    checking = asyncio.ensure_future(check)
    working: asyncio.Future[T] | None = None
    try:
        await asyncio.wait({checking}, timeout=HEAD_START)
        if checking.done():
            checking.result()
            return await work()
        working = asyncio.ensure_future(work())
        await asyncio.wait({checking, working}, return_when=asyncio.FIRST_EXCEPTION)
        if working.done() and not working.cancelled() and working.exception() is not None:
            return working.result()
        await checking
        return await working
    except BaseException:
        await _end(working, undo)
        raise
    finally:
        checking.cancel()
        await asyncio.gather(checking, return_exceptions=True)


async def _end(working: asyncio.Future[T] | None, undo: Callable[[T], Awaitable[None]]) -> None:
    if working is None:
        return
    working.cancel()
    (done,) = await asyncio.gather(working, return_exceptions=True)
    if not isinstance(done, BaseException):
        await undo(done)


@lru_cache(maxsize=1)
def check_message() -> tuple[str, Shown]:
    """What a server is asked, and a small picture to go with it."""
    import io

    from PIL import Image

    from spatialclaw.agent.prompts import Prompts

    buffer = io.BytesIO()
    Image.new("RGB", (96, 96), (60, 120, 200)).save(buffer, "JPEG")
    picture = Shown(buffer.getvalue(), "image/jpeg", 96, 96, "check", {"kind": "array"})
    return Prompts().render("preflight"), picture
