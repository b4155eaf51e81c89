"""What a pickle would call if it were loaded, read from its opcodes without loading it.

The allow-list is that of `torch.load(weights_only=True)` (torch/_weights_only_unpickler.py, torch 2.13)
less what needs numpy or wraps other classes. Everything that is not on it counts as code.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator

_STORAGES = (
    "DoubleStorage", "FloatStorage", "HalfStorage", "LongStorage", "IntStorage", "ShortStorage", "CharStorage",
    "ByteStorage", "BoolStorage", "BFloat16Storage", "ComplexDoubleStorage", "ComplexFloatStorage", "QUInt8Storage",
    "QInt8Storage", "QInt32Storage", "QUInt4x2Storage", "QUInt2x4Storage",
)  # fmt: skip
_DTYPES = (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16",
    "uint8", "bool", "complex32", "complex64", "complex128", "quint8", "qint8", "qint32", "quint4x2", "quint2x4",
    "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip
_REBUILDERS = (
    "_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_qtensor", "_rebuild_tensor",
    "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_sparse_tensor", "_rebuild_meta_tensor_no_storage",
    "_rebuild_nested_tensor", "_rebuild_device_tensor_from_cpu_tensor",
)  # fmt: skip
ALLOWED_GLOBALS = frozenset(
    {
        "collections OrderedDict",
        "collections Counter",
        "torch.nn.parameter Parameter",
        "torch.serialization _get_layout",
        "torch._tensor _rebuild_from_type_v2",
        "torch Size",
        "torch Tensor",
        "torch device",
        "torch.storage UntypedStorage",
        "torch.storage TypedStorage",
        "_codecs encode",
        "builtins bytearray",
        "builtins set",
        "builtins complex",
        *(f"__builtin__ {name}" for name in ("bytearray", "set", "complex")),  # their names in protocol 2
        *(f"torch {name}" for name in (*_STORAGES, *_DTYPES)),
        *(f"torch._utils {name}" for name in _REBUILDERS),
    }
)
# Names that TorchScript's own C++ reader resolves; nothing of Python is looked up for them.
SCRIPT_GLOBALS = frozenset(
    f"torch.jit._pickle {name}"
    for name in (
        "build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "build_tensor_from_id",
        "restore_type_tag",
    )
)  # fmt: skip
# Opcodes that look something up or build an object in a way that plain torch pickles never need.
_REFUSED_OPCODES = frozenset({"INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"})


def find_foreign_globals(data: bytes, *, is_script: bool = False) -> list[str]:
    """What loading the pickle would look up beyond the allow-list, as dotted names; empty if it is harmless.

    Args:
        is_script: allow what only TorchScript's C++ reader resolves: its own classes and list builders.
    """
    try:
        return list(dict.fromkeys(_foreign(data, is_script=is_script)))
    except Exception:  # noqa: BLE001  pickletools raises whatever malformed bytes make of it
        return ["a malformed pickle"]


def _foreign(data: bytes, *, is_script: bool) -> Iterator[str]:
    strings: list[str] = []
    end = 0
    for opcode, argument, position in pickletools.genops(data):
        end = position or 0
        if opcode.name == "GLOBAL":
            if not _is_allowed(str(argument), is_script=is_script):
                yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":  # memoised strings can hide the name, so it is never allowed
            yield ".".join(strings[-2:]) or "a hidden name"
        elif opcode.name in _REFUSED_OPCODES:
            yield str(argument).replace(" ", ".") if argument is not None else f"opcode {opcode.name}"
        elif isinstance(argument, str):
            strings.append(argument)
    if end + 1 < len(data):  # the old format is several pickles in a row, of which only the first was read here
        yield "more data after the pickle"


def _is_allowed(name: str, *, is_script: bool) -> bool:
    if name in ALLOWED_GLOBALS:
        return True
    if not is_script:
        return False
    return name in SCRIPT_GLOBALS or (name.startswith("__torch__") and not name.startswith("__torch__.torch.classes"))
