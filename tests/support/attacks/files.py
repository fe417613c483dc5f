"""Files and folders that are handed in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tests.support.attacks.attack import ALL, Attack, at


def hostile_modules(folder: Path, host: Mapping[str, str]) -> None:
    """Modules and settings that whoever starts Python beside them would take."""
    code = """
open('{home}/ran-{name}', 'w').close()
import os
os._exit(0)
"""
    for name in (
        "torch",
        "math",
        "json",
        "autograder",
        "sitecustomize",
        "usercustomize",
        "conftest",
        "nbgrader_config",
        "numpy",
    ):
        (folder / f"{name}.py").write_text(code.format(home=host["home"], name=name), encoding="utf-8")
    (folder / "lesson.toml").write_text(
        """
[[mistake]]
gradient = "dz"
formula = "__import__('os').system('touch """
        + host["home"]
        + """
/formula')"
sentence = "x"
""",
        encoding="utf-8",
    )
    (folder / "matplotlibrc").write_text("backend: module://torch\n", encoding="utf-8")
    (folder / "progress.json").symlink_to(host["home"] + "/secret")
    (folder / ".ipython").mkdir()
    (folder / "names.txt").write_text("x\n", encoding="utf-8")


def links(folder: Path, host: Mapping[str, str]) -> None:
    """Links to what the student must not see."""
    for name, goal in {
        "gradebook": "gradebook.db",
        "notebook": "source/ps/lesson.ipynb",
        "other": "submitted/honest/ps/lesson.ipynb",
        "key": "examiner.key",
    }.items():
        (folder / f"{name}.txt").symlink_to(Path(host["course"], goal))
    (folder / "secret.txt").symlink_to(host["home"] + "/secret")
    (folder / "folder").symlink_to(host["course"])


def another_notebook(folder: Path, host: Mapping[str, str]) -> None:
    (folder / "lesson.ipynb").unlink()
    (folder / "lesson.ipynb").symlink_to(Path(host["course"], "submitted", "honest", "ps", "lesson.ipynb"))


def special_files(folder: Path, host: Mapping[str, str]) -> None:
    """Files that are read for ever, or not at all."""
    os.mkfifo(folder / "pipe")
    (folder / "closed").write_text("x", encoding="utf-8")
    (folder / "closed").chmod(0)


def links_to_nothing(folder: Path, host: Mapping[str, str]) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "nothing").symlink_to("/nonexistent")


def odd_files(folder: Path, host: Mapping[str, str]) -> None:
    deep = folder
    for _ in range(60):
        deep /= "folder"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x", encoding="utf-8")
    (folder / "a\nb\x1b[31m'\"; touch x").write_text("x", encoding="utf-8")
    (folder / "other.ipynb").write_text("{", encoding="utf-8")
    (folder / "hardlink").hardlink_to(folder / "lesson.ipynb")


def closed_folder(folder: Path, host: Mapping[str, str]) -> None:
    (folder / "closed").mkdir()
    (folder / "closed" / "file").write_text("x", encoding="utf-8")
    (folder / "closed").chmod(0)


FILES = {
    "hostile-modules": Attack("hands in modules and settings that others would take", bring=hostile_modules),
    "links": at(
        "dz",
        "hands in links to the gradebook, the key, home and other submissions",
        """
import glob, os
seen = {name: len(open(name, 'rb').read()) for name in sorted(glob.glob('*.txt')) if os.path.exists(name)}
print('WORKED' if seen or os.path.exists('folder') else 'nothing', seen)""",
        bring=links,
        shows="^(WORKED|nothing)",
    ),
    "another-notebook": Attack(
        "hands in a link to the notebook of another student",
        loses=ALL + " explain",
        bring=another_notebook,
    ),
    "special-files": Attack("hands in a pipe", bring=special_files),
    "links-to-nothing": Attack("hands in links that lead nowhere", bring=links_to_nothing),
    "odd-files": Attack("hands in files with odd names and deep folders", bring=odd_files),
    "closed-folder": Attack("hands in a folder that is closed", bring=closed_folder),
}
