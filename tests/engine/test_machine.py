"""How the processor is described, and what follows for 8-bit sums."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.machine import advise_range, describe_cpu


def test_that_the_processor_is_named_with_its_integer_instructions(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("model name\t: Chip 1\nflags\t\t: fpu avx2 avx512_vnni\n")
    assert describe_cpu(tmp_path / "cpuinfo") == "Chip 1, AVX2, AVX512-VNNI"


@pytest.mark.parametrize(
    ("cpu", "is_advised"),
    [("Chip, AVX2", True), ("Chip, AVX2, AVX-VNNI", False), ("Chip, dot product", False), ("AVX2 chip", False)],
)
def test_that_reduced_ranges_are_advised_where_sums_saturate(cpu: str, is_advised: bool) -> None:
    assert ("--reduce-range" in advise_range(cpu)) == is_advised
