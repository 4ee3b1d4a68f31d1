"""The record of a run, and what is made from it."""

from spatialclaw.traces.answer_json import answer_json, answer_schema
from spatialclaw.traces.jsonable import jsonable
from spatialclaw.traces.read import Run
from spatialclaw.traces.record import Recorder, new_run_dir
from spatialclaw.traces.redact import Redactor

__all__ = [
    "Recorder",
    "Redactor",
    "Run",
    "answer_json",
    "answer_schema",
    "jsonable",
    "new_run_dir",
]
