"""Text and token streams as windows of a language model's sequence."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.data.dataset import open_dataset
from engine.data.tokenizing import load_tokenizer
from engine.errors import DataError
from engine.requests.data import DataChoice
from engine.summary import TensorSpec

FREE = (TensorSpec("input_ids", "int64", ("batch", "sequence")),)
FOUR = (TensorSpec("input_ids", "int64", ("batch", 4)),)
BYTES = [f"<0x{value:02X}>" for value in range(256)]


def write_tokenizer(folder: Path, words: list[str], *, bos: int | None = None) -> Path:
    """Better merges first, as SentencePiece scores them."""
    scores = [0.0] * 256 + [-float(rank) for rank in range(len(words))]
    document = {"tokens": [*BYTES, *words], "scores": scores}
    (folder / "tokenizer.json").write_text(json.dumps(document | ({} if bos is None else {"bos": bos})))
    return folder / "tokenizer.json"


def test_that_the_best_pair_is_merged_first(tmp_path: Path) -> None:
    coder = load_tokenizer(write_tokenizer(tmp_path, [" ", "a", "b", "c", "bc", "ab", "abc", " a"]))
    names = [*BYTES, " ", "a", "b", "c", "bc", "ab", "abc", " a"]
    assert [names[number] for number in coder.encode("abc")] == [" ", "abc"]
    assert [names[number] for number in coder.encode("bé")] == [" ", "b", "<0xC3>", "<0xA9>"]


@pytest.mark.assets
def test_that_real_text_gives_the_tokens_that_the_model_was_trained_on(assets: Path) -> None:
    path = assets / "data" / "stories260K_tok512.json"
    tokens = json.loads(path.read_text("utf-8"))["tokens"]
    window = np.load(assets / "data" / "tinystories_tok512_seq257.npz")["tokens"][0, 1:]
    text = "".join("\n" if tokens[number] == "<0x0A>" else tokens[number] for number in window)
    assert list(load_tokenizer(path).encode(text.removeprefix(" "))) == window.tolist()


def test_that_text_becomes_windows_with_next_tokens_as_targets(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, [" ", "a"], bos=7)
    (tmp_path / "t.txt").write_text("aaaaaaaaaa")
    dataset = open_dataset(DataChoice(str(tmp_path / "t.txt")), FOUR)
    batch = next(dataset.batches(8))
    space, letter = 256, 257
    assert (dataset.samples, dataset.is_tokens) == (2, True)
    assert batch.inputs["input_ids"].tolist() == [[7, space, letter, letter], [7, letter, letter, letter]]
    assert batch.targets is not None
    assert batch.targets.tolist() == [[space, letter, letter, letter], [letter] * 4]


def test_that_a_stream_of_ids_is_cut_into_windows(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.arange(12, dtype=np.uint16))
    batch = next(open_dataset(DataChoice(str(tmp_path / "ids.npy")), FOUR).batches(8))
    assert batch.inputs["input_ids"].tolist() == [[0, 1, 2, 3], [5, 6, 7, 8]]
    assert batch.targets is not None
    assert batch.targets.tolist() == [[1, 2, 3, 4], [6, 7, 8, 9]]


@pytest.mark.parametrize(
    ("files", "inputs", "reason"),
    [
        ({"t.txt": "a"}, FREE, "needs the model's tokenizer"),
        ({"t.txt": "a", "tokenizer.json": "[]"}, FREE, "is no tokenizer"),
        ({"t.txt": "a", "tokenizer.json": '{"tokens": ["a"], "scores": []}'}, FREE, "as many 'scores'"),
        ({"t.txt": "a", "tokenizer.json": '{"tokens": ["a b"], "scores": [0]}'}, FREE, "span words"),
        ({"t.txt": "a"}, (TensorSpec("x", "float32", ("n", 4)),), "does not take token ids"),
    ],
)
def test_that_text_without_what_it_needs_is_refused(
    tmp_path: Path, files: dict[str, str], inputs: tuple[TensorSpec, ...], reason: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=reason):
        open_dataset(DataChoice(str(tmp_path / "t.txt")), inputs)


def test_that_too_little_text_is_refused(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, [" ", "a"])
    (tmp_path / "t.txt").write_text("aa")
    with pytest.raises(DataError, match="3 tokens, fewer than one window of 257"):
        open_dataset(DataChoice(str(tmp_path / "t.txt")), FREE)


def test_that_merges_are_those_of_trying_every_pair_anew(tmp_path: Path) -> None:
    words = [" ", "a", "b", "ab", "ba", "aa", "aab", "abab", "bb", " a", "baa"]
    coder = load_tokenizer(write_tokenizer(tmp_path, words))
    names = [*BYTES, *words]
    rank = {word: number for number, word in enumerate(words)}
    generator = np.random.default_rng(0)
    for length in range(40):
        text = "".join(generator.choice(["a", "b"], length))
        parts = list(f" {text}")
        while pairs := [(rank[one + two], at) for at, (one, two) in enumerate(pairwise(parts)) if one + two in rank]:
            at = min(pairs)[1]
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        assert [names[number] for number in coder.encode(text)] == parts


@pytest.mark.timeout(20)
def test_that_a_long_text_without_spaces_is_read_in_time(tmp_path: Path) -> None:
    coder = load_tokenizer(write_tokenizer(tmp_path, [" ", "a", "aa", "aaaa"]))
    assert len(coder.encode("a" * 60_000)) == 1 + 15_000


def test_that_text_beyond_memory_is_refused(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, [" ", "a"])
    with (tmp_path / "t.txt").open("wb") as stream:
        stream.truncate(200_000_000)
    with pytest.raises(DataError, match="200 MB"):
        open_dataset(DataChoice(str(tmp_path / "t.txt")), FOUR)
