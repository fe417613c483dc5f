"""An `%%ask` cell is read as it stands, and one that cannot be read is refused with the line at fault."""

from __future__ import annotations

import pytest

from autograder.asks.ask import parse_ask
from autograder.asks.inputs import Input
from autograder.errors import AskError


def test_a_value() -> None:
    ask = parse_ask("P(N: counts[v, v])")
    assert (ask.name, ask.is_function, ask.parameters) == ("P", False, ("N",))
    assert ask.drawn == (Input("N", "counts", ("v", "v")),)


def test_a_function_with_all_that_may_be_said_of_it() -> None:
    ask = parse_ask(
        "def f(x: index[n, v], k: number[0.5, 1], m, b: size[1, 8]):\n"
        "# a remark\n"
        "m = x.sum()\n"
        "itos = {0: '.'}\n"
        "case: x = torch.tensor([0]), k = 2\n"
        "without: F.cross_entropy, build_dataset\n"
    )
    assert ask.is_function
    assert ask.parameters == ("x", "k", "m", "b")
    assert [line.name for line in ask.derived] == ["m", "itos"]
    assert ask.given == ("itos",)
    assert [[line.name for line in case] for case in ask.cases] == [["x", "k"]]
    assert ask.without == ("F.cross_entropy", "build_dataset")


def test_a_random_answer() -> None:
    ask = parse_ask(
        "def s(P: probs[v, v], g: generator)\nrandom: names\ncertain: P = torch.eye(2)\noften: P = torch.ones(2, 2) / 2"
    )
    assert ask.random == "names"
    assert len(ask.certain) == len(ask.often) == 1


WRONG = {
    "": ("it is empty", 0),
    "P": ("it is no signature", 1),
    "P(N: counts[v, v]": ("it is no signature", 1),
    "P(*N)": ("no plain names", 1),
    "P(N: counts[v, v] = 3)": ("no plain names", 1),
    "P(N: table[v])": ("`table` is no kind of input", 1),
    "P(N: counts)": ("another number of sizes", 1),
    "P(N: counts[v + 1])": ("`v + 1` is no size", 1),
    "P(k: number[v])": ("its brackets hold numbers", 1),
    "P(N)": ("`N` has no kind", 1),
    "P(N: counts[v])\nN = 3": ("`N` has a value already", 2),
    "P(N: counts[v])\n\nplease: be nice": ("nothing that an ask knows", 3),
    "P(N: counts[v])\ncase: M = 3": ("`M` is no input", 2),
    "P(N: counts[v])\ncase: 3": ("it gives no values", 2),
    "P(N: counts[v])\nwithout: F.nll loss": ("`F.nll loss` is no name", 2),
    "P(N: counts[v])\noften: N = 3": ("are for random answers", 1),
    "def f(g: generator)\nrandom: dice\noften: g = 1": ("`dice` is nothing that is drawn", 2),
    "def f(N: counts[v])\nrandom: names\noften: N = 3": ("there are 0 inputs of the kind `generator`", 2),
    "def f(g: generator)\nrandom: names": ("there are 0 lines `often: …`", 2),
    "f(g: generator)\nrandom: names\noften: g = 1": ("it asks for a value", 2),
    "def f(g: generator, n: size[1, 2])\ncase: n = 1\nrandom: names\noften: n = 1": ("`case:` is not for random answers", 3),
    "def f(x: real[n], g: generator)": ("`g` is a generator, and it is not said what is drawn", 1),
}


@pytest.mark.parametrize("source", WRONG)
def test_what_cannot_be_read_is_refused_with_its_line(source: str) -> None:
    words, line = WRONG[source]
    with pytest.raises(AskError, match=words.replace("(", r"\(").replace("+", r"\+")) as error:
        parse_ask(source)
    assert error.value.line == line
    assert len(str(error.value).split("\n")) == 2, "what is wrong, and what to write instead"
