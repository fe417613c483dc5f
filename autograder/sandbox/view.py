"""What can be seen from inside a room: the arguments for bubblewrap."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from autograder.files import PACKAGE

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
ETC = ("alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime")
DEVICES = ("full", "null", "random", "urandom", "zero")
LINKS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}

HIDDEN_FOLDERS = ("/usr/etc", "/usr/local/etc", "/usr/local/share/nbgrader", "/usr/local/src", "/usr/src")
"""Where in the system a course may lie: nbgrader's exchange, its configuration, a checkout."""

PYTHON = ("bin", "lib", "lib64", "pyvenv.cfg")
"""What is shown of Python's prefixes. All else in them stays hidden: a virtual environment may even be the checkout itself."""

MODEL_ANSWERS = (
    *("source", "autograder/source", "*-packages/autograder/source", "python*/*-packages/autograder/source"),
    *("lib*/python*/*-packages/autograder/source", "*/lib*/python*/*-packages/autograder/source"),
)
"""Where, from what is shown of the system and of Python, an installed copy of this package may have its model answers."""

SCRATCH = "/room"
"""Where the small disk is mounted that a student may write to."""

SCRATCH_FOLDERS = SUBMISSION, HOME, TEMPORARY, SHARED = "submission", "home", "tmp", "shm"
"""The folders on that disk. The first is the working folder."""

ALSO_AT = {SUBMISSION: "/submission", TEMPORARY: "/tmp", SHARED: "/dev/shm"}
"""The other paths at which these folders appear."""

STUDENT = 1000
"""The student's user in a user namespace."""

NAMESPACES = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")


def room_files(uid: int) -> dict[str, str]:
    """The files that exist in rooms only: the student `uid` and nobody else, no network."""
    return {
        "/etc/passwd": f"student:x:{uid}:{uid}:student:{SCRATCH}/{HOME}:/bin/sh\n",
        "/etc/group": f"student:x:{uid}:\n",
        "/etc/hosts": "127.0.0.1 localhost\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }


def bwrap_arguments(uid: int, user_namespace: bool, descriptors: dict[str, int]) -> list[str]:
    """bubblewrap's arguments, without the command that it runs.

    `uid` is the student's user, in a user namespace if `user_namespace`. `descriptors` are open files with the contents of
    `room_files`, by path. bubblewrap follows the arguments in order: a later one may cover what an earlier one shows.
    """
    lines: list[tuple[object, ...]] = [("--die-with-parent",), ("--new-session",), ("--clearenv",), ("--cap-drop", "ALL")]
    lines += [(option,) for option in NAMESPACES]
    if user_namespace:
        lines += [("--unshare-user",), ("--uid", uid), ("--gid", uid)]
    lines += [("--hostname", "room"), ("--proc", "/proc")]
    for path in map(Path, SYSTEM):
        lines += [("--symlink", path.readlink(), path) if path.is_symlink() else ("--ro-bind-try", path, path)]
    hidden, python = _hidden(), _python()
    lines += [("--tmpfs", path) for path in hidden]
    # parent folders that bubblewrap makes of itself can be entered by its own user only
    lines += [("--dir", folder) for path in python for folder in reversed(path.parents)]
    lines += [("--ro-bind", path, path) for path in python]
    covered = [*_engines(), *_model_answers()]
    lines += [("--tmpfs", path) for path in covered]
    lines += [("--dir", folder) for folder in ("/etc", "/dev", SCRATCH, *ALSO_AT.values())]
    lines += [("--ro-bind-try", f"/etc/{name}", f"/etc/{name}") for name in ETC]
    lines += [("--file", descriptor, path) for path, descriptor in descriptors.items()]
    lines += [("--dev-bind", f"/dev/{name}", f"/dev/{name}") for name in DEVICES]
    lines += [("--symlink", f"/proc/self/fd{end}", f"/dev/{name}") for name, end in LINKS.items()]
    lines += [("--remount-ro", path) for path in (*hidden, *covered, "/proc", "/")]
    return [str(word) for line in lines for word in line]


def places() -> dict[str, str]:
    """The other paths of a room's folders, without those that would cover Python, such as /tmp if Python lies in it."""
    return {name: place for name, place in ALSO_AT.items() if not any(path.is_relative_to(place) for path in _python())}


def _inside(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _hidden() -> tuple[Path, ...]:
    """The folders of the system that a room does not show. A checkout is one of them, an installed package is not."""
    checkout = PACKAGE.parent
    hidden = [Path(name) for name in HIDDEN_FOLDERS if Path(name).is_dir()]
    if (checkout / "pyproject.toml").is_file() and _inside(checkout, tuple(map(Path, SYSTEM))):
        hidden.append(checkout)
    return tuple(hidden)


def _engines() -> list[Path]:
    """The folder of torch's libraries, which is hidden: another Python that is started in the room could load autograd."""
    found = find_spec("torch")
    folders = [Path(folder, "lib") for folder in (found.submodule_search_locations or ())] if found else []
    return [folder for folder in folders if folder.is_dir()]


@cache
def _model_answers() -> list[Path]:
    """The folders with the model answers of this course, in each copy of the package that a room might show."""
    shown = (*map(Path, SYSTEM), *_python_paths())
    found = {path for place in shown for pattern in MODEL_ANSWERS for path in place.glob(pattern) if path.is_dir()}
    ours = {path for path in found if path.parent.name == PACKAGE.name}
    return sorted(ours | {path.resolve() for path in ours})


def _python_paths() -> set[Path]:
    """Python, the packages in use, and of this project only the package and the names."""
    prefixes = {Path(prefix) for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)}
    paths = {prefix / name for prefix in prefixes for name in PYTHON}
    paths |= {Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")}
    return paths | {path.resolve() for path in paths} | {PACKAGE, PACKAGE.parent / "data" / "names.txt"}


@cache
def _python() -> list[Path]:
    """The paths to show beside SYSTEM."""
    hidden = _hidden()
    shown: list[Path] = []
    for path in sorted(_python_paths()):  # folders before what lies in them
        is_shown = _inside(path, (*map(Path, SYSTEM), *shown)) and not _inside(path, hidden)
        if path.exists() and not is_shown:
            shown.append(path)
    return shown
