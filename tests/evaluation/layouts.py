"""Small benchmarks in their publishers' own layouts, by name."""

from __future__ import annotations

import base64
import csv
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow
import pyarrow.parquet

from spatialclaw.evaluation.data.tfrecord import masked_crc

LAYOUTS: dict[str, Callable[[Path], int]] = {}


def layout(name: str) -> Callable[[Callable[[Path], int]], Callable[[Path], int]]:
    """Registers a writer: it fills a folder and returns the number of good questions."""

    def register(write: Callable[[Path], int]) -> Callable[[Path], int]:
        LAYOUTS[name] = write
        return write

    return register


def jpeg(value: int = 120, size: tuple[int, int] = (40, 30)) -> bytes:
    picture = np.full((size[1], size[0], 3), value % 256, np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def png(picture: np.ndarray | None = None) -> bytes:
    shown = np.zeros((20, 30, 3), np.uint8) if picture is None else picture
    return cv2.imencode(".png", shown)[1].tobytes()


def mask(size: tuple[int, int] = (40, 30)) -> bytes:
    picture = np.zeros((size[1], size[0]), np.uint8)
    picture[5:20, 10:30] = 255
    return png(picture)


_VIDEO: list[bytes] = []


def video() -> bytes:
    """A short clip; encoded once."""
    if not _VIDEO:
        import av

        buffer = io.BytesIO()
        with av.open(buffer, "w", format="mp4") as out:
            stream = out.add_stream("mpeg4", rate=5)
            stream.width, stream.height = 32, 24
            for i in range(5):
                frame = av.VideoFrame.from_ndarray(np.full((24, 32, 3), i * 40, np.uint8))
                for packet in stream.encode(frame):
                    out.mux(packet)
            for packet in stream.encode():
                out.mux(packet)
        _VIDEO.append(buffer.getvalue())
    return _VIDEO[0]


def put(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def parquet(path: Path, rows: list[dict[str, Any]], **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, **options)


def jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    put(path, "".join(json.dumps(row) + "\n" for row in rows))


def archive(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as out:
            for name, data in files.items():
                out.writestr(name, data)
        return
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def embedded(data: bytes, path: str | None = None) -> dict[str, Any]:
    """A picture as the `datasets` library stores it."""
    return {"bytes": data, "path": path}


# --- tfrecord ---------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def example(features: dict[str, Any]) -> bytes:
    entries = b""
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        if values and isinstance(values[0], int):
            body = field(3, field(1, b"".join(varint(v) for v in values)))
        elif values and isinstance(values[0], float):
            body = field(2, field(1, struct.pack(f"<{len(values)}f", *values)))
        else:
            encoded = [v if isinstance(v, bytes) else str(v).encode() for v in values]
            body = field(1, b"".join(field(1, v) for v in encoded))
        entries += field(1, field(1, name.encode()) + field(2, body))
    return field(1, entries)


def tfrecord(rows: list[dict[str, Any]]) -> bytes:
    out = b""
    for row in rows:
        payload = example(row)
        length = struct.pack("<Q", len(payload))
        out += length + struct.pack("<I", masked_crc(length))
        out += payload + struct.pack("<I", masked_crc(payload))
    return out


# --- one writer a benchmark --------------------------------------------------------------------

ERQA_TEXT = (
    "Which gripper is nearer to the mug? Choices: A. Left. B. Right. C. Both. D. Neither. "
    "Please answer directly with only the letter of the correct option and nothing else."
)


@layout("erqa")
def erqa(root: Path) -> int:
    rows = [
        {
            "question_id": f"ERQA_{i}",
            "question": ERQA_TEXT,
            "question_type": "Spatial Reasoning",
            "answer": "ABCD"[i % 4],
            "visual_indices": [0, 35] if i else [0],
            "images": [embedded(jpeg(i)), embedded(jpeg(i + 9))] if i else [embedded(jpeg(i))],
        }
        for i in range(4)
    ]
    parquet(root / "data" / "test-00000-of-00001.parquet", rows)
    return 4


@layout("omni3d-bench")
def omni3d(root: Path) -> int:
    answers = [("float", 1.35), ("int", "3"), ("str", "yes"), ("str", "left chair"), ("float", "2")]
    name = "images/ARKitScenes/Training/40000001/40000001_12.jpg"
    rows = [
        {
            "image_index": "17",
            "question_index": str(i),
            "image_filename": name,
            "question": "If the sofa is 2.1 m wide, how wide is the window behind it in metres?",
            "answer_type": kind,
            "answer": answer,
        }
        for i, (kind, answer) in enumerate(answers)
    ]
    put(root / "annotations.json", json.dumps({"questions": rows}))
    put(root / name, jpeg())
    return 5


@layout("omnispatial")
def omnispatial(root: Path) -> int:
    rows = [
        {
            "id": "41_0",
            "question": "Which way should the robot turn to face the door?",
            "options": ["Left", "Right", "Neither", "Backwards"][:count],
            "answer": 1,
            "task_type": task,
            "sub_task_type": "Egocentric",
        }
        for task, count in (("Perspective_Taking", 4), ("Complex_Logic", 2))
    ]
    top = "OmniSpatial-test"
    files = {f"{top}/{row['task_type']}/41.png": png() for row in rows}
    files[f"{top}/data.json"] = json.dumps(rows).encode()
    archive(root / "OmniSpatial-test.zip", files)
    return 2


@layout("spbench")
def spbench(root: Path) -> int:
    def row(kind: str, truth: str, options: list[str] | None, images: list[str]) -> dict[str, Any]:
        return {
            "id": 77 if options is None else 78,
            "dataset": "scannet",
            "scene_name": "scene9999_00",
            "question_type": kind,
            "question": "What is the distance in meters between the lamp and the desk?",
            "options": options,
            "ground_truth": truth,
            "images": images,
        }

    choice = ["A. left", "B. right", "C. behind", "D. in front"]
    si = [
        row("object_abs_distance", "1.8", None, ["120.jpg"]),
        row("object_rel_direction", "C", choice, ["120.jpg"]),
    ]
    mv = [
        row("object_counting", "4", None, ["120.jpg", "240.jpg"]),
        row("object_rel_distance", "A", choice, ["120.jpg", "240.jpg"]),
    ]
    parquet(root / "SPBench-SI.parquet", si)
    parquet(root / "SPBench-MV.parquet", mv)
    archive(root / "SPBench-SI-images.zip", {"scene9999_00/120.jpg": jpeg(1)})
    archive(
        root / "SPBench-MV-images.zip",
        {"scene9999_00/120.jpg": jpeg(2), "scene9999_00/240.jpg": jpeg(3)},
    )
    return 4


@layout("mindcube")
def mindcube(root: Path) -> int:
    images = ["other_all_image/among/x901/front.jpg", "other_all_image/among/x901/left.jpg"]
    text = (
        "Based on these images: if I stand at view 2 facing the vase, what is behind me? "
        "A. Sofa B. Door C. Shelf D. Window"
    )
    rows = [
        {
            "id": id,
            "category": ["perspective"],
            "type": "what_if",
            "images": images,
            "question": text,
            "gt_answer": letter,
        }
        for id, letter in (
            ("among_group901_q2_3_1", "C"),
            ("translation_group2_q1", "A"),
            ("rotation_group5_q1", "B"),
            ("around_group7_q9", "D"),
        )
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    files = {f"data/{path}": jpeg() for path in images}
    files |= {"data/raw/MindCube.jsonl": lines, "data/raw/MindCube_tinybench.jsonl": lines}
    archive(root / "data.zip", files)
    return 4


@layout("mmsi-bench")
def mmsi(root: Path) -> int:
    rows = [
        {
            "id": 777 + i,
            "images": [jpeg(i), jpeg(i + 1)],
            "question_type": "Positional Relationship (Cam.–Obj.)",
            "question": "The two photos were taken from one spot. Where is the bin?\n"
            "Options: A: Left, B: Right, C: Behind, D: In front",
            "answer": "ABCD"[i],
            "thought": "secret",
            "difficulty": "medium",
        }
        for i in range(4)
    ]
    parquet(root / "MMSI_Bench.parquet", rows)
    return 4


SPAR_MOTION = "move_right:0.4,move_down:0.1,move_forward:0.9,rotate_left:15,rotate_up:5"


@layout("spar-bench")
def spar(root: Path) -> int:
    cases = [
        ("fill", "view_change_infer", SPAR_MOTION, "How did the camera move?"),
        ("fill", "depth_prediction_oc", "1.5", "How deep is the chair?"),
        ("fill", "distance_prediction_oo_mv", "0.8", "How far apart are they?"),
        ("select", "position_matching", "B", "Which box?\nA. one\nB. two\nC. three\nD. four"),
        ("select", "obj_spatial_relation_oo", "A", "Which? A. left B. right C. up D. down"),
    ]
    rows = [
        {
            "id": 90210 + i,
            "img_type": "multi_view",
            "format_type": kind,
            "task": task,
            "source": "scannet",
            "image": [embedded(jpeg(i)), embedded(jpeg(i + 50))],
            "question": question,
            "answer": answer,
        }
        for i, (kind, task, answer, question) in enumerate(cases)
    ]
    parquet(root / "data" / "test-00000-of-00002.parquet", rows[:3])
    parquet(root / "data" / "test-00001-of-00002.parquet", rows[3:])
    return 5


@layout("blink")
def blink(root: Path) -> int:
    for task in ("Relative_Depth", "Multi-view_Reasoning"):
        rows = [
            {
                "idx": f"val_{task}_{i}",
                "sub_task": task,
                "question": "Which point is closer to the camera?",
                "prompt": "Two points are marked... (A) A is closer (B) B is closer",
                "image_1": embedded(jpeg(i)),
                "image_2": embedded(jpeg(i + 3)) if i else None,
                "image_3": None,
                "image_4": None,
                "choices": ["A is closer", "B is closer"],
                "answer": "(A)" if i else "(B)",
                "explanation": "",
            }
            for i in range(2)
        ]
        parquet(root / task / "val-00000-of-00001.parquet", rows)
        hidden = [{**row, "answer": "hidden"} for row in rows]
        parquet(root / task / "test-00000-of-00001.parquet", hidden)
    return 4


@layout("spatialtree-bench")
def spatialtree(root: Path) -> int:
    pose = json.dumps({"roll": 2, "pitch": -5, "vfov": 60})
    steps = json.dumps({"0": {"actions": ["W"], "step_nums": [10]}})
    encoded = base64.b64encode(mask()).decode()
    lamp, sofa = {"position": [2, 5], "facing": "right"}, {"position": [5, 5]}
    card = json.dumps({"lamp": lamp, "sofa": sofa})
    sigma = {"roll_unc": 2, "pitch_unc": 2, "vfov_unc": 5}
    nav = json.dumps({"actions": ["W", "→"], "step_nums": [10, 4]})
    turned = [0.0, 0.0, 0.3, 0.0, 0.0, *(float(f(np.pi / 36)) for f in (np.sin, np.cos))]
    ways = {
        "optimal_rel_pose": [[0.0, 0, 0, 0, 0, 0, 1], [0.0, 0, 0.1, 0, 0, 0, 1], turned],
        "0->1": {"translation_step_size": 0.01, "rotation_step_size": 0.01},
        "1->2": {"translation_step_size": 0.02, "rotation_step_size": float(np.pi / 72)},
    }
    arm = {key: ways[key] for key in ("0->1",)} | {"optimal_rel_pose": ways["optimal_rel_pose"][:2]}
    cases: list[tuple[str, str, str, list[str], Any, list[str]]] = [
        ("meanrelativeacc", "open", "2.4", [], "", ["L1", "Geometry", "Distance"]),
        (
            "multichoiceeval",
            "multiple-choice",
            "B",
            ["near", "far", "same"],
            "",
            ["L1", "Relation"],
        ),
        ("multichoiceeval", "open", "3", [], "", ["L2", "Memory", "Memory Retrieval"]),
        ("judge", "judge", "yes", [], "", ["L3", "Causal Reasoning", "Relation"]),
        ("gravityeval", "open", pose, [], sigma, ["L1", "Orientation", "Gravity"]),
        ("affmask", "open", encoded, [], "", ["L2", "Understanding", "Affordance"]),
        ("cogmapeval", "open", "B", [], {"cogmap": card}, ["L2", "Memory", "Cognitive Map"]),
        ("manipulateeval", "open", steps, [], arm, ["L4", "Goal-Driven Execution", "Robotic Arm"]),
        ("agenticnaveval", "open", nav, [], ways, ["L4", "Goal-Driven Execution"]),
        ("gpteval", "open", "a cup", [], "", ["L2", "Understanding", "Spatial Caption"]),
    ]
    rows = []
    for i, (metric, kind, answer, options, hint, path) in enumerate(cases):
        info = {"metricfunc": metric, "pe_style": "style_1"}
        info |= {f"spatree{k}": name for k, name in enumerate(path)}
        moving = i in (1, 2)
        rows.append(
            {
                "session_id": f"geo-dist-{i:04d}",
                "question": "How far is the chair from the camera, in metres?",
                "question_type": kind,
                "answer": answer,
                "option": options,
                "hint": json.dumps(hint) if hint else "",
                "video": ["videos/a.mp4"] if moving else [],
                "image": [] if moving else ["images/geo/0042.jpg"],
                "video_info": [{"frame_index": [0, 2, 4]}] if moving else [],
                "extra_info": json.dumps(info),
            }
        )
    parquet(root / "annotations_plain.parquet", rows)
    put(root / "images" / "geo" / "0042.jpg", jpeg())
    put(root / "videos" / "a.mp4", video())
    return len(rows)


@layout("viewspatial-bench")
def viewspatial(root: Path) -> int:
    def row(paths: list[str], choices: str, answer: str) -> dict[str, Any]:
        return {
            "question_type": "Person perspective - Relative Direction",
            "image_path": [f"ViewSpatial-Bench/{path}" for path in paths],
            "question": "From the view of the person holding the umbrella, where is the dog?",
            "answer": answer,
            "choices": choices,
        }

    four = "A. back\nB. right\nC. front-left\nD. left"
    rooms = [f"scannetv2_val/scene0011_00/original_images/{i}.jpg" for i in (0, 10)]
    rows = [
        row(["val2017/000000999999.jpg"], four, "C. front-left"),
        row(rooms, "A. left\nB. right", "B. right"),
    ]
    put(root / "ViewSpatial-Bench.json", json.dumps(rows))
    archive(root / "val2017.zip", {"val2017/000000999999.jpg": jpeg()})
    inner = {path.removeprefix("scannetv2_val/"): jpeg() for path in rooms}
    archive(root / "scannetv2_val.zip", inner)
    return 2


@layout("mmsi-video-bench")
def mmsi_video(root: Path) -> int:
    def row(i: int, videos: list[str], images: list[str], text: str) -> dict[str, Any]:
        return {
            "id": f"question_{2001 + i}",
            "type": "Planning",
            "ori_question": "To reach the lift from the end of the clip, where do I turn first?",
            "options": ["A. left", "B. right", "C. straight on", "D. back"],
            "ground_truth": "B",
            "hint": "secret",
            "ref_images": images,
            "video_list": [
                {"path": path, "start": 3.0, "end": 21.5, "base_fps": 30.0} for path in videos
            ],
            "frames_list": [["frames/x/1/0001.jpg", "frames/x/1/0002.jpg"]],
            "system_prompt": "Look.",
            "task_prompt": "Plan.",
            "user_prompt": text,
            "format_prompt": "Letter.",
        }

    rows = [
        row(0, ["videos/x/1.mp4"], ["ref_images/r.jpg"], "<video> then <image> where?"),
        row(1, ["videos/x/gone.mp4"], [], "<video> where?"),
    ]
    put(root / "mmsivideo.json", json.dumps(rows))
    archive(root / "videos.zip", {"videos/x/1.mp4": video()})
    archive(root / "ref_images.zip", {"ref_images/r.jpg": jpeg()})
    archive(root / "frames.zip", {f"frames/x/1/000{i}.jpg": jpeg() for i in (1, 2)})
    return 2


@layout("osi-bench")
def osi(root: Path) -> int:
    cases = [
        ("absolute_speed", "numerical", "1.4", []),
        ("absolute_displacement", "numerical", "0", []),
        ("depth_aware_counting", "numerical", "2", []),
        ("relative_distance", "mcq", "C", ["A. one", "B. two", "C. three", "D. four"]),
        ("trajectory_description", "mcq", "A", ["A. on", "B. back", "C. left", "D. right"]),
    ]
    rows = [
        {
            "index": 5001 + i,
            "video": "walk_0999",
            "file_name": "walk_0999.mp4",
            "category": category,
            "question_type": kind,
            "question": "What is the average speed of object 3 between 2.0 s and 6.0 s, in m/s?",
            "options": options,
            "answer": answer,
            "video_length": 12.5,
        }
        for i, (category, kind, answer, options) in enumerate(cases)
    ]
    parquet(root / "data.parquet", rows)
    archive(root / "videos_000.tar", {"walk_0999.mp4": video()})
    return 5


@layout("pai-bench")
def pai(root: Path) -> int:
    rows = [
        {
            "question": "What happens after the arm releases the block? Please answer directly "
            "with only the letter of the correct option and nothing else.",
            "index2ans": {"A": "It falls", "B": "It slides", "C": "Nothing", "D": None},
            "answer": letter,
            "video_path": "robot/clip_0901.mp4",
            "category": "Embodied Reasoning",
            "subcategory": "Robotic arm",
        }
        for letter in "AC"
    ]
    parquet(root / "data" / "test-00000-of-00001.parquet", rows)
    put(root / "videos" / "robot" / "clip_0901.mp4", video())
    return 2


@layout("vsi-bench")
def vsi(root: Path) -> int:
    def row(i: int, kind: str, truth: str, options: list[str] | None) -> dict[str, Any]:
        return {
            "id": 6001 + i,
            "dataset": "arkitscenes",
            "scene_name": "41999999",
            "question_type": kind,
            "question": "How many stool(s) are in this room?",
            "ground_truth": truth,
            "options": options,
            "pruned": i == 0,
        }

    rows = [
        row(0, "object_counting", "3", None),
        row(1, "object_rel_direction_hard", "B", ["A. left", "B. right"]),
        row(2, "room_size_estimation", "17.5", None),
    ]
    jsonl(root / "test.jsonl", rows)
    parquet(root / "test_debiased.parquet", rows[1:])
    parquet(root / "test_pruned.parquet", rows[:1])
    archive(root / "arkitscenes.zip", {"arkitscenes/41999999.mp4": video()})
    return 3


@layout("vsti-bench")
def vsti(root: Path) -> int:
    text = "How far does the camera move between frame 4 of 32 and frame 11 of 32, in metres?"
    cases = [
        ("camera_displacement", "1.3", None, []),
        ("camera_obj_abs_dist", "2.0", None, ["A. 1", "B. 2"]),
        ("camera_movement_direction", "left", "C", ["A. on", "B. right", "C. left"]),
    ]
    rows = [
        {
            "id": f"vsti_{90001 + i}",
            "video_path": "ScanNet/videos/val/scene9998_00.mp4",
            "question_type": kind,
            "question": text,
            "options": options,
            "ground_truth": truth,
            "mc_answer": letter,
        }
        for i, (kind, truth, letter, options) in enumerate(cases)
    ]
    put(root / "test.json", json.dumps(rows))
    put(root / "ScanNet" / "videos" / "val" / "scene9998_00.mp4", video())
    return 3


@layout("dsi-bench")
def dsi(root: Path) -> int:
    names = ("cate", "relative_path", "video_type", "question", "options", "GT", "others")
    for version in ("std", "hflip", "reverse", "reverse_hflip"):
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(names)
        for i, letter in enumerate("AC"):
            options = "A: forward; B: backward; C: left; D: right"
            path = "CameraBench/zz_0001.mp4"
            writer.writerow([i, path, 0, "How does the camera move?", options, letter, ""])
        put(root / "metadatas" / f"{version}.csv", out.getvalue())
        put(root / "videos" / version / "CameraBench" / "zz_0001.mp4", video())
    return 8


@layout("cvbench-video")
def cvbench_video(root: Path) -> int:
    cases = [
        (["A. None", "B. One", "C. Both"], "B"),
        (["Yes", "No"], "Yes"),
        (["A. None B. One C. Both D. All"], "D"),
    ]
    rows = [
        {
            "id": 4007 + i,
            "task_type": "Cross-video Counting",
            "video_1": "6/abcd.mp4",
            "video_2": "6/efgh.mp4",
            "video_3": None,
            "video_4": None,
            "question": "In how many of the videos does a red car appear?",
            "options": options,
            "answer": answer,
        }
        for i, (options, answer) in enumerate(cases)
    ]
    parquet(root / "data" / "test-00000-of-00001.parquet", rows)
    archive(root / "CVBench.zip", {f"CVBench/6/{n}.mp4": video() for n in ("abcd", "efgh")})
    return 3


@layout("perceptioncomp")
def perceptioncomp(root: Path) -> int:
    names = ["Bakery", "Bank", "Florist", "Cafe", "Bookshop"]
    rows = [
        {
            "key": str(2201 + i),
            "video_id": "tour_xyz",
            "question": "Which shop lies two doors after the fountain?",
            **{f"answer_choice_{k}": text for k, text in enumerate(names)},
            "answer_id": i + 2,
            "answer": names[i + 2],
            "category": "outdoor tour",
            "difficulty": 2,
        }
        for i in range(2)
    ]
    put(root / "questions.json", json.dumps(rows))
    put(root / "data" / "tour_xyz.mp4", video())
    return 2


@layout("video-mme")
def video_mme(root: Path) -> int:
    rows = [
        {
            "video_id": "905",
            "duration": "medium",
            "domain": "Life Record",
            "sub_category": "Travel",
            "url": "https://example.org/v",
            "videoID": "zzYYxx00",
            "question_id": f"905-{i}",
            "task_type": "Counting Problem",
            "question": "How many bridges are crossed?",
            "options": ["A. 1.", "B. 2.", "C. 3.", "D. 4."],
            "answer": letter,
        }
        for i, letter in enumerate("CA", 1)
    ]
    parquet(root / "videomme" / "test-00000-of-00001.parquet", rows)
    archive(root / "videos_chunked_01.zip", {"data/zzYYxx00.mp4": video()})
    return 2


@layout("video-mme-v2")
def video_mme_v2(root: Path) -> int:
    rows = [
        {
            "video_id": "7",
            "question_id": f"7-{i}",
            "question": "Why does he go back?",
            "options": "\n".join(f"{letter}. reason {letter}" for letter in "ABCDEFGH"),
            "answer": "FGHA"[i - 1],
            "group_type": "logic",
            "group_structure": "[1, [2, 3], 4]",
            "level": "2",
            "second_head": "Temporal",
            "third_head": "Causality",
        }
        for i in range(1, 5)
    ]
    parquet(root / "test.parquet", rows)
    archive(root / "videos" / "001.zip", {"007.mp4": video()})
    return 4


POLYGON = "[(0.10, 0.52), (0.31, 0.52), (0.31, 0.70), (0.10, 0.70)]"


@layout("robospatial-home")
def robospatial(root: Path) -> int:
    for split, answer in (("compatibility", "yes"), ("configuration", "No"), ("context", POLYGON)):
        row = {
            "category": split,
            "question": "Pinpoint several points in the vacant space left of the kettle.",
            "answer": answer,
            "img": embedded(jpeg()),
            "depth_image": embedded(png()),
            "mask": embedded(mask()) if split == "context" else None,
        }
        parquet(root / "data" / f"{split}-00000-of-00001.parquet", [row])
    return 3


@layout("refspatial-bench")
def refspatial(root: Path) -> int:
    for split in ("location", "placement", "unseen"):
        row = {
            "id": 501,
            "image": embedded(jpeg()),
            "mask": embedded(mask()),
            "object": "the free spot between the bowls",
            "prompt": "Please point out the free spot between the two bowls.",
            "suffix": "Your answer is a list of tuples.",
            "step": 2,
        }
        parquet(root / "data" / f"{split}-00000-of-00001.parquet", [row])
    return 3


@layout("bop-ask")
def bop_ask(root: Path) -> int:
    for name in ("boppose", "bopgrasp"):
        row = {"id": 1, "question": "Where?", "answer": "[[1, 2]]", "image": embedded(jpeg())}
        parquet(root / "data" / f"{name}-00000-of-00001.parquet", [row])
    return 2


@layout("cvbench-image")
def cvbench_image(root: Path) -> int:
    sets = [("2D", "ADE20K"), ("2D", "COCO"), ("3D", "Omni3D")]
    for name in ("2D", "3D"):
        rows = [
            {
                "idx": i,
                "type": kind,
                "task": "Count",
                "image": embedded(jpeg(i)),
                "question": "How many chairs?",
                "choices": ["1", "2", "3", "4"],
                "answer": "(C)",
                "prompt": "How many chairs? (A) 1 (B) 2 (C) 3 (D) 4",
                "filename": f"img/{i}.png",
                "source": source,
            }
            for i, (kind, source) in enumerate(sets)
            if kind == name
        ]
        parquet(root / f"test_{name.lower()}.parquet", rows)
    return 3


@layout("vilasr-eval")
def vilasr(root: Path) -> int:
    def row(i: int, kind: str, answer: str, path: str) -> dict[str, Any]:
        return {
            "problem_id": 31 + i,
            "problem_type": kind,
            "question": "How long is it? A. long B. short",
            "answer": f"<answer>{answer}</answer>",
            "path": [path],
            "data_type": "video" if path.endswith("mp4") else "image",
        }

    clip, picture = "scannet/scene9997_00.mp4", "maze/1.png"
    sets = {
        "vsi_bench": [row(0, "regression", "1.9", clip), row(1, "multiple choice", "B", clip)],
        "maze": [row(0, "multiple choice", "A", picture)],
        "SpatialEval_spatialreal": [row(0, "numerical", "12", picture)],
        "spar_bench": [row(0, "vci", SPAR_MOTION, picture), row(1, "numerical", "0.46", picture)],
        "mmsi_bench": [row(0, "multiple choice", "B", picture)],
    }
    for name, rows in sets.items():
        put(root / f"{name}.json", json.dumps(rows))
    put(root / clip, video())
    put(root / picture, png())
    return 7


@layout("spatialeval")
def spatialeval(root: Path) -> int:
    text = "... how many right turns are there? Available options: A. 0 B. 3 C. 2 D. 5"
    cases = [
        ("mazenav.vqa.9001.0", "3", "B"),
        ("mazenav.vqa.9001.2", "Yes", "A"),
        ("spatialmap.vqa.1.0", "Northeast", "A"),
    ]
    for config in ("tqa", "vqa", "vtqa"):
        rows = [
            {
                "id": id.replace("vqa", config),
                "text": text,
                "oracle_answer": answer,
                "oracle_option": letter,
                "oracle_full_answer": f"{letter}. {answer}",
                **({} if config == "tqa" else {"image": embedded(png())}),
            }
            for id, answer, letter in cases
        ]
        parquet(root / config / "test-00000-of-00001.parquet", rows)
    return 3
