"""What computes here: the processor, its integer instructions, and the runtime, in words."""

from __future__ import annotations

import platform
from pathlib import Path

_CPU_FEATURES = {
    "AVX2": ("avx2",),
    "AVX512-VNNI": ("avx512_vnni",),
    "AVX-VNNI": ("avx_vnni",),
    "AMX": ("amx_int8",),
    "dot product": ("asimddp",),
    "I8MM": ("i8mm",),
}


def describe_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name and the instruction sets that integer kernels depend on, in one line."""
    try:
        lines = cpuinfo.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    entries: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        entries.setdefault(key.strip().lower(), value.strip())
    flags = set((entries.get("flags") or entries.get("features") or "").split())
    name = entries.get("model name") or platform.processor() or platform.machine()
    return ", ".join([name, *(label for label, needed in _CPU_FEATURES.items() if flags.issuperset(needed))])


def cpu_features() -> frozenset[str]:
    """The instruction sets of `describe_cpu`."""
    return frozenset(describe_cpu().split(", ")[1:]) & _CPU_FEATURES.keys()


def describe_runtime() -> str:
    """Name and version of the runtime, without loading it."""
    from importlib.metadata import version

    return f"onnxruntime {version('onnxruntime')}"


def advise_range(cpu: str) -> str:
    """What to do where sums of 8-bit products saturate, as `describe_cpu` shows; empty where they do not."""
    features = cpu.split(", ")[1:]
    if "AVX2" not in features or "VNNI" in cpu:
        return ""
    return "This processor has no VNNI, so sums of 8-bit products can saturate; --reduce-range avoids that."
