"""A process with one model: takes batches from the service, gives packed results back.

It ends when the service does. A batch that does not fit into memory is halved until it does; a
batch of which one call fails is answered call by call, so that the others do not pay for it.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import numpy as np

from spatialclaw.errors import SpatialclawError
from spatialclaw.perception.adapter import Adapter, Call, Output
from spatialclaw.perception.packed import pack
from spatialclaw.perception.wire import Closed, receive_blocking, send_blocking, share
from spatialclaw.primitives.errors import PrimitiveError

__all__ = ["answer", "main"]

Answer = Output | BaseException


def answer(adapter: Adapter, calls: Sequence[Call]) -> tuple[list[Answer], int]:
    """Answers of a batch, an exception for each call that has none.

    Args:
        adapter: A loaded model.
        calls: Calls of one method.

    Returns:
        The answers, and the largest batch that fits into memory where this one did not, else 0.
    """
    try:
        outputs = adapter.run(calls)
        if len(outputs) != len(calls):
            raise RuntimeError(f"{len(calls)} calls gave {len(outputs)} answers")
        return list(outputs), 0
    except MemoryError as error:
        if len(calls) == 1:
            return [error], 0
    except Exception as error:  # a model's code may raise anything; the service has to go on
        if len(calls) > 1:
            return [answer(adapter, [call])[0][0] for call in calls], 0
        if not isinstance(error, PrimitiveError):
            traceback.print_exc()
        return [error], 0
    gc.collect()
    half = (len(calls) + 1) // 2
    first, fits = answer(adapter, calls[:half])
    rest, other = answer(adapter, calls[half:])
    return [*first, *rest], min(fits or half, other or half)


def _open_call(said: dict[str, Any], maps: list[mmap.mmap]) -> Call:
    images = []
    for image in said["images"]:
        blob = np.frombuffer(maps[image["blob"]], dtype=np.uint8)
        height, width = image["height"], image["width"]
        pixels = blob[image["offset"] : image["offset"] + 3 * height * width]
        images.append(pixels.reshape(height, width, 3))
    arrays = {
        name: np.frombuffer(a["data"], dtype=np.dtype(a["dtype"])).reshape(a["shape"])
        for name, a in said["arrays"].items()
    }
    return Call(said["method"], images, said["params"], arrays)


def _run(adapter: Adapter, request: dict[str, Any], fds: list[int]) -> tuple[Any, list[int]]:
    results: list[dict[str, Any]] = [{} for _ in request["calls"]]
    calls: dict[int, Call] = {}
    maps: list[mmap.mmap] | None = None
    for place, said in enumerate(request["calls"]):
        try:
            maps = maps or [mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ) for fd in fds]
            calls[place] = _open_call(said, maps)
        except (ValueError, OSError) as error:  # a file that was cut short, or taken away
            results[place] = {"ok": False, "error": describe(error, adapter.info.name)}
    answers, fits = answer(adapter, list(calls.values())) if calls else ([], 0)
    given: list[int] = []
    for (place, call), found in zip(calls.items(), answers, strict=True):
        failure: BaseException
        if isinstance(found, Output):
            try:
                parts = pack(found.arrays, found.meta, model=adapter.info.name, method=call.method)
                given.append(share(parts))
                results[place] = {"ok": True, "bytes": sum(len(part) for part in parts)}
                continue
            except (TypeError, ValueError, OSError) as error:
                failure = error
        else:
            failure = found
        results[place] = {"ok": False, "error": describe(failure, adapter.info.name)}
    return {"results": results, "fits": fits, **usage()}, given


def describe(error: BaseException, model: str) -> dict[str, Any]:
    """An error as it is sent: its type, message and hint."""
    if isinstance(error, MemoryError):
        return {"type": "MemoryError", "message": f"{model} ran out of memory ({error})"}
    if isinstance(error, PrimitiveError):
        candidates = [str(c)[:200] for c in getattr(error, "candidates", [])][:20]
        return {
            "type": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "candidates": candidates,
        }
    if isinstance(error, SpatialclawError):
        return {"type": "Unavailable", "message": error.message, "hint": error.hint}
    first = " ".join(str(error).split())[:300]
    return {"type": "PrimitiveError", "message": f"{model}: {type(error).__name__}: {first}"}


def usage() -> dict[str, int]:
    """Memory of this process, what torch holds of the GPU, and what that has; bytes."""
    import psutil

    torch = sys.modules.get("torch")
    gpu = gpu_total = 0
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        gpu = int(torch.cuda.memory_reserved())
        gpu_total = int(torch.cuda.mem_get_info()[1])
    memory = int(psutil.Process().memory_info().rss)
    return {"memory": memory, "gpu_memory": gpu, "gpu_total": gpu_total}


def _load(name: str, device: str, limit: int) -> tuple[Adapter | None, dict[str, Any]]:
    from spatialclaw.perception.registry import find

    try:
        adapter = find(name)
        device = _device(device, adapter)
        if device == "cpu" and limit and sys.platform == "linux":
            import resource

            hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
        adapter.load(device)
    except Exception as error:  # a model's code may raise anything; it is told to the caller
        if not isinstance(error, PrimitiveError | SpatialclawError):
            traceback.print_exc()
        return None, {"ok": False, "error": describe(error, name), **usage()}
    return adapter, {"ok": True, "device": device, **usage()}


def _device(wanted: str, adapter: Adapter) -> str:
    if wanted != "auto" or "torch" not in adapter.info.packages:
        return "cpu" if wanted == "auto" else wanted
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def _end_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main(number: int) -> None:
    """Serves the socket of this descriptor until the other side closes it."""
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sock = socket.socket(fileno=number)
    adapter: Adapter | None = None
    with contextlib.suppress(Closed, BrokenPipeError, ConnectionResetError):
        while True:
            request, fds = receive_blocking(sock)
            given: list[int] = []
            try:
                if request["op"] == "load":
                    adapter, reply = _load(request["model"], request["device"], request["limit"])
                elif adapter is None:
                    raise Closed("no model is loaded")
                else:
                    reply, given = _run(adapter, request, fds)
                send_blocking(sock, reply, given)
            finally:
                for fd in (*fds, *given):
                    os.close(fd)
    # At once: what a model's packages do on the way out is of no use to anybody.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
