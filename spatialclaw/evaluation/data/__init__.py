"""Data of benchmarks: prepared once, read offline."""

from spatialclaw.evaluation.data import forms
from spatialclaw.evaluation.data.archives import fetch
from spatialclaw.evaluation.data.forms import pick
from spatialclaw.evaluation.data.loading import cache_folder, load_dataset, resolve_name
from spatialclaw.evaluation.source import Record, RowProblem, Source, Subset

__all__ = [
    "Record",
    "RowProblem",
    "Source",
    "Subset",
    "cache_folder",
    "fetch",
    "forms",
    "load_dataset",
    "pick",
    "resolve_name",
]
