"""An `%%ask` cell, read: what is asked for, and a signature that says what its inputs look like.

    %%ask
    def nll(x: index[n, v], y: index[n, v], P: probs[v, v])
    without: F.nll_loss

`NAME(input: kind[dims])` asks for a value: the cell of that name is run again with other inputs. `def NAME(…)` asks for a
function, which is called by keyword. `class NAME(…)` asks for a class, and `class NAME.method(…)` for a method of one: a
*drill*, the function at the end of the cell, calls it with the inputs, and what it yields is compared. Lines between derive
inputs (`itos = …`), add cases (`case:`), switch functions off (`without:`), and say how an answer is judged that is random
(`random:`, `certain:`, `often:`, and `spread:` for what a drill yields).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType

from autograder.asks.inputs import KINDS, Input
from autograder.course.questions import answer_of
from autograder.errors import AskError

RANDOM = ("names", "rows", "normal")
"""What an answer may draw: names, rows of its inputs, or tensors of normal numbers."""
DIRECTIVES = ("case", "without", "random", "certain", "often", "spread")
"""What a line of an ask may begin with."""
DIRECTIVE = re.compile(rf"({'|'.join(DIRECTIVES)}):\s*(.*)")
DRILL = re.compile(r"^def drill\(", re.MULTILINE)
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

SIGNATURE = (
    "It is `NAME(input: kind[dims], …)` for a value, `def NAME(parameter: kind[dims], …)` for a function, or "
    "`class NAME(input: kind[dims], …)` for a class."
)
A_KIND = f"A kind is one of {', '.join(KINDS)}, with its sizes in brackets."


@dataclass(frozen=True)
class Line:
    """`name = expression` in an ask."""

    name: str
    source: str
    code: CodeType = field(repr=False, compare=False)


Lines = tuple[Line, ...]


@dataclass(frozen=True)
class Drill:
    """A drill: its source, the names that it takes beside the class, and the labels of what it yields that is drawn."""

    source: str
    takes: tuple[str, ...]
    spread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ask:
    """What is asked for under `name`, by a cell with this `source`.

    `is_function` says whether it is a function that is called by keyword. With a `drill` it is a class, or a function that
    takes objects, and the drill calls it; `is_class` tells the two apart, and the name of a method is `NAME.method`.

    `parameters` are its inputs in their order; `drawn` are those of a kind, and `derived` are computed from them, for the
    other parameters and for names of the notebook that the answer may read. `cases` are values that stand in place of drawn
    ones in a case of their own. `without` are functions that the answer may not use. `random` is one of RANDOM for an answer
    that draws; then `certain` are cases in which it has no choice, and `often` is the one in which what it draws is counted.
    """

    source: str
    name: str
    is_function: bool
    parameters: tuple[str, ...]
    drawn: tuple[Input, ...]
    derived: Lines = ()
    cases: tuple[Lines, ...] = ()
    without: tuple[str, ...] = ()
    random: str = ""
    certain: tuple[Lines, ...] = ()
    often: tuple[Lines, ...] = ()
    drill: Drill | None = None
    is_class: bool = False

    @property
    def answer(self) -> str:
        """The name that the answer's cell binds."""
        return answer_of(self.name)

    @property
    def method(self) -> str:
        """The method of a class that is asked for; nothing where it is the class itself."""
        return self.name.partition(".")[2]

    @property
    def given(self) -> tuple[str, ...]:
        """The names that stand in place of the notebook's, beside the parameters of a function. Not every case has all."""
        lines = (*self.derived, *(line for case in (*self.certain, *self.often) for line in case))
        return tuple(dict.fromkeys(line.name for line in lines if line.name not in self.parameters))


@lru_cache(maxsize=64)
def parse_ask(source: str) -> Ask:
    """The ask with this source, without the line of the magic. Raises AskError, which names the line."""
    found_drill = DRILL.search(source)
    above = source[: found_drill.start()] if found_drill else source
    lines = [(number, line.strip()) for number, line in enumerate(above.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines:
        raise AskError(0, "", "it is empty.", f"Its first line is a signature. {SIGNATURE}")
    name, keyword, parameters, drawn = _signature(*lines[0])
    found: dict[str, list[tuple[int, str]]] = {key: [] for key in DIRECTIVES}
    derived: list[Line] = []
    for number, line in lines[1:]:
        if match := DIRECTIVE.fullmatch(line):
            found[match[1]].append((number, match[2]))
        else:
            derived.append(_derived(number, line, {name, *(each.name for each in drawn), *(each.name for each in derived)}))
    known = {each.name for each in drawn} | {each.name for each in derived}
    for parameter in parameters:
        if parameter not in known:
            raise AskError(
                *lines[0], f"`{parameter}` has no kind.", f"{A_KIND} Or derive it in a line below, `{parameter} = …`."
            )
    cases, certain, often = (
        tuple(_special(number, key, text, known) for number, text in found[key]) for key in ("case", "certain", "often")
    )
    without = tuple(path for number, text in found["without"] for path in _without(number, text))
    drill = None
    if found_drill:
        labels = tuple(label.strip() for _, text in found["spread"] for label in text.split(","))
        sizes = {dim for each in drawn for dim in each.dims if isinstance(dim, str)}
        drill = _drill(len(above.split("\n")), source[found_drill.start() :], known | sizes, labels, answer_of(name))
    if (keyword == "class") > bool(drill):
        remedy = "Write it below: `def drill(…):` with the class and inputs, which yields labels with what is to be compared."
        raise AskError(*lines[0], "a class is judged by a drill, and there is none.", remedy)
    if found["spread"] and not drill:
        raise AskError(found["spread"][0][0], "spread: …", "it is about what a drill yields, and there is none.", SIGNATURE)
    ask = Ask(
        source,
        name,
        is_function=keyword == "def" and not drill,
        parameters=parameters,
        drawn=drawn,
        derived=tuple(derived),
        cases=cases,
        without=without,
        certain=certain,
        often=often,
        drill=drill,
        is_class=keyword == "class",
    )
    return _random(ask, found["random"], lines[0])


def _drill(number: int, source: str, known: set[str], spread: tuple[str, ...], subject: str) -> Drill:
    """The drill with this source, which begins in this line. It takes the `subject`, and may take `known` inputs and sizes."""
    first = source.partition("\n")[0]
    try:
        node = ast.parse(source).body
    except SyntaxError as error:
        where = number + (error.lineno or 1) - 1
        raise AskError(where, (error.text or first).strip(), f"it is no Python: {error.msg}.", "Mend the drill.") from None
    function = node[0]
    if len(node) != 1 or not isinstance(function, ast.FunctionDef):
        raise AskError(number, first, "a drill is one function, at the end of the cell.", "Put all else above it, or into it.")
    its = function.args
    takes = [each.arg for each in its.args]
    if not takes or its.vararg or its.kwarg or its.defaults or its.kwonlyargs or its.posonlyargs:
        raise AskError(number, first, "its parameters are no plain names.", "The first is the class, all others are inputs.")
    if takes[0] != subject:
        raise AskError(number, first, f"it takes `{takes[0]}` first, and should take `{subject}`.", "That is what it calls.")
    if other := next((name for name in takes[1:] if name not in known), ""):
        raise AskError(number, first, f"`{other}` is no input of the ask.", f"There are {', '.join(sorted(known))}.")
    if not any(isinstance(each, ast.Yield) for each in ast.walk(function)):
        remedy = 'Yield pairs: `yield "the output", layer(x)`.'
        raise AskError(number, first, "it yields nothing, so there is nothing to compare.", remedy)
    return Drill(source, tuple(takes[1:]), spread)


def _signature(number: int, line: str) -> tuple[str, str, tuple[str, ...], tuple[Input, ...]]:
    """The name, `def`, `class` or nothing before it, and the inputs."""
    keyword = next((word for word in ("def", "class") if line.startswith(f"{word} ")), "")
    text = line.removeprefix(keyword).strip().removesuffix(":")
    name, bracket, rest = text.partition("(")
    kind, dot, method = name.partition(".") if keyword == "class" else (name, "", "")
    try:
        node = ast.parse(f"def {kind}{bracket}{rest}: ...").body[0]
    except SyntaxError:
        raise AskError(number, line, "it is no signature.", SIGNATURE) from None
    if not isinstance(node, ast.FunctionDef) or (dot and not method.isidentifier()):
        raise AskError(number, line, "it is no signature.", SIGNATURE)
    its = node.args
    if its.vararg or its.kwarg or its.defaults or its.kw_defaults or its.posonlyargs or not its.args:
        raise AskError(number, line, "its inputs are no plain names.", f"Give each a name and a kind. {SIGNATURE}")
    drawn = [_input(number, line, each.arg, each.annotation) for each in its.args if each.annotation is not None]
    return name, keyword, tuple(each.arg for each in its.args), tuple(drawn)


def _input(number: int, line: str, name: str, node: ast.expr) -> Input:
    """An input of a kind, such as `counts[v, v]`."""
    kind, sizes = (node.value, node.slice) if isinstance(node, ast.Subscript) else (node, ast.Tuple([], ast.Load()))
    if not isinstance(kind, ast.Name) or kind.id not in KINDS:
        raise AskError(number, line, f"`{ast.unparse(kind)}` is no kind of input.", A_KIND)
    items = sizes.elts if isinstance(sizes, ast.Tuple) else [sizes]
    dims: list[str | float] = []
    for item in items:
        match item:
            case ast.Name(id=dim):
                dims.append(dim)
            case ast.Constant() | ast.UnaryOp(operand=ast.Constant()) if isinstance(
                value := ast.literal_eval(item), int | float
            ):
                dims.append(value)
            case _:
                raise AskError(
                    number, line, f"`{ast.unparse(item)}` is no size.", "A size is a name, such as `n`, or a number."
                )
    if problem := KINDS[kind.id].problem(dims):
        raise AskError(number, line, f"`{name}: {ast.unparse(node)}`: {problem}", f"For example `{KINDS[kind.id].example}`.")
    return Input(name, kind.id, tuple(dims))


def _derived(number: int, line: str, known: set[str]) -> Line:
    match _parsed(line):
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            if name in known:
                raise AskError(number, line, f"`{name}` has a value already.", "Each input gets its value once.")
            return _line(name, value)
    words = ", ".join(f"`{word}:`" for word in DIRECTIVES)
    raise AskError(
        number, line, "it is nothing that an ask knows.", f"Write `name = expression`, or begin with one of {words}."
    )


def _special(number: int, key: str, text: str, known: set[str]) -> Lines:
    """The values of a case: `name = expression, name = expression`."""
    match _parsed(f"_({text})"):
        case ast.Expr(value=ast.Call(args=[], keywords=[_, *_] as keywords)) if all(each.arg for each in keywords):
            for each in keywords:
                if each.arg not in known and key == "case":
                    remedy = f"There are {', '.join(sorted(known))}."
                    raise AskError(number, f"{key}: {text}", f"`{each.arg}` is no input of the ask.", remedy)
            return tuple(_line(str(each.arg), each.value) for each in keywords)
    raise AskError(number, f"{key}: {text}", "it gives no values.", f"Write `{key}: name = expression, name = expression`.")


def _without(number: int, text: str) -> Iterator[str]:
    for path in map(str.strip, text.split(",")):
        if not DOTTED.fullmatch(path):
            raise AskError(
                number, f"without: {text}", f"`{path}` is no name.", "Write names of functions, such as `F.cross_entropy`."
            )
        yield path


def _random(ask: Ask, found: Sequence[tuple[int, str]], first: tuple[int, str]) -> Ask:
    """The ask, with what is drawn in it. Raises AskError where its lines on random answers do not go together."""
    what_is_drawn = f"Add a line `random: {'`, `'.join(RANDOM)}`, whichever it draws."
    generators = [each.name for each in ask.drawn if each.kind == "generator"]
    if not found:
        if ask.certain or ask.often:
            raise AskError(*first, "`certain:` and `often:` are for random answers.", what_is_drawn)
        if generators:
            raise AskError(*first, f"`{generators[0]}` is a generator, and it is not said what is drawn.", what_is_drawn)
        return ask
    number, what = found[-1]
    if what not in RANDOM:
        raise AskError(number, f"random: {what}", f"`{what}` is nothing that is drawn.", f"Write one of {', '.join(RANDOM)}.")
    faults = {
        "what a drill yields that is drawn stands in a line `spread:`.": ask.drill is not None,
        "it asks for a value, and only a function can be given a generator.": not ask.is_function,
        f"there are {len(generators)} inputs of the kind `generator`, and there should be one.": len(generators) != 1,
        f"there are {len(ask.often)} lines `often: …`, and there should be one, on which it is counted.": len(ask.often) != 1,
        "`case:` is not for random answers: `certain:` and `often:` are.": bool(ask.cases),
    }
    if fault := next((fault for fault, is_one in faults.items() if is_one), ""):
        raise AskError(number, f"random: {what}", fault, "An answer that draws is judged by these lines.")
    return Ask(**{**vars(ask), "random": what})


def _parsed(text: str) -> ast.stmt | None:
    try:
        return ast.parse(text).body[0]
    except (SyntaxError, ValueError, IndexError):
        return None


def _line(name: str, value: ast.expr) -> Line:
    text = ast.unparse(value)
    return Line(name, text, compile(text, f"<ask, {name}>", "eval"))
