"""Deploys a small model on a Ray cluster of this machine; run as a program by its test."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from spatialclaw.errors import PerceptionError
from spatialclaw.evaluation.ray_serve import ServedAdapter, ServeOptions, deploy
from spatialclaw.perception.adapter import Call, ModelInfo, Output
from spatialclaw.primitives.errors import PrimitiveError

INFO = ModelInfo("brightness", ("depth",))


class Brightness:
    """The brightness of a picture for its depth; refuses black ones."""

    info = INFO

    def available(self) -> str | None:
        return None

    def load(self, device: str) -> None:
        self.device = device

    def unload(self) -> None:
        """Nothing."""

    def run(self, calls: Sequence[Call]) -> list[Output]:
        time.sleep(0.1)
        outputs = []
        for call in calls:
            picture = np.asarray(call.images[0], dtype=np.float32)
            if not picture.any():
                raise PrimitiveError("it is black", hint="Give a lit one.")
            depth = picture.mean(axis=2)
            outputs.append(Output({"depth": depth}, {"pid": os.getpid(), "batch": len(calls)}))
        return outputs


def picture(value: int) -> Call:
    return Call("depth", [np.full((4, 6, 3), value, np.uint8)])


def main() -> None:
    options = ServeOptions(num_gpus=0, num_cpus=0.1, min_replicas=0, max_replicas=2, max_batch=4,
                           batch_wait=0.2, idle_seconds=3, health_seconds=1)  # fmt: skip
    deploy("brightness", make=Brightness, options=options)
    served = ServedAdapter(INFO)
    served.load("cpu")
    # No replica runs yet: the first call starts one.
    outputs = served.run([picture(v) for v in (10, 20, 30, 40)])
    assert [float(o.arrays["depth"][0, 0]) for o in outputs] == [10, 20, 30, 40]
    print("batched", [o.meta["batch"] for o in outputs])
    assert max(o.meta["batch"] for o in outputs) > 1
    try:
        served.run([picture(50), picture(0)])
    except PrimitiveError as refusal:
        print("refused", refusal)
    else:
        raise AssertionError("a black picture was taken")
    with ThreadPoolExecutor(16) as threads:
        pids = {
            o.meta["pid"]
            for some in threads.map(lambda _: served.run([picture(9)] * 4), range(40))
            for o in some
        }
    print("replicas", len(pids))
    missing = ServedAdapter(ModelInfo("nowhere", ("depth",)))
    try:
        missing.load("cpu")
    except PerceptionError as error:
        print("missing", error)
    else:
        raise AssertionError("a model that is not deployed was found")


if __name__ == "__main__":
    main()
