"""Tables of labels as people write them."""

from pathlib import Path

import pytest

from engine.bundle.labels import find_class_names
from engine.data.image_dataset import list_images
from engine.data.labels import read_class_names, read_label_table
from engine.data.preprocessing import Preprocessing
from engine.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("p.png", "q.png"):
        (tmp_path / name).write_bytes(b"not looked at")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "file,label\nq.png,5\np.png,2\n",
        "label;Filename\n5;q.png\n2;p.png\n",
        "image\tclass\tnote\nq.png\t5\tx\np.png\t2\ty\n",
        "q.png,5\np.png,2\n",
        "\ufefffile,label\nq.png,5\n\np.png,2\n",
    ],
)
def test_that_usual_columns_and_delimiters_are_found(folder: Path, text: str) -> None:
    (folder / "labels.csv").write_text(text, "utf-8")
    assert read_label_table(folder / "labels.csv", folder) == [(folder / "q.png", 5), (folder / "p.png", 2)]


def test_that_class_names_are_numbered_in_sorted_order(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,label\nq.png,zebra\np.png,ant\n")
    assert [label for _, label in read_label_table(folder / "labels.csv", folder)] == [1, 0]


def test_that_a_table_elsewhere_labels_the_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    table = tmp_path_factory.mktemp("elsewhere") / "truth.csv"
    table.write_text("file,label\np.png,3\n")
    assert [(image.path.name, image.label) for image in list_images(folder, table)] == [("p.png", 3)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file,label\nr.png,1\n", r"Line 2 .*names 'r.png', which is not there"),
        ("file,label\np.png,1\nq.png,ant\n", r"Line 3 .*'ant', where others are numbers"),
        ("file,label\np.png,\n", r"Line 2 .*no label"),
        ("a,b,c\n1,2,3\n", r"columns file,label.*names a, b, c"),
        ("file,label\n", "lists no images"),
        ("file,label\np.png,99999999999999999999\n", r"Line 2 .*which is no class number"),
    ],
)
def test_that_what_makes_no_sense_is_refused_with_its_line(folder: Path, text: str, reason: str) -> None:
    (folder / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=reason):
        list_images(folder)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("image;class\nq.png;zebra\np.png;ant\n", {0: "ant", 1: "zebra"}),
        ("q.png,zebra\np.png,ant\n", {0: "ant", 1: "zebra"}),
        ("file,label,name\nq.png,5,zebra\np.png,-1,ant\n", {5: "zebra", -1: "ant"}),
        ("name,label\nq.png,5\np.png,2\n", {}),
        ("file,label\nq.png,-1\np.png,0\n", {}),
    ],
)
def test_that_names_belong_to_the_numbers_that_labels_have(folder: Path, text: str, names: dict[int, str]) -> None:
    (folder / "labels.csv").write_text(text)
    assert read_class_names(folder / "labels.csv", folder) == names


def test_that_hidden_folders_and_those_without_images_are_no_classes(tmp_path: Path) -> None:
    for name in ("cat/1.png", "dog/.hidden/2.png", "dog/1.png", ".ipynb_checkpoints/1.png", "aaa/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"not looked at")
    found = [(image.path.relative_to(tmp_path).as_posix(), image.label) for image in list_images(tmp_path)]
    assert found == [("cat/1.png", 0), ("dog/1.png", 1)]
    assert find_class_names(tmp_path, None, Preprocessing(label_offset=1)) == ("", "cat", "dog")


def test_that_a_class_number_beyond_reason_makes_no_endless_list(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,label,name\nq.png,2000000000,far\np.png,1,near\n")
    assert find_class_names(folder, None, Preprocessing()) == ("", "near")
