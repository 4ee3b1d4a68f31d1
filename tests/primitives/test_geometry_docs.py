"""The examples in the docstrings run, and what a cell can call is documented."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

from spatialclaw.primitives import draw, geometry, measure

MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (geometry, measure, draw)
    for module in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    found = doctest.testmod(module, extraglobs={"np": np})
    assert found.failed == 0


@pytest.mark.parametrize("package", [geometry, measure, draw], ids=lambda p: p.__name__)
def test_every_public_name_says_what_it_gives(package):
    assert sorted(package.__all__) == package.__all__
    for name in package.__all__:
        thing = getattr(package, name)
        text = inspect.getdoc(thing) or ""
        assert text.split("\n")[0].rstrip().endswith((".", ":")), name
        if inspect.isfunction(thing):
            for parameter in inspect.signature(thing).parameters.values():
                known = parameter.name in text or "as for" in text.lower()
                assert known, f"{name}({parameter.name}) is not explained"
