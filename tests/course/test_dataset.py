from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from autograder.course.dataset import END, build_dataset, load_names, vocabulary
from autograder.errors import ContentError

LECTURE = Path(__file__).parents[3] / "shared" / "data" / "lecture-names.txt"


def slowly(names: list[str], block_size: int, stoi: dict[str, int]) -> tuple[list[list[int]], list[int]]:
    """As in the lectures: a loop over the names, a loop over the characters."""
    contexts, targets = [], []
    for name in names:
        context = [stoi[END]] * block_size
        for character in name + END:
            contexts.append(context)
            targets.append(stoi[character])
            context = [*context[1:], stoi[character]]
    return contexts, targets


def assert_same_as_slowly(names: list[str], block_size: int) -> tuple[Tensor, Tensor]:
    stoi = vocabulary(names)
    contexts, targets = build_dataset(names, block_size, stoi)
    assert contexts.dtype == targets.dtype == torch.int64
    assert contexts.shape == (len(targets), block_size)
    assert (contexts.tolist(), targets.tolist()) == slowly(names, block_size, stoi)
    return contexts, targets


class TestExamples:
    @pytest.mark.parametrize("block_size", [1, 2, 3, 4])
    @pytest.mark.parametrize(
        "names",
        [
            ["emma"],
            ["emma", "olivia", "ava"],
            ["a"],
            [""],
            ["", "ab", ""],
            ["a.b", "."],
            ["zoë", "søren", "李", "😀a"],
            ["ab"] * 5,
            [],
        ],
        ids=lambda names: "+".join(names) or repr(names),
    )
    def test_they_are_those_of_a_plain_loop(self, names: list[str], block_size: int) -> None:
        assert_same_as_slowly(names, block_size)

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=6), st.integers(1, 5))
    def test_they_are_those_of_a_plain_loop_for_any_names(self, names: list[str], block_size: int) -> None:
        assert_same_as_slowly(names, block_size)

    def test_the_first_name_reads_as_in_the_lecture(self) -> None:
        stoi = vocabulary(["emma"])
        itos = {index: character for character, index in stoi.items()}
        contexts, targets = build_dataset(["emma"], 3, stoi)
        lines = [
            "".join(itos[int(index)] for index in context) + itos[int(target)]
            for context, target in zip(contexts, targets, strict=True)
        ]
        assert lines == ["...e", "..em", ".emm", "emma", "mma."]

    def test_no_names_give_no_examples(self) -> None:
        contexts, targets = build_dataset([], 3, {END: 0})
        assert contexts.shape == (0, 3)
        assert targets.shape == (0,)

    def test_the_tensors_can_be_written_to(self) -> None:
        contexts, targets = build_dataset(["emma"], 3, vocabulary(["emma"]))
        contexts[0, 0] = targets[0] = 1
        assert contexts[0, 0] == targets[0] == 1

    def test_a_character_that_the_vocabulary_lacks_is_named(self) -> None:
        with pytest.raises(ContentError) as raised:
            build_dataset(["emma", "olivia"], 3, vocabulary(["emma"]))
        message = "the vocabulary lacks ['i', 'l', 'o', 'v']. Make it from all names, with `vocabulary(names)`."
        assert str(raised.value) == message

    def test_a_vocabulary_without_the_end_is_refused(self) -> None:
        with pytest.raises(ContentError):
            build_dataset(["ab"], 3, {"a": 0, "b": 1})


class TestVocabulary:
    def test_the_end_comes_first_and_then_the_alphabet(self) -> None:
        assert vocabulary(["emma", "ava"]) == {".": 0, "a": 1, "e": 2, "m": 3, "v": 4}

    def test_a_name_with_the_end_in_it_adds_no_second_one(self) -> None:
        assert vocabulary(["a.b"]) == {".": 0, "a": 1, "b": 2}

    def test_without_names_there_is_the_end_alone(self) -> None:
        assert vocabulary([]) == {".": 0}

    def test_that_of_the_course_has_27_characters(self) -> None:
        assert "".join(vocabulary(load_names())) == ".abcdefghijklmnopqrstuvwxyz"


class TestNames:
    def test_those_of_the_course_come_with_the_package(self) -> None:
        names = load_names()
        assert len(names) == 32469
        assert names[0] == "emma"
        assert all(name.isascii() and name.islower() and name.isalpha() for name in names)

    def test_they_are_read_in_the_order_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "names.txt"
        path.write_bytes("zoë\r\nada\n\nada".encode())
        assert load_names(path) == load_names(str(path)) == ["zoë", "ada", "ada"]

    @pytest.mark.parametrize("name", ["missing.txt", "."])
    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        with pytest.raises(ContentError) as raised:
            load_names(path)
        message = f"there is no list of names at {path}. Give the path of a text file with one name a line."
        assert str(raised.value) == message

    @pytest.mark.parametrize("text", ["", "\n \n"])
    def test_a_file_without_names_is_named(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "names.txt"
        path.write_text(text)
        with pytest.raises(ContentError) as raised:
            load_names(path)
        assert str(raised.value) == f"{path} is empty. It should have one name a line."

    def test_a_file_that_is_no_text_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "names.txt"
        path.write_bytes("zoë".encode("latin-1"))
        with pytest.raises(ContentError) as raised:
            load_names(path)
        assert str(raised.value).startswith(f"{path} is no UTF-8 text ('utf-8' codec can't decode byte 0xeb in position 2: ")
        assert str(raised.value).endswith("). Save it as UTF-8, one name a line.")

    def test_the_mark_that_some_editors_put_first_is_no_part_of_a_name(self, tmp_path: Path) -> None:
        path = tmp_path / "names.txt"
        path.write_bytes(b"\xef\xbb\xbfemma\r\nava\r\n")
        assert load_names(path) == ["emma", "ava"]


SPLITS: list[tuple[Path | None, tuple[int, int, int]]] = [(None, (185346, 23267, 23105))]
if LECTURE.is_file():
    SPLITS.append((LECTURE, (182625, 22655, 22866)))


@pytest.mark.parametrize(("path", "sizes"), SPLITS)
def test_a_shuffle_and_a_split_give_these_sizes(path: Path | None, sizes: tuple[int, int, int]) -> None:
    names = load_names(path)
    stoi = vocabulary(names)
    random.Random(42).shuffle(names)
    first, second = int(0.8 * len(names)), int(0.9 * len(names))
    parts = (names[:first], names[first:second], names[second:])
    assert tuple(len(build_dataset(part, 3, stoi)[0]) for part in parts) == sizes


def test_all_examples_of_the_course_are_those_of_a_plain_loop() -> None:
    contexts, _ = assert_same_as_slowly(load_names(), 3)
    assert len(contexts) == sum(len(name) + 1 for name in load_names())
