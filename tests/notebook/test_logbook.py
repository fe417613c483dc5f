from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.course.questions import fingerprint
from autograder.notebook import logbook
from autograder.notebook.logbook import ASIDE, PROGRESS_FILE, Entry, first_sentence, page, read, write_entries
from autograder.verdict import Outcome, Verdict

FORWARD, OTHER = "a = x * 2\nloss = a.sum()", "b = x * 3\nloss = b.sum()"
RIGHT = Verdict("da", Outcome.RIGHT, "It holds. Always.")
WRONG = Verdict("dx", Outcome.WRONG, "The sign is wrong. All of it.", "1", "-1")


def test_what_is_noted_can_be_read_again(tmp_path: Path) -> None:
    write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    write_entries(tmp_path, {FORWARD: [(WRONG, "dx = 2")]})
    assert page(read(tmp_path), FORWARD) == {
        "da": Entry(Outcome.RIGHT, "It holds.", fingerprint("da = 1")),
        "dx": Entry(Outcome.WRONG, "The sign is wrong.", fingerprint("dx = 2")),
    }


def test_nothing_is_known_before_anything_was_noted(tmp_path: Path) -> None:
    assert page(read(tmp_path), FORWARD) == {}
    assert os.listdir(tmp_path) == []


def test_the_last_verdict_counts(tmp_path: Path) -> None:
    write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    write_entries(tmp_path, {FORWARD: [(Verdict("da", Outcome.WRONG, "No."), "da = 0")]})
    assert page(read(tmp_path), FORWARD)["da"].outcome is Outcome.WRONG


def test_forward_passes_are_kept_apart(tmp_path: Path) -> None:
    write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    write_entries(tmp_path, {OTHER: [(Verdict("da", Outcome.WRONG, "No."), "da = 0")]})
    assert page(read(tmp_path), FORWARD)["da"].outcome is Outcome.RIGHT
    assert page(read(tmp_path), f"\n{OTHER}\n")["da"].outcome is Outcome.WRONG


def test_the_file_is_small_plain_json(tmp_path: Path) -> None:
    write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    text = (tmp_path / PROGRESS_FILE).read_text(encoding="utf-8")
    entry = {"outcome": "right", "sentence": "It holds.", "answer": fingerprint("da = 1")}
    assert json.loads(text) == {fingerprint(FORWARD): {"da": entry}}
    assert len(text.splitlines()) > 5


def test_an_answer_that_is_not_there_is_not_noted(tmp_path: Path) -> None:
    write_entries(tmp_path, {FORWARD: [(Verdict("da", Outcome.NOT_ATTEMPTED, "There is no `da` yet."), " \n")]})
    assert os.listdir(tmp_path) == []


def test_what_is_known_already_is_not_written_again(tmp_path: Path) -> None:
    write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    before = (tmp_path / PROGRESS_FILE).stat()
    write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    assert (tmp_path / PROGRESS_FILE).stat().st_ino == before.st_ino


BROKEN = {
    "empty": b"",
    "truncated": b'{"abc": {"da": {"outcome": "ri',
    "not JSON": b"da is right",
    "not text": b"\xff\xfe\x00",
    "a list": b"[]",
    "null": b"null",
    "a page that is a list": b'{"abc": []}',
    "an entry that is a text": b'{"abc": {"da": "right"}}',
    "an entry without an answer": b'{"abc": {"da": {"outcome": "right", "sentence": ""}}}',
    "an entry with more": b'{"abc": {"da": {"outcome": "right", "sentence": "", "answer": "", "more": 1}}}',
    "an outcome that is none": b'{"abc": {"da": {"outcome": "perfect", "sentence": "", "answer": ""}}}',
    "an outcome that is a list": b'{"abc": {"da": {"outcome": [], "sentence": "", "answer": ""}}}',
    "a sentence that is a number": b'{"abc": {"da": {"outcome": "right", "sentence": 1, "answer": ""}}}',
    "an answer that is null": b'{"abc": {"da": {"outcome": "right", "sentence": "", "answer": null}}}',
    "nested too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
class TestBroken:
    def test_it_is_moved_aside_when_it_is_read(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / PROGRESS_FILE).write_bytes(content)
        assert page(read(tmp_path), FORWARD) == {}
        assert os.listdir(tmp_path) == [ASIDE]
        assert (tmp_path / ASIDE).read_bytes() == content

    def test_a_new_one_is_begun_when_something_is_noted(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / PROGRESS_FILE).write_bytes(content)
        write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
        assert page(read(tmp_path), FORWARD).keys() == {"da"}
        assert sorted(os.listdir(tmp_path)) == [PROGRESS_FILE, ASIDE]


def test_a_folder_of_that_name_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / PROGRESS_FILE / "inside").mkdir(parents=True)
    write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    assert page(read(tmp_path), FORWARD).keys() == {"da"}
    assert (tmp_path / ASIDE / "inside").is_dir()


def test_where_it_cannot_be_moved_aside_there_is_no_logbook_and_no_error(tmp_path: Path) -> None:
    (tmp_path / PROGRESS_FILE / "inside").mkdir(parents=True)
    (tmp_path / ASIDE / "full").mkdir(parents=True)
    write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    assert page(read(tmp_path), FORWARD) == {}
    assert sorted(os.listdir(tmp_path)) == [PROGRESS_FILE, ASIDE]


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    write_entries(tmp_path / "gone", {FORWARD: [(RIGHT, "da = 1")]})
    assert page(read(tmp_path / "gone"), FORWARD) == {}


@pytest.mark.parametrize("operation", ["autograder.files.NamedTemporaryFile", "autograder.files.os.replace"])
def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    assert write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    before = (tmp_path / PROGRESS_FILE).read_bytes()
    monkeypatch.setattr(operation, refuse)
    assert not write_entries(tmp_path, {FORWARD: [(WRONG, "dx = 2")]})
    monkeypatch.undo()
    assert os.listdir(tmp_path) == [PROGRESS_FILE]
    assert (tmp_path / PROGRESS_FILE).read_bytes() == before


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace
    seen: list[tuple[bytes, bytes]] = []

    def watch(new: str, old: Path) -> None:
        assert Path(new).parent == tmp_path  # a file system of its own would make it a copy
        seen.append((Path(old).read_bytes(), Path(new).read_bytes()))
        replace(new, old)

    write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    monkeypatch.setattr("autograder.files.os.replace", watch)
    write_entries(tmp_path, {FORWARD: [(WRONG, "dx = 2")]})
    ((old, new),) = seen
    assert json.loads(old)[fingerprint(FORWARD)].keys() == {"da"}
    assert json.loads(new)[fingerprint(FORWARD)].keys() == {"da", "dx"}
    assert os.listdir(tmp_path) == [PROGRESS_FILE]


def test_an_interrupted_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    monkeypatch.setattr("autograder.files.os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_entries(tmp_path, {FORWARD: [(WRONG, "dx = 2")]})
    assert os.listdir(tmp_path) == [PROGRESS_FILE]
    assert page(read(tmp_path), FORWARD).keys() == {"da"}


def test_what_another_notebook_noted_in_the_meantime_is_kept(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from autograder.notebook.logbook import write_entries
from autograder.verdict import Outcome, Verdict
for number in range(5):
    write_entries(Path({str(tmp_path)!r}), {{{OTHER!r}: [(Verdict(f"db{{number}}", Outcome.RIGHT, "So it is."), "db = 1")]}})
"""
    write_entries(tmp_path, {FORWARD: [(RIGHT, "da = 1")]})
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    write_entries(tmp_path, {FORWARD: [(WRONG, "dx = 2")]})
    assert page(read(tmp_path), FORWARD).keys() == {"da", "dx"}
    assert page(read(tmp_path), OTHER).keys() == {f"db{number}" for number in range(5)}


def test_any_text_can_be_noted(tmp_path: Path) -> None:
    write_entries(tmp_path, {FORWARD: [(Verdict("da", Outcome.WRONG, "Half a pair: \ud83d. Yes."), "da = '\ud83d'")]})
    assert page(read(tmp_path), FORWARD)["da"].sentence == "Half a pair: \ud83d."


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("The sign is wrong. All of it.", "The sign is wrong."),
        ("`dh.sum(0)` is off by 1.5. Yes.", "`dh.sum(0)` is off by 1.5."),
        ("no end", "no end"),
        ("two\nlines. More.", "two"),
        ("", ""),
    ],
)
def test_the_first_sentence(text: str, first: str) -> None:
    assert first_sentence(text) == first


def test_many_verdicts_are_one_read_and_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    read, write = logbook.read, logbook.replace
    monkeypatch.setattr(logbook, "read", lambda folder: done.append("read") or read(folder))
    monkeypatch.setattr(logbook, "replace", lambda file, text: done.append("write") or write(file, text))
    found = [(Verdict(f"d{number}", Outcome.RIGHT, "So it is."), f"d{number} = 1") for number in range(26)]
    write_entries(tmp_path, {FORWARD: found})
    assert done == ["read", "write"]
    assert page(logbook.updated(tmp_path, {FORWARD: found}), FORWARD).keys() == {verdict.name for verdict, _ in found}
    assert done == ["read", "write", "read"]
