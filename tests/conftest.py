"""Fixtures for all tests: isolated settings, fixed seeds, real assets, and no leftovers."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# Before anything imports Qt; a developer may set another platform to watch.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT.parent / "shared" / "assets"
SAMPLE = ROOT / "resources" / "sample"
SEED = 20_240_229
LEFTOVER_GRACE_S = 2.0

# Examples are drawn the same way every time, and a busy machine is no failure.
settings.register_profile("bitsmith", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("bitsmith")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `assets` where the models and data are absent."""
    if ASSETS.is_dir():
        return
    absent = pytest.mark.skip(reason=f"the real models and data are absent ({ASSETS})")
    for item in items:
        if item.get_closest_marker("assets"):
            item.add_marker(absent)


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real models and data; a test that uses it is marked `assets`."""
    return ASSETS


@pytest.fixture(scope="session")
def sample_folder() -> Path:
    """The bundled sample: digits.onnx, digits_calibration.npz, digits_test.npz, sample.json."""
    return SAMPLE


@pytest.fixture(scope="session")
def sample_model() -> Path:
    """The bundled model."""
    return SAMPLE / "digits.onnx"


@pytest.fixture(scope="session")
def sample_calibration_data() -> Path:
    """200 labelled digits that the bundled model was not trained on."""
    return SAMPLE / "digits_calibration.npz"


@pytest.fixture(scope="session")
def sample_test_data() -> Path:
    """500 more of them."""
    return SAMPLE / "digits_test.npz"


@pytest.fixture(autouse=True, scope="session")
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the settings, caches or recent files of whoever runs it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "USERPROFILE"):
            patch.setenv(name, str(home))
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "APPDATA", "LOCALAPPDATA"):
            folder = home / name.lower()
            folder.mkdir()
            patch.setenv(name, str(folder))
        yield home


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Chance is the same in every run and in every order of tests."""
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002  for libraries that draw from the global generator


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    """A test ends the threads and worker processes that it starts."""
    threads = set(threading.enumerate())
    children = {child.pid for child in multiprocessing.active_children()}
    yield
    deadline = time.monotonic() + LEFTOVER_GRACE_S
    while (left := _leftovers(threads, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left, f"left running: {', '.join(left)}"


def _leftovers(threads: set[threading.Thread], children: set[int | None]) -> list[str]:
    running = [thread.name for thread in threading.enumerate() if thread not in threads and not thread.daemon]
    return running + [child.name for child in multiprocessing.active_children() if child.pid not in children]
