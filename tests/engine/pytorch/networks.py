"""Small PyTorch networks and hostile pickles that the tests of this folder build."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class SmallConv(nn.Module):
    """Convolutions with a BatchNorm, groups and strides, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.body = nn.Conv2d(8, 16, 3, stride=2, groups=2)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(self.body(x))
        head: Tensor = self.head(x.mean((2, 3)))
        return head


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 128)
        self.second = nn.Linear(128, 32)

    def forward(self, x: Tensor) -> Tensor:
        second: Tensor = self.second(torch.relu(self.first(x)))
        return second


def small_conv() -> SmallConv:
    torch.manual_seed(0)
    return SmallConv().eval()


def mlp() -> Mlp:
    torch.manual_seed(1)
    return Mlp().eval()


class Attack:
    """Unpickles to the result of `exec`, which writes the marker file."""

    def __init__(self, marker: Path) -> None:
        self.code = f"open({str(marker)!r}, 'w').close()"

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return (exec, (self.code,))


def hostile_pickle(marker: Path, protocol: int = 2) -> bytes:
    return pickle.dumps(Attack(marker), protocol=protocol)


def hostile_blob(marker: Path) -> bytes:
    """What torch.save writes, with code to run inside."""
    buffer = io.BytesIO()
    torch.save(({"x": Attack(marker)},), buffer)
    return buffer.getvalue()


def rewrite_archive(
    source: Path,
    target: Path,
    replaced: Mapping[str, bytes] | None = None,
    edit: Mapping[str, Callable[[bytes], bytes]] | None = None,
) -> Path:
    """A copy with members added, replaced or edited; names are without the outer folder."""
    replaced, edit = dict(replaced or {}), dict(edit or {})
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        folder = old.namelist()[0].split("/", 1)[0]
        for member in old.namelist():
            name = member.split("/", 1)[1]
            data = replaced.pop(name, None)
            data = old.read(member) if data is None else data
            new.writestr(member, edit[name](data) if name in edit else data)
        for name, data in replaced.items():
            new.writestr(f"{folder}/{name}", data)
    return target


def save_program(network: nn.Module, example: tuple[Any, ...], path: Path, *, is_dynamic: bool = True) -> Path:
    shapes = tuple({0: torch.export.Dim("batch")} for _ in example) if is_dynamic else None
    torch.export.save(torch.export.export(network, example, dynamic_shapes=shapes), path)
    return path
