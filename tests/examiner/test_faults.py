"""Errors keep their kind, their name and their words, whatever class they are of."""

from __future__ import annotations

import builtins
import json
from typing import Any

import pytest

from autograder.errors import NotReady, NotRight
from autograder.examiner import conversation
from autograder.examiner.conversation import KNOWN, MAX_MESSAGE_CHARACTERS, described, rebuilt
from autograder.replay.run import AutogradOff


def crossed(error: BaseException) -> Exception:
    return rebuilt(json.loads(json.dumps(described(error))))


def raised(source: str) -> BaseException:
    try:
        exec(source, {})
    except BaseException as error:
        return error
    raise AssertionError(source)


HONEST = {
    "ZeroDivisionError": "1 / 0",
    "KeyError": "{}['x']",
    "IndexError": "[][1]",
    "NameError": "nothing",
    "AttributeError": "(1).nothing",
    "TypeError": "1 + ''",
    "ValueError": "int('a')",
    "SyntaxError": "x =",
    "ModuleNotFoundError": "import nothing_of_this_name",
    "FileNotFoundError": "open('/nowhere/at/all')",
    "UnicodeDecodeError": "b'\\xff'.decode()",
    "UnicodeEncodeError": "'\\xff'.encode('ascii')",
    "StopIteration": "next(iter(()))",
    "AssertionError": "assert False, 'why'",
    "NotImplementedError": "raise NotImplementedError",
    "RecursionError": "f = lambda: f()\nf()",
    "OverflowError": "2.0 ** 5000",
    "MemoryError": "raise MemoryError()",
    "Warning": "raise Warning('w')",
}


@pytest.mark.parametrize("name", HONEST)
def test_an_error_of_python_is_the_same_on_the_other_side(name: str) -> None:
    error = raised(HONEST[name])
    assert type(error).__name__ == name
    again = crossed(error)
    assert isinstance(again, type(error))
    assert type(again).__name__ == name
    assert str(again) == str(error)


ERRORS = {kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, BaseException)}


@pytest.mark.parametrize("kind", sorted(ERRORS - {BaseException}, key=repr))
def test_every_kind_of_python_can_be_made_again(kind: type) -> None:
    again = rebuilt({"kinds": [each.__name__ for each in kind.__mro__], "message": "so it is", "name": "x"})
    assert str(again) == "so it is"
    assert type(again).__name__ == kind.__name__
    assert isinstance(again, kind) is (issubclass(kind, Exception) and kind.__name__ != "ExceptionGroup")


def test_an_error_of_torch_and_those_of_the_course_keep_their_class() -> None:
    for error in (AutogradOff("off"), NotReady("wait"), NotRight("wrong"), conversation.Interrupted("late")):
        again = crossed(error)
        assert type(again) is type(error)
        assert str(again) == str(error)
    assert isinstance(crossed(AutogradOff("off")), RuntimeError)


def test_a_class_of_the_students_is_the_nearest_one_known_under_its_own_name() -> None:
    class Odd(KeyError):
        def __str__(self) -> str:
            return "odd indeed"

    again = crossed(Odd("k"))
    assert isinstance(again, KeyError)
    assert type(again).__name__ == "Odd"
    assert str(again) == "odd indeed"


def test_an_error_of_several_is_an_ordinary_one() -> None:
    error: Exception = ExceptionGroup("two of them", [ValueError(), TypeError()])
    again = crossed(error)
    assert type(again).__name__ == "ExceptionGroup"
    assert str(again) == str(error)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_would_end_a_process_is_an_ordinary_error_here(kind: type[BaseException]) -> None:
    again = crossed(kind("out"))
    assert isinstance(again, Exception)
    assert not isinstance(again, kind)
    assert type(again).__name__ == kind.__name__
    assert str(again) == "out"


def test_the_name_that_was_missing_is_kept() -> None:
    again = crossed(raised("nothing"))
    assert isinstance(again, NameError)
    assert again.name == "nothing"
    missing = crossed(raised("import nothing_of_this_name"))
    assert isinstance(missing, ImportError)
    assert missing.name == "nothing_of_this_name"


def test_a_long_message_is_cut() -> None:
    assert len(str(crossed(ValueError("x" * 10**6)))) == MAX_MESSAGE_CHARACTERS
    kinds = described(type("N" * 10**6, (Exception,), {})())["kinds"]
    assert max(map(len, kinds)) == MAX_MESSAGE_CHARACTERS


class Hostile(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__

    @property
    def name(self) -> str:
        raise self

    @property
    def args(self) -> Any:  # type: ignore[override]
        raise self


def test_an_error_that_will_not_be_described_has_no_words() -> None:
    again = crossed(Hostile())
    assert type(again).__name__ == "Hostile"
    assert str(again) == ""


def test_words_that_are_no_text_are_left_out() -> None:
    class Wordless(Exception):
        name = 5

        def __str__(self) -> Any:
            return 7

    told = described(Wordless())
    assert told["message"] == ""
    assert told["name"] == ""


@pytest.mark.parametrize(
    "description",
    [
        None,
        5,
        "text",
        [],
        {},
        {"kinds": None},
        {"kinds": 7, "message": 7, "name": 7},
        {"kinds": [7, None, []]},
        {"kinds": ["not a name", "Exception"]},
        {"kinds": ["ExceptionGroup"], "message": "m"},
        {"kinds": ["NameError"], "message": "m", "name": 7},
        {"kinds": ["__init__"], "message": {"a": 1}},
        {"kinds": ["\ud800"], "message": "\ud800"},
    ],
)
def test_any_description_makes_an_error_that_can_be_raised(description: Any) -> None:
    with pytest.raises(Exception) as caught:
        raise rebuilt(description)
    assert isinstance(str(caught.value), str)
    assert caught.type.__name__.isidentifier()


def test_nothing_is_known_that_ends_a_process() -> None:
    assert all(issubclass(kind, Exception) for kind in KNOWN.values())
    assert not {"SystemExit", "KeyboardInterrupt", "BaseException"} & KNOWN.keys()
