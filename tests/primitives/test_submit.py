"""What a submission carries along."""

from __future__ import annotations

import sys

import pytest

from spatialclaw.primitives.measure import Measurement
from spatialclaw.primitives.submit import submit

module = sys.modules["spatialclaw.primitives.submit"]
D = Measurement(2.0, "m", 0.1, ("cup in frame 0", "jug in frame 1"), "rgbd")


def submitted(*args, **options):
    submit(*args, **options)
    return dict(module.last)


def test_a_measurement_brings_its_unit_its_error_and_its_evidence_once():
    sigma = {"sigma": 0.1, "unit": "m"}
    lines = ["cup in frame 0", "jug in frame 1"]
    assert submitted(D)["unit"] == "m"
    assert submitted(D)["evidence"] == [*lines, sigma]
    assert submitted(D, evidence=D.evidence)["evidence"] == [*lines, sigma]
    assert submitted(D, evidence=["seen", lines[0]])["evidence"] == ["seen", *lines, sigma]


def test_a_measurement_as_evidence_is_told_with_all_that_is_known():
    given = submitted(D, evidence=["by eye", D])["evidence"]
    assert given == ["by eye", D.as_record()]
    assert submitted("B", evidence=D)["evidence"] == [D.as_record()]


@pytest.mark.parametrize("wrong", [float("nan"), object()])
def test_what_is_no_answer_is_refused(wrong):
    with pytest.raises((ValueError, TypeError), match="submit"):
        submit(wrong)
