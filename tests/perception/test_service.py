"""The perception service: what a run gets from it, above all when something goes wrong."""

from __future__ import annotations

import os

import cv2
import numpy as np
from service_home import Home, picture, query

from spatialclaw.perception import starting
from spatialclaw.perception.client import LocalClient, Shared


async def test_a_call_starts_the_service_and_gives_what_the_model_computed(
    home: Home, shared: list[Shared]
) -> None:
    assert starting.status() is None
    client = LocalClient()
    reply = await client.call(query("test_edges", shared[:1], threshold=100))
    result = reply.unpack()
    grey = cv2.cvtColor(picture(0), cv2.COLOR_RGB2GRAY)
    expected = cv2.Laplacian(grey, cv2.CV_32F)
    assert np.array_equal(result.arrays["masks"][0], np.abs(expected) > 100)
    assert np.allclose(result.arrays["depth"], np.abs(expected) + 1, rtol=2**-11)
    assert result.meta["sum"] == picture(0).sum(dtype=int)
    assert reply.info["model"] == "test-edges"
    assert not reply.info["cached"]
    state = starting.status()
    assert state is not None
    assert state["pid"] != os.getpid()
    await client.aclose()
