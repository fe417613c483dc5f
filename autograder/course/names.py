"""The two lists of names: the one that comes with the course, and the lecture's, which is fetched."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from autograder import files
from autograder.errors import ContentError

LECTURE_URL = "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt"
LECTURE_SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
"""The checksum of the lecture's list: 32,033 names of 2018."""
COURSE_SHA256 = "91691165b471c338ee35387260590f0fdc23fcb50509b9ccfe1c879c7ac39a1e"
"""The checksum of the list of the course: 32,469 names of 2017."""
COURSE_FILE = "names-course.txt"
"""The file in which the list of the course is kept while the lecture's is in use."""
OWN_FILE = "names-own.txt"
"""The file in which a list of the user's own is kept."""
FETCH_SECONDS = 30
BY_HAND = "Save it from a browser, and run `autograder names --lecture --file FILE`."


NAMES_FILES = (files.PACKAGE / "data" / "names.txt", files.PACKAGE.parent / "data" / "names.txt")
"""Where the list lies in an installed package and in a checkout."""


def names_file() -> Path:
    """The list in use. Raises ContentError where there is none."""
    found = next((path for path in NAMES_FILES if path.is_file()), None)
    if found is None:
        raise ContentError("the package has lost its list of names. Install it again.")
    return found


def list_checksum() -> str:
    """The sha256 of the list in use."""
    return sha256(names_file().read_bytes()).hexdigest()


def list_title(found: str) -> str:
    """What a list with this checksum is called; nothing for any other list."""
    return {LECTURE_SHA256: "the lecture's list", COURSE_SHA256: "the list of the course"}.get(found, "")


def fetched_list(file: Path | None = None, url: str = LECTURE_URL) -> str:
    """The lecture's list, from its public repository or from a file. Raises ContentError if it is not that."""
    try:
        if file is None:
            with urlopen(url, timeout=FETCH_SECONDS) as answer:
                content = answer.read()
        else:
            content = file.read_bytes()
    except URLError as error:
        raise ContentError(f"{url} cannot be reached ({error.reason}). {BY_HAND}") from None
    except OSError as error:
        raise ContentError(f"{file or url} cannot be read ({error.strerror or error}). {BY_HAND}") from None
    if (found := sha256(content).hexdigest()) != LECTURE_SHA256:
        raise ContentError(
            f"{file or url} is not the lecture's list: its sha256 is {found}, expected {LECTURE_SHA256}. {BY_HAND}"
        )
    return str(content, "utf-8")


def use_list(text: str) -> Path:
    """Puts a list in place of the one in use, and keeps that beside it unless it is the lecture's. Raises ContentError."""
    path = names_file()
    try:
        if (found := list_checksum()) != LECTURE_SHA256:
            path.with_name(COURSE_FILE if found == COURSE_SHA256 else OWN_FILE).write_bytes(path.read_bytes())
        files.replace(path, text)
    except OSError as error:
        raise ContentError(f"{path} cannot be written ({error.strerror}). Do it as who installed the course.") from None
    return path


def course_list() -> str:
    """The list of the course. Raises ContentError where it was not kept."""
    paths = [path for path in (names_file(), names_file().with_name(COURSE_FILE)) if path.is_file()]
    text = next((content for path in paths if sha256(content := path.read_bytes()).hexdigest() == COURSE_SHA256), None)
    if text is None:
        raise ContentError(f"the list of the course is not at hand: get {names_file()} again from the repository.")
    return str(text, "utf-8")
