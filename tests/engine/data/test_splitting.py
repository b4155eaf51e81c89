"""Orders and parts of samples: disjoint, complete, the same every time, balanced over classes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.data.dataset import open_dataset
from engine.data.dividing import divide_data
from engine.data.splitting import select_samples, shuffled_order
from engine.errors import DataError
from engine.job_context import JobContext
from engine.requests.data import DataChoice, EvaluationSource, SplitRequest
from engine.summary import TensorSpec

ROWS = (TensorSpec("x", "float32", ("batch", 4)),)
IMAGE = (TensorSpec("input", "float32", ("batch", 3, 8, 8)),)


@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    seed=st.integers(0, 1000),
    part=st.floats(0, 1),
    data=st.data(),
)
def test_that_parts_share_no_sample_and_leave_none_out(
    labels: list[int], seed: int, part: float, data: st.DataObject
) -> None:
    total, skip = len(labels), int(part * (len(labels) - 1))
    excluded = tuple(data.draw(st.sets(st.integers(0, total - 1), max_size=total - skip - 1)))
    numbers = np.asarray(labels)
    first = select_samples(total, numbers, DataChoice("d", seed=seed, take=skip, excluded=excluded), "d")
    rest = select_samples(total, numbers, DataChoice("d", seed=seed, skip=skip, excluded=excluded), "d")
    assert sorted([*first, *rest, *excluded]) == list(range(total))


@given(counts=st.lists(st.integers(1, 12), min_size=1, max_size=6), seed=st.integers(0, 1000), data=st.data())
def test_that_any_first_part_has_all_classes_in_equal_parts_as_far_as_they_last(
    counts: list[int], seed: int, data: st.DataObject
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    taken = data.draw(st.integers(1, len(labels)))
    found = np.bincount(labels[shuffled_order(len(labels), labels, seed)[:taken]], minlength=len(counts))
    unfinished = found[found < np.asarray(counts)]
    assert not len(unfinished) or found.max() - unfinished.min() <= 1


def test_that_the_order_is_decided_by_the_seed_alone() -> None:
    labels = np.arange(50) % 3
    assert shuffled_order(50, labels, 7).tolist() == shuffled_order(50, labels, 7).tolist()
    assert shuffled_order(50, labels, 7).tolist() != shuffled_order(50, labels, 8).tolist()
    assert shuffled_order(50, None, 7).tolist() != list(range(50))


@pytest.mark.parametrize("kind", ["compressed", "stored", "column-major", "npy"])
def test_that_rows_in_another_order_are_the_files_rows(tmp_path: Path, kind: str) -> None:
    values = np.arange(40.0, dtype=np.float32).reshape(10, 4)
    path = tmp_path / ("d.npy" if kind == "npy" else "d.npz")
    if kind == "npy":
        np.save(path, values)
    else:
        stored = np.asfortranarray(values) if kind == "column-major" else values
        save = np.savez_compressed if kind == "compressed" else np.savez
        save(path, x=stored, labels=np.arange(10) // 5)
    dataset = open_dataset(DataChoice(str(path), seed=3, take=7), ROWS)
    batches = list(dataset.batches(3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    joined = np.concatenate([batch.inputs["x"] for batch in batches])
    np.testing.assert_array_equal(joined, values[np.asarray(dataset.rows)])
    if kind != "npy":
        labels = np.concatenate([batch.labels for batch in batches if batch.labels is not None])
        np.testing.assert_array_equal(labels, np.asarray(dataset.rows) // 5)


def test_that_a_nan_in_a_sample_that_is_left_out_does_no_harm(tmp_path: Path) -> None:
    values = np.zeros((9, 4), np.float32)
    values[5, 1] = np.nan
    np.savez(tmp_path / "d.npz", x=values)
    choice = DataChoice(str(tmp_path / "d.npz"), seed=0)
    open_dataset(DataChoice(choice.path, seed=0, excluded=(5,)), ROWS).ensure_finite()
    with pytest.raises(DataError, match=r"1 NaN or infinite value .*sample 5"):
        open_dataset(choice, ROWS).ensure_finite()


def test_that_the_digest_tells_orders_apart(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((9, 4), np.float32))
    path = str(tmp_path / "d.npz")
    choices = (DataChoice(path), DataChoice(path, seed=0), DataChoice(path, seed=1), DataChoice(path, excluded=(1,)))
    assert len({open_dataset(choice, ROWS).digest for choice in choices}) == 4
    assert open_dataset(DataChoice(path, skip=2), ROWS).digest == open_dataset(choices[0], ROWS).digest


# --- two sources -----------------------------------------------------------------------------------


def write_rows(path: Path, start: int, stop: int) -> DataChoice:
    np.savez(path, x=np.arange(start * 4, stop * 4, dtype=np.float32).reshape(-1, 4))
    return DataChoice(str(path))


def rows_of(choice: DataChoice) -> set[float]:
    return {float(row[0]) for batch in open_dataset(choice, ROWS).batches(4) for row in batch.inputs["x"]}


def test_that_one_source_is_divided_and_at_most_half_of_it_calibrates(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "d.npz", 0, 10)
    split = divide_data(SplitRequest("m", data, samples=8), ROWS, JobContext())
    assert (split.samples, split.evaluation_samples, split.total) == (5, 5, 10)
    assert split.evaluation is not None
    first, rest = rows_of(split.calibration), rows_of(split.evaluation)
    assert not first & rest
    assert len(first | rest) == 10


def test_that_samples_of_both_sources_are_left_out_of_evaluation(tmp_path: Path) -> None:
    one, other = write_rows(tmp_path / "a.npz", 0, 10), write_rows(tmp_path / "b.npz", 6, 16)
    request = SplitRequest("m", one, other, EvaluationSource.OTHER, samples=10)
    split = divide_data(request, ROWS, JobContext())
    assert split.evaluation is not None
    assert split.shared == 4
    assert rows_of(split.evaluation) == {float(4 * row) for row in range(10, 16)}
    assert not rows_of(split.calibration) & rows_of(split.evaluation)


@pytest.mark.parametrize("is_copy", [False, True])
def test_that_the_same_data_given_twice_are_divided(tmp_path: Path, is_copy: bool) -> None:
    one = write_rows(tmp_path / "a.npz", 0, 10)
    other = write_rows(tmp_path / "b.npz", 0, 10) if is_copy else DataChoice(str(tmp_path / "." / "a.npz"))
    request = SplitRequest("m", one, other, EvaluationSource.OTHER, samples=10)
    split = divide_data(request, ROWS, JobContext())
    assert split.is_one_source
    assert split.shared
    assert split.evaluation is not None
    assert not rows_of(split.calibration) & rows_of(split.evaluation)


def test_that_a_single_sample_cannot_be_divided(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "d.npz", 0, 1)
    with pytest.raises(DataError, match="too few"):
        divide_data(SplitRequest("m", data), ROWS, JobContext())
    alone = divide_data(SplitRequest("m", data, source=EvaluationSource.NONE), ROWS, JobContext())
    assert (alone.samples, alone.evaluation) == (1, None)


def test_that_sorted_class_folders_give_all_classes_to_both_parts(tmp_path: Path) -> None:
    for label in "abc":
        (tmp_path / "images" / label).mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", (8, 8), (ord(label), index, 0)).save(tmp_path / "images" / label / f"{index}.png")
    data = DataChoice(str(tmp_path / "images"), preprocessing="{}")
    split = divide_data(SplitRequest("m", data, samples=6), IMAGE, JobContext())
    assert split.evaluation is not None
    for choice in (split.calibration, split.evaluation):
        batch = next(open_dataset(choice, IMAGE).batches(12))
        assert batch.labels is not None
        assert np.bincount(batch.labels).tolist() == [2, 2, 2]
