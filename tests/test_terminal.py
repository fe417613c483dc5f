"""What students called things, and wrote, does not steer a terminal."""

from __future__ import annotations

import io
import json
import logging
import unicodedata

import click
import pytest
from click.testing import CliRunner
from nbgrader.apps import AutogradeApp
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text
from traitlets.config import Config

from autograder.cli.main import Verbs
from autograder.grading.folders import unfit
from autograder.terminal import Printable, Terminal, as_json, echo, one_line, printable
from scripts.submissions import ROOT

EVIL = {
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[H",
    "8-bit": "\x9b31m",
    "back": "right\x08\x08\x08\x08\x08wrong",
    "return": "wrong\rright",
    "delete": "a\x7fb",
    "null": "a\x00b",
    "direction": "\u202eabc\u2066def",
    "line ends": "a\u2028b\u2029c\x85d\x0bd\x0ce",
    "half": "\ud83d",
    "byte": "caf\udce9",
}
MARKUP = ("[bold]x[/]", "[/]", "[/bold]", "[link=https://example.org]x[/link]", ":smiley:", "[red]")


def harmless(text: str) -> bool:
    """Whether no character in it does anything but stand there."""
    return all(unicodedata.category(each) not in ("Cc", "Cs", "Zl", "Zp") and each not in "\u202e\u2066" for each in text)


def shown(*what: object, width: int = 300) -> str:
    console = Terminal(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    for each in what:
        console.print(each)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


@pytest.mark.parametrize("name", EVIL)
def test_all_that_steers_is_escaped_once(name: str) -> None:
    text = printable(EVIL[name])
    assert harmless(text)
    assert text != EVIL[name]
    assert printable(text) == text


def test_other_text_stays_as_it_is() -> None:
    for text in ("Zoë\tБорис\nאבא 你好 😀 \u200f✗ \\x1b [bold]", "a" * 100):
        assert printable(text) == text
    assert one_line("a\nb\tc\x1b") == "a\\nb\\tc\\x1b"
    assert one_line("caf\udce9 \ud83d") == "caf\\xe9 \\ud83d"


@pytest.mark.parametrize("name", EVIL)
def test_a_console_shows_no_text_raw(name: str) -> None:
    evil = EVIL[name]
    table = Table(evil, box=None)
    table.add_row(evil, Text(evil, "bold"))
    text = shown(evil, Text(evil), Text.assemble((evil, "red")), table)
    assert all(map(harmless, text.split("\n")))


@pytest.mark.parametrize("markup", MARKUP)
def test_a_console_reads_no_markup(markup: str) -> None:
    table = Table("x", box=None)
    table.add_row(markup)
    assert shown(markup).strip() == markup
    assert markup in shown(table)


def test_a_console_still_has_colours_and_bars() -> None:
    console = Terminal(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    console.print(Text("wrong", "red"))
    with Progress(TextColumn("{task.description}"), console=console) as progress:
        progress.add_task("graded", total=2)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[31mwrong\x1b[0m" in text
    assert "graded" in text
    assert "\\x1b" not in text


@pytest.mark.parametrize("name", EVIL)
def test_json_has_escapes_of_its_own(name: str) -> None:
    content = {"student": EVIL[name], "é": [1]}
    text = as_json(content)
    assert harmless(text.replace("\n", ""))
    assert json.loads(text) == content
    assert "é" in text


def verbs() -> click.Group:
    group = Verbs("verbs")

    @group.command()
    def speak() -> None:
        echo(EVIL["title"])
        raise click.ClickException(EVIL["clear"])

    return group


def test_a_verb_says_nothing_raw() -> None:
    done = CliRunner().invoke(verbs(), ["speak"])
    assert done.exit_code == 1
    assert done.output == "\\x1b]0;owned\\x07\nError: \\x1b[2J\\x1b[H\n"


def test_the_log_of_nbgrader_says_nothing_raw(capsys: pytest.CaptureFixture[str]) -> None:
    config = Config()
    file = ROOT / "nbgrader_config.py"
    exec(compile(file.read_text(encoding="utf-8"), file, "exec"), {"get_config": lambda: config, "__file__": str(file)})
    app = AutogradeApp(config=Config(Application=config.Application))
    try:
        for evil in EVIL.values():
            app.log.warning("%s, notebook %s", evil, "lesson")
            app.log.error(f"raw {evil}")
        try:
            raise ValueError(EVIL["title"])
        except ValueError:
            app.log.exception("failed")
    finally:
        for handler in [*app.log.handlers]:
            app.log.removeHandler(handler)
    text = capsys.readouterr().err
    assert all(map(harmless, text.replace("\t", " ").split("\n"))), repr(text)
    assert "\\x1b]0;owned\\x07, notebook lesson" in text
    assert "ValueError: \\x1b]0;owned\\x07" in text


def test_the_filter_keeps_what_a_record_says() -> None:
    record = logging.LogRecord("x", logging.INFO, "file", 1, "%s of %d\x1b", ("a\x07", 5), None)
    assert Printable().filter(record)
    assert record.getMessage() == "a\\x07 of 5\\x1b"


def test_every_console_and_every_line_of_ours_goes_through_it() -> None:
    """No other module makes a console, or prints by itself."""
    alone = {"terminal.py"}
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "autograder").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if path.name not in alone
        and any(word in line for word in (" Console(", "=Console(", "click.echo(", "sys.stderr.write("))
    }
    assert found == {
        "autograder/cli/learner.py: click.echo(json.dumps(content, indent=1))",  # in ASCII
        "autograder/forkserver/client.py: sys.stderr.write(printable(self._stderr.new()))",
    }


@pytest.mark.parametrize("student", ["=cmd|' /C calc'!A0", "+1", "-x", "@SUM(1)", '=HYPERLINK("http://x")'])
def test_a_name_that_a_spreadsheet_would_run_is_nobodys(student: str) -> None:
    assert "a spreadsheet with the grades takes for a formula" in unfit(student)
    assert unfit(f"a{student}") == ""
