"""The lists of names: fetched, checked, put in place, and put back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from autograder.cli.main import main
from autograder.course import names
from autograder.errors import ContentError

NAMES = b"emma\nolivia\nava"


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The list of a package that lies elsewhere."""
    place = tmp_path / "data/names.txt"
    place.parent.mkdir()
    shutil.copyfile(names.names_file(), place)
    monkeypatch.setattr(names, "NAMES_FILES", (place,))
    monkeypatch.setattr(names, "LECTURE_SHA256", sha256(NAMES).hexdigest())
    return place


@pytest.fixture
def address() -> Iterator[str]:
    """A server on this machine that has the list."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/names.txt" else 404)
            self.end_headers()
            self.wfile.write(NAMES)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_list_of_the_course_is_known(installed: Path) -> None:
    assert names.names_file() == installed and names.list_checksum() == names.COURSE_SHA256


def test_the_lectures_list_is_fetched_used_and_put_back(address: str, installed: Path) -> None:
    before = installed.read_bytes()
    names.use_list(names.fetched_list(url=f"{address}/names.txt"))
    assert installed.read_bytes() == NAMES and names.list_checksum() == names.LECTURE_SHA256
    names.use_list(names.fetched_list(url=f"{address}/names.txt"))
    names.use_list(names.course_list())
    assert installed.read_bytes() == before


def test_another_list_changes_nothing(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "other.txt").write_text("emma\n")
    before = installed.read_bytes()
    with pytest.raises(ContentError, match=r"is not the lecture's list: its sha256 is .* expected"):
        names.fetched_list(tmp_path / "other.txt")
    assert installed.read_bytes() == before


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/names.txt", "{}/elsewhere"])
def test_without_a_network_it_says_what_to_do(address: str, url: str) -> None:
    with pytest.raises(ContentError, match=r"cannot be reached .* Save it from a browser, and run `autograder names --lecture"):
        names.fetched_list(url=url.format(address))


def test_the_command(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "names.txt").write_bytes(NAMES)
    run = CliRunner().invoke
    assert run(main, ["names"]).output.startswith(f"In use: the list of the course, {installed}")
    result = run(main, ["names", "--lecture", "--file", str(tmp_path / "names.txt")])
    assert result.exit_code == 0 and result.output.startswith("In use: the lecture's list")
    assert run(main, ["names", "--course"]).output.startswith("In use: the list of the course")
    assert "give --lecture too" in run(main, ["names", "--file", "a"]).stderr
    assert "not both" in run(main, ["names", "--lecture", "--course"]).stderr
    assert "cannot be read" in run(main, ["names", "--lecture", "--file", str(tmp_path / "nowhere")]).stderr


def test_a_list_of_ones_own_is_kept(tmp_path: Path, installed: Path) -> None:
    installed.write_bytes(b"my\r\nown\r\n")
    names.use_list("emma")
    assert installed.with_name(names.OWN_FILE).read_bytes() == b"my\r\nown\r\n"


def test_a_lost_list_is_said(installed: Path) -> None:
    names.use_list("emma")
    installed.with_name(names.COURSE_FILE).unlink()
    with pytest.raises(ContentError, match="the list of the course is not at hand"):
        names.course_list()
    installed.unlink()
    with pytest.raises(ContentError, match="Install it again"):
        names.names_file()
