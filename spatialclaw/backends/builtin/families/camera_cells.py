"""The cells about the camera, as templates."""

from __future__ import annotations

__all__ = ["CHAIN", "CHECK", "CHOOSE", "MOTION", "POSED", "REPORT", "STILL", "TRACK"]

REPORT = """\
print(motion)
dx, dy, dz = (round(float(v), 4) for v in motion.translation)
yaw, pitch, roll = (round(float(v), 2) for v in (motion.yaw_deg, motion.pitch_deg, motion.roll_deg))
angle = round(float(motion.turn_deg), 2)
moved, scaled, method = bool(motion.moved), bool(motion.metric), motion.method
sure = round(float(motion.confidence), 3)
for name in ("dx", "dy", "dz", "yaw", "pitch", "roll", "angle", "moved", "scaled", "method", "sure"):
    print(f"{name} = {globals()[name]!r}")
"""

MOTION = """\
a, b = frames[{a}], frames[{b}]
motion = {motion}
show(a, b, title="from the first to the second")
"""

CHAIN = """\
picked = list(frames[{a} : {b} + 1].sample({n}))
turn, place, total_yaw, total_pitch, doubt, failed = np.eye(3), np.zeros(3), 0.0, 0.0, [], 0
scaled, moved = True, False
for a, b in zip(picked, picked[1:]):
    try:
        motion = geometry.camera_motion(a, b)
    except Exception as error:
        print(f"{{a.position}} -> {{b.position}}: {{error}}")
        failed += 1
        continue
    place = place + turn @ np.asarray(motion.translation)
    turn = turn @ np.asarray(motion.rotation)
    total_yaw, total_pitch = total_yaw + motion.yaw_deg, total_pitch + motion.pitch_deg
    doubt.append(float(motion.confidence))
    scaled, moved = scaled and motion.metric, moved or motion.moved
    print(a.position, "->", b.position, motion)
dx, dy, dz = (round(float(v), 4) for v in place)
yaw, pitch, roll = round(float(total_yaw), 2), round(float(total_pitch), 2), 0.0
angle = round(float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))), 2)
sure = round(float(np.mean(doubt)) * (1 - failed / max(len(picked) - 1, 1)), 3) if doubt else 0.0
method = "chain of " + str(len(doubt)) + " steps"
for name in ("dx", "dy", "dz", "yaw", "pitch", "roll", "angle", "moved", "scaled", "method", "sure", "failed"):
    print(f"{{name}} = {{globals()[name]!r}}")
"""

CHOOSE = """\
from spatialclaw.primitives.geometry.words import choose
step = np.array([dx, dy, dz])
word, margin = choose(step, {words!r}) if np.any(step) else ("none", 0.0)
likely = getattr(motion, "probabilities", {{}})
print(f"word = {{word!r}}")
print(f"margin = {{round(float(margin), 1)}}")
print(f"likely = {{dict(likely)!r}}")
"""

CHECK = """\
from spatialclaw.primitives.motion import estimate_motion
try:
    other = {other}
    print(other)
    back_x, back_y, back_z = (round(float(v), 4) for v in {sign} * {turned})
    back_yaw, back_pitch = round({sign} * float(other.yaw_deg), 2), round({sign} * float(other.pitch_deg), 2)
    for name in ("back_x", "back_y", "back_z", "back_yaw", "back_pitch"):
        print(f"{{name}} = {{globals()[name]!r}}")
except Exception as error:
    print("no second way:", error)
"""

TRACK = """\
with_pose = [f for f in frames[{a} : {b} + 1] if f.pose is not None]
places = np.array([f.pose[:3, 3] for f in with_pose])
steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
straight, path = float(np.linalg.norm(places[-1] - places[0])), float(steps.sum())
seconds = None if with_pose[0].time is None or with_pose[-1].time is None else with_pose[-1].time - with_pose[0].time
print(with_pose[0], "to", with_pose[-1])
print(f"straight = {{round(straight, 4)}}")
print(f"path = {{round(path, 4)}}")
print(f"seconds = {{seconds}}")
print(f"poses = {{len(places)}}")
show(draw.trajectory(places), title="the camera's path from above")
"""

STILL = """\
from spatialclaw.primitives.match import raw_matches
picked = list(frames.sample(7))
parts = []
for a, b in [*zip(picked, picked[1:]), (picked[0], picked[-1])]:
    p, q, _ = raw_matches(a.image, b.image, longest=640, limit=1500)
    if len(p) < 8:
        print(f"{a.position} -> {b.position}: only {len(p)} points are found again")
        parts.append(None)
        continue
    shift = np.linalg.norm(q - p, axis=1)
    still = float(np.mean(shift < max(1.5, 0.002 * max(a.width, a.height))))
    parts.append(round(still, 3))
    print(f"{a.position} -> {b.position}: {still:.0%} of {len(p)} points stay where they are, "
          f"median shift {np.median(shift):.2f} px")
print(f"stay = {parts}")
"""

POSED = """\
picked = [f for f in frames if f.pose is not None]
span = max(float(np.linalg.norm(f.pose[:3, 3] - picked[0].pose[:3, 3])) for f in picked)
turned = max(float(np.degrees(np.arccos(np.clip((np.trace(f.pose[:3, :3].T @ picked[0].pose[:3, :3]) - 1) / 2, -1, 1)))) for f in picked)
print(f"span = {round(span, 4)}")
print(f"turned = {round(turned, 3)}")
"""
