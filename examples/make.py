"""Makes the example captures and their questions anew: ``python examples/make.py``.

Everything follows from the seeds below. Needs Open3D's system libraries (``spatialclaw doctor`` says
whether they are there); takes a few minutes on two cores.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np

from spatialclaw.evaluation.synth.camera import Camera
from spatialclaw.evaluation.synth.render import Quality
from spatialclaw.evaluation.synth.rooms import make_room, tour
from spatialclaw.evaluation.synth.write import write_capture

HERE = Path(__file__).resolve().parent
ROOM_SEED = 2
QUALITY = Quality(grid=3, shadow=2, corners=2)


def room(out: Path) -> None:
    """A furnished room seen from ten places."""
    scene = make_room(ROOM_SEED)
    caster = scene.raycaster()
    cameras = tour(scene, caster, Camera(640, 480, 460.0, np.eye(4)), 10, ROOM_SEED)
    views = [caster.view(camera, QUALITY, seed=k) for k, camera in enumerate(cameras)]
    write_capture(out / "room", cameras, views, scene.things)


def main() -> None:
    """Writes all examples, or those named."""
    makers = {"room": room}
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("what", nargs="*", help=f"some of: {', '.join(makers)}")
    parser.add_argument("--out", type=Path, default=HERE, help="where to")
    arguments = parser.parse_args()
    for name in arguments.what or makers:
        shutil.rmtree(arguments.out / name, ignore_errors=True)
        makers[name](arguments.out)
        print(f"made {name}")


if __name__ == "__main__":
    main()
