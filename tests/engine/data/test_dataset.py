"""Data files against the shapes that a model declares."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.data.dataset import describe_dataset, open_dataset
from engine.data_choice_file import load_choice
from engine.errors import DataError, JobCancelled
from engine.job_context import JobContext
from engine.requests.data import DataChoice
from engine.summary import TensorSpec

IMAGE = (TensorSpec("input", "float32", ("batch", 3, 8, 8)),)
ROWS = (TensorSpec("features", "float32", ("batch", 4)),)
SILERO = (
    TensorSpec("input", "float32", ("batch", "sequence")),
    TensorSpec("state", "float32", (2, "batch", 3)),
    TensorSpec("sr", "int64", ()),
)


def save(folder: Path, **arrays: object) -> str:
    np.savez_compressed(folder / "data.npz", **{name: np.asarray(values) for name, values in arrays.items()})
    return str(folder / "data.npz")


def save_preprocessing(folder: Path, **values: object) -> str:
    (folder / "prepare.json").write_text(json.dumps(values))
    return str(folder / "prepare.json")


def test_that_rows_stream_in_order_after_skip_with_labels(tmp_path: Path) -> None:
    values = np.arange(40.0).reshape(10, 4)
    dataset = open_dataset(DataChoice(save(tmp_path, x=values, y=np.arange(10)), skip=2), ROWS)
    batches = list(dataset.batches(3))
    assert dataset.samples == 8
    assert [len(batch) for batch in batches] == [3, 3, 2]
    joined = np.concatenate([batch.inputs["features"] for batch in batches])
    assert joined.dtype == np.float32
    np.testing.assert_array_equal(joined, values[2:])
    labels = [batch.labels for batch in batches if batch.labels is not None]
    np.testing.assert_array_equal(np.concatenate(labels), np.arange(2, 10))


def test_that_limit_cuts_the_stream(tmp_path: Path) -> None:
    dataset = open_dataset(DataChoice(save(tmp_path, x=np.zeros((10, 4)))), ROWS)
    assert [len(batch) for batch in dataset.batches(4, limit=6)] == [4, 2]


@pytest.mark.parametrize("order", ["C", "F"])
def test_that_npy_and_column_major_arrays_give_the_same_rows(tmp_path: Path, order: str) -> None:
    values = np.asarray(np.arange(24.0).reshape(6, 4), order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "a.npy", values)
    for path in (str(tmp_path / "a.npy"), save(tmp_path, features=values)):
        batch = list(open_dataset(DataChoice(path), ROWS).batches(4))[1]
        np.testing.assert_array_equal(batch.inputs["features"], values[4:])


def test_that_tokens_give_inputs_and_next_token_targets(tmp_path: Path) -> None:
    inputs = (TensorSpec("input_ids", "int64", ("batch", "sequence")),)
    tokens = np.arange(15, dtype=np.int32).reshape(3, 5)
    dataset = open_dataset(DataChoice(save(tmp_path, tokens=tokens)), inputs)
    batch = next(dataset.batches(8))
    assert dataset.is_tokens
    assert batch.inputs["input_ids"].dtype == np.int64
    np.testing.assert_array_equal(batch.inputs["input_ids"], tokens[:, :-1])
    assert batch.targets is not None
    np.testing.assert_array_equal(batch.targets, tokens[:, 1:])


def test_that_state_and_scalar_inputs_stay_constant(tmp_path: Path) -> None:
    path = save(tmp_path, input=np.ones((5, 6)), state=np.zeros((2, 1, 3)), sr=16000)
    dataset = open_dataset(DataChoice(path), SILERO)
    batches = list(dataset.batches(32))
    assert (dataset.samples, dataset.batch_size_for(32), len(batches)) == (5, 1, 5)
    assert {name: value.shape for name, value in batches[4].inputs.items()} == {
        "input": (1, 6),
        "state": (2, 1, 3),
        "sr": (),
    }


def test_that_entries_with_an_extra_axis_are_whole_calls(tmp_path: Path) -> None:
    path = save(tmp_path, input=np.ones((5, 6)), state=np.arange(30.0).reshape(5, 2, 1, 3), sr=[16000])
    batches = list(open_dataset(DataChoice(path), SILERO).batches(32))
    assert len(batches) == 5
    assert batches[1].inputs["state"].shape == (2, 1, 3)
    assert batches[1].inputs["input"].shape == (1, 6)


def test_that_a_fixed_batch_drops_the_rest(tmp_path: Path) -> None:
    dataset = open_dataset(DataChoice(save(tmp_path, x=np.zeros((10, 3)))), (TensorSpec("x", "float32", (4, 3)),))
    assert (dataset.batch_size_for(32), dataset.samples) == (4, 8)
    assert [len(batch) for batch in dataset.batches(1, limit=7)] == [4]


@pytest.mark.parametrize(
    ("arrays", "inputs", "text"),
    [
        ({"x": np.zeros((3, 5))}, ROWS, r"data.npz.*\[3, 5\].*expects \[N, 4\]"),
        ({"x": np.zeros((0, 4))}, ROWS, "no samples"),
        ({"x": np.zeros((3, 4)), "y": np.zeros(2, np.int64)}, ROWS, "one label per sample"),
        ({"x": np.zeros((3, 4)), "y": np.zeros(3)}, ROWS, "one class number per sample"),
        ({"x": np.zeros((3, 8, 8, 3), np.uint8)}, IMAGE, "--preprocess"),
        ({"x": np.zeros((3, 4))}, (TensorSpec("x", "int64", ("n", 4)),), "holds fractions"),
        ({"input": np.zeros((3, 4))}, SILERO, "no array for the model's input 'state'"),
        ({"x": np.array([{}], object)}, ROWS, "pickled"),
    ],
)
def test_that_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, arrays: dict[str, object], inputs: tuple[TensorSpec, ...], text: str
) -> None:
    with pytest.raises(DataError, match=text):
        open_dataset(DataChoice(save(tmp_path, **arrays)), inputs)


def test_that_nan_is_counted_and_located(tmp_path: Path) -> None:
    values = np.zeros((9, 4))
    values[5, 1] = values[7, 0] = np.nan
    dataset = open_dataset(DataChoice(save(tmp_path, x=values)), ROWS)
    for read in (lambda: list(dataset.batches(2)), lambda: describe_dataset(dataset)):
        with pytest.raises(DataError, match=r"2 NaN or infinite values.*sample 5"):
            read()


def test_that_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="not a readable"):
        open_dataset(DataChoice(str(tmp_path / "a.npz")), ROWS)


def test_that_preprocessing_follows_the_formula(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    prepare = save_preprocessing(tmp_path, color="BGR", scale=0.5, mean=[1, 2, 3], std=[1, 2, 4], label_offset=1)
    dataset = open_dataset(DataChoice(save(tmp_path, images=images, labels=np.arange(4)), prepare), IMAGE)
    batch = next(dataset.batches(4))
    expected = ((images[..., ::-1] * 0.5 - [1, 2, 3]) / [1, 2, 4]).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(batch.inputs["input"], expected, rtol=1e-6)
    assert batch.labels is not None
    assert batch.labels.tolist() == [1, 2, 3, 4]


def test_that_grey_images_get_their_channel(tmp_path: Path) -> None:
    images = np.full((2, 8, 8), 7, np.uint8)
    choice = DataChoice(save(tmp_path, images=images), save_preprocessing(tmp_path, color="L", layout="NCHW"))
    dataset = open_dataset(choice, (TensorSpec("i", "float32", (1, 1, 8, 8)),))
    assert next(dataset.batches(4)).inputs["i"].shape == (1, 1, 8, 8)


def test_that_unknown_keys_are_named_with_the_known_ones(tmp_path: Path) -> None:
    choice = DataChoice(save(tmp_path, x=np.zeros((1, 4))), save_preprocessing(tmp_path, resise=8))
    with pytest.raises(DataError, match=r"unknown key 'resise'.*resize_short, resize"):
        open_dataset(choice, ROWS)


def test_that_class_folders_take_turns_and_a_broken_image_is_named(tmp_path: Path) -> None:
    for label in ("b", "a"):
        (tmp_path / label).mkdir()
        for index in range(2):
            Image.new("RGB", (12, 10), (index, 0, 0)).save(tmp_path / label / f"{index}.png")
    with pytest.raises(DataError, match="needs preprocessing"):
        open_dataset(DataChoice(str(tmp_path)), IMAGE)
    (tmp_path / "preprocess.json").write_text('{"resize_short": 9, "crop": 8}')
    dataset = open_dataset(DataChoice(str(tmp_path)), IMAGE)
    batch = next(dataset.batches(4))
    assert batch.labels is not None
    assert batch.labels.tolist() == [0, 1, 0, 1]
    assert describe_dataset(dataset).digest == open_dataset(DataChoice(str(tmp_path)), IMAGE).digest
    (tmp_path / "a" / "1.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"1\.png cannot be decoded"):
        list(dataset.batches(4))


def test_that_labels_csv_gives_order_and_labels(tmp_path: Path) -> None:
    for name in ("p.png", "q.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)
    (tmp_path / "labels.csv").write_text("file,label,name\nq.png,5,x\np.png,2,y\n")
    choice = DataChoice(str(tmp_path), save_preprocessing(tmp_path, crop=[8, 8]))
    batch = next(open_dataset(choice, IMAGE).batches(2))
    assert batch.labels is not None
    assert batch.labels.tolist() == [5, 2]


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_that_a_file_with_fewer_values_than_it_says_is_refused_before_memory_is_taken(
    tmp_path: Path, name: str
) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 4)})
    content = stream.getvalue() + bytes(64)
    if name.endswith(".npy"):
        (tmp_path / name).write_bytes(content)
    else:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("x.npy", content)
    with pytest.raises(DataError, match="ends early"):
        open_dataset(DataChoice(str(tmp_path / name), seed=0), ROWS)


@pytest.mark.parametrize("is_folder", [True, False])
def test_that_contents_are_read_of_the_samples_asked_for_and_can_be_cancelled(tmp_path: Path, is_folder: bool) -> None:
    if is_folder:
        for number in range(5):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
        choice, inputs = DataChoice(str(tmp_path), preprocessing="{}"), IMAGE
    else:
        choice, inputs = DataChoice(save(tmp_path, x=np.arange(20.0).reshape(5, 4))), ROWS
    dataset = open_dataset(choice, inputs)
    all_of_them = dataset.content_digests(JobContext())
    assert len(set(all_of_them)) == 5
    assert dataset.content_digests(JobContext(), np.array([3, 1])) == [all_of_them[3], all_of_them[1]]
    if is_folder:
        (tmp_path / "4.png").unlink()
        assert dataset.content_digests(JobContext(), range(2)) == all_of_them[:2]
    context = JobContext()
    context.cancel()
    with pytest.raises(JobCancelled):
        dataset.content_digests(context)


def test_that_no_room_for_a_shuffled_copy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(DataChoice(save(tmp_path, x=np.zeros((50, 4))), seed=0), ROWS)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(DataError, match=r"MB to be shuffled and .* free"):
        next(dataset.batches(4))


def test_that_no_sample_at_all_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="None of the 5 samples"):
        open_dataset(DataChoice(save(tmp_path, x=np.zeros((5, 4))), take=0), ROWS)


def test_that_an_image_that_has_gone_is_named(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    dataset = open_dataset(DataChoice(str(tmp_path), preprocessing="{}"), IMAGE)
    (tmp_path / "2.png").unlink()
    for read in (lambda: dataset.content_digests(JobContext()), lambda: dataset.digest):
        with pytest.raises(DataError, match=r"2\.png"):
            read()


def npy(header: str, content: bytes = bytes(64)) -> bytes:
    """A file with this header, whatever it says."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize(
    "header",
    [
        "{'descr':" + "(" * 5000 + "}",
        "{'descr':'<f4','fortran_order':False,'shape':(True,4),}",
        "{'descr':'<f4','fortran_order':False,'shape':(-1,4),}",
        "{'descr':'<f4','fortran_order':False,'shape':(4",
        "__import__('os').abort()",
        "{'descr':'<f4','fortran_order':False,'shape':(" + "1," * 6000 + "),}",
    ],
    ids=["deep", "bool", "negative", "cut", "code", "long"],
)
def test_that_a_header_that_makes_no_sense_is_refused(tmp_path: Path, header: str, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(npy(header))
    if suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("features.npy", npy(header))
    with pytest.raises(DataError, match="is not a readable") as caught:
        open_dataset(DataChoice(str(path)), ROWS)
    assert "allow_pickle" not in str(caught.value)


def test_that_labels_beyond_int64_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, x=np.zeros((3, 4)), y=np.full(3, 2**63 + 5, np.uint64))
    with pytest.raises(DataError, match="one class number per sample"):
        open_dataset(DataChoice(path), ROWS)


@pytest.mark.parametrize(
    "change", [{"seed": -1}, {"skip": -1}, {"take": -1}, {"excluded": (-1,)}, {"excluded": (10**40,)}]
)
def test_that_a_choice_that_counts_below_zero_is_refused_by_name(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "choice.json"
    path.write_text(json.dumps({"bitsmith_data": 1, "path": "d.npz"} | change))
    with pytest.raises(DataError, match=r"choice\.json is no choice of data"):
        load_choice(path)
