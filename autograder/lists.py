"""The two lists of names: the one that comes with the course, and the lecture's, which is fetched."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from autograder import files
from autograder.errors import ContentError

LECTURE = "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt"
SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
"""Of the lecture's list: 32,033 names of 2018."""
COURSE = "91691165b471c338ee35387260590f0fdc23fcb50509b9ccfe1c879c7ac39a1e"
"""Of the list of the course: 32,469 names of 2017."""
KEPT = "names-course.txt"
"""Where the list of the course waits, beside the lecture's."""
OWN = "names-own.txt"
"""And where a list of one's own does."""
SECONDS = 30
BY_HAND = "Save it from a browser, and run `autograder names --lecture --file FILE`."


PLACES = (Path(__file__).parent / "data" / "names.txt", Path(__file__).parent.parent / "data" / "names.txt")
"""Where the list lies in an installed package and in a checkout."""


def place() -> Path:
    """The list in use. Raises ContentError where there is none."""
    found = next((path for path in PLACES if path.is_file()), None)
    if found is None:
        raise ContentError("the package has lost its list of names. Install it again.")
    return found


def checksum() -> str:
    """The sha256 of the list in use."""
    return sha256(place().read_bytes()).hexdigest()


def title(found: str) -> str:
    """What a list with this checksum is called, nothing for one that nobody knows."""
    return {SHA256: "the lecture's list", COURSE: "the list of the course"}.get(found, "")


def fetched(file: Path | None = None, url: str = LECTURE) -> str:
    """The lecture's list, from its public repository or from a file. Raises ContentError if it is not that."""
    try:
        if file is None:
            with urlopen(url, timeout=SECONDS) as answer:
                content = answer.read()
        else:
            content = file.read_bytes()
    except URLError as error:
        raise ContentError(f"{url} cannot be reached ({error.reason}). {BY_HAND}") from None
    except OSError as error:
        raise ContentError(f"{file or url} cannot be read ({error.strerror or error}). {BY_HAND}") from None
    if (found := sha256(content).hexdigest()) != SHA256:
        raise ContentError(f"{file or url} is not the lecture's list: its sha256 is {found}, expected {SHA256}. {BY_HAND}")
    return str(content, "utf-8")


def use(text: str) -> Path:
    """Puts a list in place of the one in use, and keeps that beside it unless it is the lecture's. Raises ContentError."""
    path = place()
    try:
        if (found := checksum()) != SHA256:
            path.with_name(KEPT if found == COURSE else OWN).write_bytes(path.read_bytes())
        files.replace(path, text)
    except OSError as error:
        raise ContentError(f"{path} cannot be written ({error.strerror}). Do it as who installed the course.") from None
    return path


def course() -> str:
    """The list of the course. Raises ContentError where it was not kept."""
    paths = [path for path in (place(), place().with_name(KEPT)) if path.is_file()]
    text = next((content for path in paths if sha256(content := path.read_bytes()).hexdigest() == COURSE), None)
    if text is None:
        raise ContentError(f"the list of the course is not at hand: get {place()} again from the repository.")
    return str(text, "utf-8")
