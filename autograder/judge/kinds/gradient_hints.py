"""What helps a learner to a gradient: hints, by how much they give away, and a question once the answer is right.

Both are made from the forward pass; the hints of the lesson stand between the others.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from autograder.diagnosis.evidence import PLACEHOLDER, Evidence, GradientPath, evidence_of, has_place
from autograder.diagnosis.shapes import stretch, stretched
from autograder.judge.wording import listed
from autograder.tape.cases import Case
from autograder.tape.tape import Tape, is_variable

SUMMING_CALLS = frozenset({"mean", "std", "sum", "var"})

MOST = 160
"""Characters of a hint: two short lines. A single sentence that is longer is a hint of its own."""

MOST_PART, MOST_LINE = 40, 130
"""Characters of a part of a line, and of a line in a question, that are quoted."""

MOST_RULES = 4
"""Hints on the rules of a line. Where it takes more, the lesson's own say it better."""

# what several calls have in common
SHAPE = "only the shape changes, so give the incoming gradient the old shape"
MAXIMUM = "a maximum passes the incoming gradient to the entry it picks, and nothing to the others"

CALLS: Mapping[str, str] = {
    "sum": "a sum passes the incoming gradient to every entry that it adds up",
    "mean": "a mean divides the incoming gradient by the number of entries, and each gets that share",
    "max": MAXIMUM,
    "amax": MAXIMUM,
    "var": "a variance changes with each entry by twice its distance from the mean, over what the variance divides by",
    "view": SHAPE,
    "reshape": SHAPE,
    "flatten": SHAPE,
    "squeeze": "an axis of size 1 is dropped, so put it back into the incoming gradient",
    "unsqueeze": "an axis of size 1 is added, so drop it from the incoming gradient",
    "transpose": "two axes are swapped, so swap them back in the incoming gradient",
    "permute": "the axes are reordered, so put those of the incoming gradient back in the old order",
    "masked_fill": "a mask overwrites some entries, which get zero; all others get the incoming gradient",
    "exp": "an exponential is its own derivative, entry by entry",
    "log": "the derivative of a logarithm is one over its input, entry by entry",
    "sqrt": "the derivative of a square root is one over twice the root, entry by entry",
    "tanh": "the derivative of `tanh` is 1 minus the square of its output, entry by entry",
    "gelu": "a GELU is its input times a share that depends on the input, so the product rule gives two terms",
    "cross_entropy": "a cross-entropy is a softmax, a logarithm, a pick and a mean, which have a short gradient together",
    "softmax": "a softmax ties the entries along its axis together, so each of them changes all outputs there",
}
"""What a call does on the way back, by its name."""

PRODUCT = "in a matrix product"
ADDED = "an addition passes the incoming gradient on unchanged"
SUBTRACTED_FROM = "a subtraction passes the incoming gradient on unchanged"
UNCHANGED = {ADDED, SUBTRACTED_FROM, ""}
"""Of a line with other steps these are not said."""


def generic_hints(tape: Tape, variable: str, notebook: Mapping[str, Any], words: Sequence[str]) -> tuple[str, ...]:
    """The hints for the gradient of a variable, by how much they give away: from where it is used to almost the formula.

    `words` are the lesson's own, from an idea to almost the formula.
    """
    evidence = _evidence(tape, variable, notebook)
    shapes, rules = _shapes(tape, variable, evidence), _rules(evidence)
    is_short = len(rules) <= MOST_RULES or not words
    return (_use(tape, variable, evidence), *words[:1], shapes, *(rules if is_short else ()), *words[1:])


def _evidence(tape: Tape, variable: str, notebook: Mapping[str, Any]) -> Evidence | None:
    incoming = {consumer: torch.ones_like(tape.state[consumer]) for consumer in tape.consumers(variable)}
    with suppress(RuntimeError, TypeError):  # a forward pass that fixes its dtype
        return evidence_of(torch.zeros_like(tape.state[variable]), tape, variable, Case(tape.state, incoming), notebook)
    return None


def _use(tape: Tape, variable: str, evidence: Evidence | None) -> str:
    """Where the variable is used, and how many ways back there are."""
    said = f"It is used in {listed([f'`{line}`' for line in tape.uses(variable)])}."
    if evidence is None:
        return said
    count = len(evidence.parts)
    return f"{said} {'There is one way back' if count == 1 else f'There are {count} ways back'}."


def _rules(evidence: Evidence | None) -> tuple[str, ...]:
    """By which rules the gradient comes back through the lines, in as many hints as that takes."""
    if evidence is None:
        return ()
    found = [path for path, _ in evidence.parts]
    sentences = []
    for path in found:
        steps = [step for step in _steps(path) if step not in UNCHANGED]
        if evidence.unsummed(path) is not None and (axes := stretched(evidence, path)):
            steps.append(f"sum over {listed([f'axis {axis}' for axis in axes])}, where it was stretched")
        elif steps[:1] and steps[0].startswith(PRODUCT) and 2 <= evidence.value.dim() < evidence.incoming[path.consumer].dim():
            steps.append("sum over the axes in front of the last two, along which it was used again and again")
        way = f"Through `{path.label}`: " if len(found) > 1 else "Going back: "
        first, *others = steps or ["the incoming gradient is passed on unchanged"]
        sentences += [f"{way}{first}.", *(f"Then {step}." for step in others)]
    if len(found) > 1:
        sentences.append("What comes back along these ways adds up.")
    return tuple(_packed(sentences))


def _packed(sentences: Iterable[str]) -> Iterator[str]:
    """Sentences, as many of them together as fit."""
    pack = ""
    for sentence in sentences:
        if pack and len(pack) + 1 + len(sentence) > MOST:
            yield pack
            pack = ""
        pack = f"{pack} {sentence}".strip()
    if pack:
        yield pack


def _steps(path: GradientPath) -> Iterator[str]:
    """The rules from the whole line down to the place where it reads the variable."""
    return (_rule_of(node, child) for node, child in _nodes(path))


def _nodes(path: GradientPath) -> Iterator[tuple[ast.AST, ast.AST]]:
    """The parts of a line around the place where it reads the variable, from the whole line on, each with the next one."""
    node: ast.AST = path.tree.body
    while not (isinstance(node, ast.Name) and node.id == PLACEHOLDER):
        child = next(each for each in ast.iter_child_nodes(node) if has_place(each))
        yield node, child
        node = child


def _rule_of(node: ast.AST, child: ast.AST) -> str:
    match node:
        case ast.UnaryOp(op=ast.USub()):
            return "a minus flips the sign"
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            constant = isinstance(left if child is right else right, ast.Constant)
            return "" if constant else ADDED
        case ast.BinOp(op=ast.Sub(), left=left):
            return SUBTRACTED_FROM if child is left else "a subtraction passes the incoming gradient on with a minus sign"
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            return (
                f"a product multiplies the incoming gradient by {_code(left if child is right else right, 'the other factor')}"
            )
        case ast.BinOp(op=ast.Div(), left=left, right=right) if child is left:
            return f"a division divides the incoming gradient by {_code(right, 'the same denominator')} too"
        case ast.BinOp(op=ast.Div()):
            return "it is in a denominator, and the derivative of `1 / x` is `-1 / x**2`"
        case ast.BinOp(op=ast.Pow(), right=right) if child is right:
            return "it is in an exponent, and the derivative is the power itself times the logarithm of the base"
        case ast.Attribute(attr="T"):
            return "a transpose is undone by transposing the incoming gradient"
        case ast.Attribute(attr="mT"):
            return "the last two axes are swapped, so swap them back in the incoming gradient"
        case ast.BinOp(op=ast.Pow()):
            return "the exponent of a power becomes a factor, and drops by one"
        case ast.BinOp(op=ast.MatMult(), left=left, right=right):
            other, side = (right, "right") if child is left else (left, "left")
            code = _code(other, "the other matrix")
            return f"{PRODUCT} the transpose of {code} stands to the {side} of the incoming gradient"
        case ast.Subscript():
            return "each gradient goes back to the entry that the index picked, and adds up where one was picked twice"
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return CALLS.get(name, f"`{name}` has a derivative of its own")
    return ""


def _code(node: ast.AST, name: str) -> str:
    """A part of a line as code; what it is called, if that is long."""
    code = ast.unparse(node)
    return f"`{code}`" if len(code) <= MOST_PART else name


def _shapes(tape: Tape, variable: str, evidence: Evidence | None) -> str:
    """The shapes of what there is, as many as fit, and what broadcasting did."""
    names = [variable, *(f"d{consumer}" for consumer in tape.consumers(variable) if consumer != tape.loss)]
    names += [name for consumer in tape.consumers(variable) for name in tape.parents(consumer)]
    summed = [
        f"`d{consumer}`"
        for consumer in tape.consumers(variable)
        if _is_summed(tape, consumer) and _stretches(tape.state[consumer].shape, tape.state[variable].shape)
    ]
    remarks = [f"Broadcasting stretches {listed(summed)} for you."] if summed else []
    for path, _ in evidence.parts if evidence else ():
        if evidence and evidence.unsummed(path) is not None and stretched(evidence, path):
            remarks.append(f"{stretch(evidence, path)}.")
    first, *others = dict.fromkeys(names)
    said = f"`d{variable}` has the shape of `{first}`, {_shape(tape, first)}."
    for count in range(len(others), 0, -1):
        sizes = ", ".join(f"`{name}` is {_shape(tape, name)}" for name in others[:count])
        text = " ".join([said, f"{sizes}.", *remarks])
        if len(text) <= MOST or count == 1:
            return text
    return " ".join([said, *remarks])


QUESTIONS: Mapping[str, str] = {
    "max": "{line} picks a maximum. Which entries get a gradient, and where do you see that in your answer?",
    "cross_entropy": "Which part of your answer comes from the softmax in {line}, and which from the label?",
    "mean": "{line} takes a mean. Over how many entries, and where do you see that number in your answer?",
    "sum": "{line} sums many entries into one. How does your answer give each of them its gradient?",
    "@": "{line} is a matrix product. Which axis does your answer sum over, and why that one?",
    "transpose": "{line} swaps axes. Where do you see in your answer that they are swapped back?",
    "view": "{line} changes only the shape. Why is the old shape all that its gradient needs?",
}
"""What is asked of a line in which the gradient comes back through such a step: the first of these that there is."""

SAME_QUESTION = {
    **{"amax": "max", "T": "transpose", "mT": "transpose", "permute": "transpose"},
    **dict.fromkeys(("reshape", "flatten", "squeeze", "unsqueeze"), "view"),
}


def question(tape: Tape, variable: str, notebook: Mapping[str, Any]) -> str:
    """A question about a right answer, which makes one explain it; nothing where the forward pass gives none."""
    evidence = _evidence(tape, variable, notebook)
    if evidence is None or not evidence.parts:
        return ""
    first, *others = (path for path, _ in evidence.parts)
    line = _line(first)
    if others:
        lines = listed([*dict.fromkeys(f"`{path.step.text}`" for path in (first, *others))])
        if len(lines) > MOST_LINE:
            lines = f"the forward pass: in {listed([*dict.fromkeys(f'`{path.label}`' for path in (first, *others))])}"
        used = f"`{variable}` is used {_times(1 + len(others))} in {lines}."
        return f"{used} Which part of your answer comes from which use?"
    if evidence.unsummed(first) is not None and (axes := stretched(evidence, first)):
        along = "Along which axis" if len(axes) == 1 else "Along which axes"
        return f"In {line}, `{variable}` was stretched. {along}, and where do you see that in your answer?"
    if about_index := _about_index(evidence, first):
        return about_index
    steps = [_step(node) for node, _ in _nodes(first)]
    asked = next((text for step, text in QUESTIONS.items() if step in steps), "")
    if not asked and {*_steps(first)} <= UNCHANGED:
        asked = "Why does the incoming gradient come through {line} unchanged?"
    if not asked and first.consumer == evidence.tape.loss:  # nothing that has a name comes in
        asked = "What is the derivative of {line}, and where does it stand in your answer?"
    asked = asked or "Which part of your answer is the derivative of {line}, and which is the incoming gradient?"
    return _sentence(asked.format(line=line))


def _line(path: GradientPath) -> str:
    """The line of a path as code; which one it is, if that is long."""
    text = path.step.text
    return f"`{text}`" if len(text) <= MOST_LINE else f"the line of `{path.consumer}`"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"


def _step(node: ast.AST) -> str:
    """What a part of a line does, by the name that QUESTIONS has for it."""
    match node:
        case ast.BinOp(op=ast.MatMult()):
            return "@"
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) | ast.Attribute(attr=name):
            return SAME_QUESTION.get(name, name)
    return ""


def _about_index(evidence: Evidence, path: GradientPath) -> str:
    """A question about an index that picks some entries only, or some more than once."""
    state = {**evidence.state, PLACEHOLDER: evidence.value}
    for node, child in _nodes(path):
        if not (isinstance(node, ast.Subscript) and child is node.value):
            continue
        whole = eval(compile(ast.Expression(node.value), "<part>", "eval"), state)
        if not isinstance(whole, Tensor):
            continue
        places = torch.arange(whole.numel()).view(whole.shape)
        index = ast.Expression(ast.Subscript(ast.Name(PLACEHOLDER, ast.Load()), node.slice, ast.Load()))
        picked = eval(compile(ast.fix_missing_locations(index), "<part>", "eval"), {**state, PLACEHOLDER: places})
        once = picked.unique().numel()
        if once < picked.numel():
            said = f"{_line(path)} picks some entries of `{evidence.variable}` more than once."
            return _sentence(f"{said} Where in your answer do their gradients add up?")
        if once < whole.numel():
            asked = "What do all others get, and where do you see that in your answer?"
            return _sentence(f"{_line(path)} picks some entries. {asked}")
    return ""


def _is_summed(tape: Tape, consumer: str) -> bool:
    """Whether the line of a consumer takes a sum, or something like it."""
    line = next(step.source for step in tape.steps if step.name == consumer)
    return any(isinstance(node, ast.Attribute) and node.attr in SUMMING_CALLS for node in ast.walk(ast.parse(line)))


def _stretches(small: torch.Size, large: torch.Size) -> bool:
    """Whether broadcasting makes one shape the other."""
    return (
        small.numel() < large.numel()
        and len(small) == len(large)
        and all(a in (1, b) for a, b in zip(small, large, strict=True))
    )


def _shape(tape: Tape, name: str) -> str:
    value = tape.state.get(name, tape.state.get(name[1:]))
    return str(tuple(value.shape)) if isinstance(value, Tensor) and is_variable(value) and value.dim() else "a number"
