"""Files of PyTorch that several tests open; torch is slow to import and to export, so they are made once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def quiet_torch() -> Iterator[None]:
    """What torch itself deprecates is no failure of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="session")
def torch_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """conv.pt2, mlp.pt2, traced.pt, scripted.pt, state.pth, old_state.pth, checkpoint.pth, module.pt."""
    from tests.engine.pytorch.networks import mlp, save_program, small_conv

    folder = tmp_path_factory.mktemp("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        conv, x = small_conv(), torch.randn(2, 3, 16, 16)
        save_program(conv, (x,), folder / "conv.pt2")
        save_program(mlp(), (torch.randn(2, 64),), folder / "mlp.pt2")
        torch.jit.trace(conv, x).save(folder / "traced.pt")
        torch.jit.script(conv).save(folder / "scripted.pt")
        torch.save(conv.state_dict(), folder / "state.pth")
        torch.save(conv.state_dict(), folder / "old_state.pth", _use_new_zipfile_serialization=False)
        torch.save({"epoch": 3, "model": conv.state_dict()}, folder / "checkpoint.pth")
        torch.save(conv, folder / "module.pt")
    return folder
