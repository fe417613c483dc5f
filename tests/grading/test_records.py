"""A folder of records is there whole, or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from autograder.grading.folders import RecordFolder


@pytest.fixture
def submitted(tmp_path: Path) -> Path:
    folder = tmp_path / "submitted"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "numbers.txt").write_text("1 2 3")
    (folder / "helper.py").write_text("theirs")
    return folder


@pytest.fixture
def record(tmp_path: Path) -> RecordFolder:
    return RecordFolder(tmp_path / "autograded" / "anna" / "work")


def prepare(record: RecordFolder, submitted: Path, is_part: bool = False, **records: str) -> None:
    files = {str(path.relative_to(submitted)): path.stat().st_size for path in submitted.rglob("*") if path.is_file()}
    record.prepare(submitted, files, {"helper.py": b"ours"}, records, is_part, 0o444)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_in_its_place_before_it_is_published(record: RecordFolder, submitted: Path) -> None:
    prepare(record, submitted, first="{}")
    assert not record.target.exists()
    record.set_aside()
    record.publish()
    assert contents(record.target) == {"data/numbers.txt": "1 2 3", "helper.py": "ours", "first.ipynb": "{}"}
    assert [path.name for path in record.target.parent.iterdir()] == ["work"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in record.target.rglob("*") if path.is_file()} == {0o444}


def test_a_new_record_takes_the_place_of_the_old_one(record: RecordFolder, submitted: Path) -> None:
    for text in ("one", "two"):
        prepare(record, submitted, first=text)
        record.set_aside()
        assert not record.target.exists()
        record.publish()
    assert contents(record.target)["first.ipynb"] == "two"
    assert [path.name for path in record.target.parent.iterdir()] == ["work"]


def test_of_a_part_the_rest_stays(record: RecordFolder, submitted: Path) -> None:
    for is_part, records in ((False, {"first": "one", "second": "one"}), (True, {"second": "two"})):
        prepare(record, submitted, is_part, **records)
        record.set_aside()
        record.publish()
    assert contents(record.target)["first.ipynb"] == "one"
    assert contents(record.target)["second.ipynb"] == "two"


def test_what_was_set_aside_can_be_put_back(record: RecordFolder, submitted: Path) -> None:
    prepare(record, submitted, first="one")
    record.publish()
    prepare(record, submitted, first="two")
    record.set_aside()
    record.put_back()
    assert contents(record.target)["first.ipynb"] == "one"
    assert [path.name for path in record.target.parent.iterdir()] == ["work"]
    RecordFolder(record.target.parent / "other").put_back()  # there was nothing


def test_what_an_ended_run_left_is_in_nobodys_way(record: RecordFolder, submitted: Path) -> None:
    (record.target.parent / ".work.new" / "stale").mkdir(parents=True)
    (record.target.parent / ".work.old").mkdir()
    prepare(record, submitted, first="one")
    record.set_aside()
    record.publish()
    assert "stale" not in {path.name for path in record.target.iterdir()}
    assert [path.name for path in record.target.parent.iterdir()] == ["work"]


def test_a_file_that_is_gone_by_now_is_left_out(record: RecordFolder, submitted: Path) -> None:
    record.prepare(submitted, {"gone.txt": 8}, {}, {"first": "{}"}, False, 0o444)
    record.publish()
    assert contents(record.target) == {"first.ipynb": "{}"}
