"""Recording what is right on the cases of an assignment's asks, and what each planted mistake gives there.

The instructor's own cells run here, in this process: locked ones for the names that model answers read, then the model answers
on the cases. `mistakes.toml` lies beside the notebooks in `source/` and is not handed out: each row is a change of a model
answer, with the sentence that whoever makes the same mistake is to read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any
from warnings import catch_warnings

from autograder.asks import recorded
from autograder.asks.ask import Ask, parse_ask
from autograder.asks.inputs import Seed, in_words
from autograder.asks.model import Expected, form_outcome, outcome, raw_outcome
from autograder.asks.observing import PRACTICE_SEED, UNDECIDED, AskCase, Mode, cases_of, plain
from autograder.asks.recorded import ENDLESS, FILE, STOPS, Planted, Recorded
from autograder.course import notebooks
from autograder.course.cells import Cell, Role, body, cells_of, is_ask, is_forward
from autograder.course.order import LESSON_FILE
from autograder.course.questions import id_of, models_of, parse_answer
from autograder.errors import AskError, ContentError
from autograder.judge.values import agrees, observed_difference
from autograder.replay.answer import is_there
from autograder.replay.parsed import parse_cell
from autograder.replay.run import TooSlow
from autograder.tape.tape import parse_forward

MISTAKES_FILE = "mistakes.toml"
TABLES = ("part", "objective", "gradient", "ask")
"""What a lesson has at its top."""
FIELDS = {"name", "instead", "write", "code", "sentence", "next"}
DRAWN = 0.1
"""What may be wrong with a value is less than this share of its largest number, unless it was drawn."""
SEEN_SEED = "other"
"""The seed of cases that nobody is judged on: other forms of a model answer are tried on them too."""

Fault = tuple[str, str, str]
"""The notebook, the cell, and what is wrong."""


@dataclass
class Recording:
    """What was recorded of an assignment, by the names of its asks, and what is wrong with the asks."""

    asks: dict[str, Recorded] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def note_stop(self, notebook: str, cell: str, error: Exception) -> None:
        """Takes note of a locked cell that stops."""
        self.faults.append((notebook, cell, f"it stops where answers are recorded: {type(error).__name__}: {error}"))

    @property
    def written(self) -> bytes:
        return recorded.written(self.asks)

    def is_that_of(self, path: Path) -> bool:
        """Whether the file at a path says the same, but for rounding."""
        try:
            known = recorded.read(path)
        except ContentError:
            return False
        return known.keys() == self.asks.keys() and all(_is_same(known[name], each) for name, each in self.asks.items())


def record(source: Path) -> Recording:
    """Records an assignment. Raises ContentError where a file of it cannot be read."""
    found = Recording()
    rows = _rows(source / MISTAKES_FILE)
    known = set[str]()
    for path in sorted(source.glob("*.ipynb")):
        cells = list(cells_of(notebooks.normalised(notebooks.read(path))))
        if not any(is_ask(cell.source) for cell in cells):
            continue
        namespace = locked_names(cells, partial(found.note_stop, path.name))
        answers = {cell.id: parse_answer(cell.source) for cell in cells if cell.solves}
        models = models_of(cells)
        for cell in (cell for cell in cells if is_ask(cell.source)):
            try:
                ask = parse_ask(body(cell.source))
            except AskError as error:
                found.faults.append((path.name, cell.id, " ".join(str(error).split())))
                continue
            if ask.name in known:
                found.faults.append((path.name, cell.id, f"`{ask.name}` is asked for twice in the assignment."))
            known.add(ask.name)
            if ask.name not in models:
                found.faults.append((path.name, cell.id, f"there is no solution cell `{ask.answer}`."))
                continue
            found.faults += (
                (path.name, cell.id, f"there is no `{each}` to switch off.") for each in ask.without if not is_there(each)
            )
            mine = [row for row in rows if row["name"] == ask.name]
            forms = [code for _, code in answers[ask.answer].others]
            found.faults += (
                (path.name, *fault) for fault in _recorded(ask, models[ask.name], forms, mine, namespace, found.asks)
            )
    if known:
        found.faults += _lesson_faults(source / LESSON_FILE, known)
    found.faults += ((MISTAKES_FILE, str(row["name"]), "no ask has this name.") for row in rows if row["name"] not in known)
    return found


def _recorded(
    ask: Ask,
    code: str,
    forms: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    namespace: Mapping[str, Any],
    into: dict[str, Recorded],
) -> Iterator[tuple[str, str]]:
    """Records an ask, and gives its faults: the cell, and what is wrong."""
    cell = id_of("ask", ask.name)
    try:
        cases = cases_of(ask, PRACTICE_SEED)
        right = tuple(outcome(case, code, namespace) for case in cases)
        others = [(case, outcome(case, code, namespace)) for case in cases_of(ask, SEEN_SEED)]
        recorded.written({"": Recorded("", right)})
    except (AskError, ContentError) as error:
        yield cell, " ".join(str(error).split())
        return
    known = _known(cases, [case for case, _ in others])
    yield from ((cell, problem) for problem in (*_loose(cases, right), *known, *_undetermined(ask, right)))
    if len(forms) < 1:
        yield ask.name, "its model answer has one form only: add another, `# or:`, to see that the ask accepts it."
    # the model itself is among them: autograd says what is right of a `backward`
    for place, (form, run) in enumerate([(code, raw_outcome), *((form, form_outcome) for form in forms)], 1):
        for case, truth in (*zip(cases, right, strict=True), *others):
            if problem := _unlike(case, partial(run, case, form, namespace), truth):
                yield ask.name, f"form {place} of its model answer is not accepted: {problem}"
                break
    planted: list[Planted] = []
    for row in rows:
        try:
            wrong = _patched(row, code)
        except ContentError as error:
            yield ask.name, str(error)
            continue
        outcomes = tuple(_outcomes(cases, wrong, namespace))
        if all(outcome is STOPS for outcome in outcomes):
            yield ask.name, f"the planted mistake “{row['sentence']}” stops on every case, as others do: take it out."
            continue
        if all(_is_right(*each) for each in zip(cases, outcomes, right, strict=True)):
            yield ask.name, f"the planted mistake “{row['sentence']}” is right on all cases."
            continue
        for each in planted:
            if all(
                agrees(case.mode, one, two, truth)
                for case, one, two, truth in zip(cases, outcomes, each.outcomes, right, strict=True)
            ):
                yield ask.name, f"two planted mistakes give the same on all cases: “{each.sentence}”, “{row['sentence']}”"
        planted.append(Planted(row["sentence"], row["next"], outcomes))
    into[ask.name] = Recorded(ask.source.strip(), right, tuple(planted))


def _loose(cases: Sequence[AskCase], right: Sequence[Any]) -> Iterator[str]:
    """What is wrong with cases by what the model answer gives on them."""
    for case, truth in zip(cases, right, strict=True):
        if case.mode is Mode.VALUE and isinstance(truth, str) and truth == UNDECIDED:
            yield f"`certain: …` with {_inputs(case)} leaves a choice: the model answer gives {truth}."
        if not _is_finite(truth):
            yield (
                f"the model answer gives numbers that are not finite for {_inputs(case)}: no answer can be right there. "
                "Bound a size by an input of its own, such as `n: size[2, 9]`."
            )
    counted = ((case, truth) for case, truth in zip(cases, right, strict=True) if case.mode is Mode.OFTEN)
    if found := next(((case, truth) for case, truth in counted if isinstance(truth, dict) and len(truth) < 2), None):
        only = next(iter(found[1]), "nothing")
        yield f"`often: …` with {_inputs(found[0])} leaves no choice: the model answer always gives {only}."


def _known(cases: Sequence[AskCase], others: Sequence[AskCase]) -> Iterator[str]:
    """What is wrong where an answer is counted on the same inputs in every course: its table is right."""
    counted = [(case, other) for case, other in zip(cases, others, strict=True) if case.mode is Mode.OFTEN]
    if counted and all(_fixed(case) == _fixed(other) for case, other in counted):
        yield (
            "`often: …` is the same in each class, so that a table of what comes out would be right in a graded run. Let it "
            f"depend on `{counted[0][0].call().generator}.number`, a whole number that each case draws."
        )


def _fixed(case: AskCase) -> dict[str, Any]:
    """What a case gives to an answer, but for the generator."""
    return {name: plain(value) for name, value in case.values.items() if not isinstance(value, Seed)}


def _undetermined(ask: Ask, right: Sequence[Any]) -> Iterator[str]:
    """What is wrong with the labels of a drill that are drawn, or should be said to be."""
    if ask.drill is None:
        return
    for label in ask.drill.spread:
        if any(label not in truth for truth in right):
            yield f"`spread:` names “{label}”, and the drill yields nothing under that label."
    for label in right[0] if right else ():
        if any(_is_drawn(truth.get(label)) for truth in right):
            yield f"the model answer gives other numbers each time under “{label}”: name it in a line `spread: …`."


def _is_drawn(value: Any) -> bool:
    """Whether what is right is so uncertain that it can only have been drawn: it differs between float64 and float32."""
    match value:
        case Expected() if value.exact.numel():
            return value.tolerance > DRAWN * max(float(value.exact.abs().max()), 1e-12)
        case list() | tuple():
            return any(map(_is_drawn, value))
    return False


def _inputs(case: AskCase) -> str:
    """The inputs of a case in words, each cut off where it is long."""
    return ", ".join(f"`{name} = {in_words(value)[:80]}`" for name, value in case.inputs.items())


def _is_finite(truth: Any) -> bool:
    match truth:
        case Expected():
            return bool(truth.exact.isfinite().all())
        case list() | tuple():
            return all(map(_is_finite, truth))
        case dict():
            return all(map(_is_finite, truth.values()))
    return True


def _lesson_faults(path: Path, known: Collection[str]) -> Iterator[Fault]:
    """What is wrong with the words of a lesson on asks."""
    if not path.is_file():
        return
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        yield LESSON_FILE, "", f"it cannot be read: {error}."
        return
    yield from (
        (LESSON_FILE, "", f"`{key}` is nothing that a lesson has: {', '.join(TABLES)}.") for key in content.keys() - TABLES
    )
    rows = content.get("ask", [])
    for row in rows if isinstance(rows, list) else [rows]:
        if not isinstance(row, dict) or row.keys() != {"name", "hints"}:
            yield LESSON_FILE, "", f"an [[ask]] has name and hints, and this one is {row!r}."
        elif row["name"] not in known:
            yield LESSON_FILE, str(row["name"]), "no ask has this name."


def _unlike(case: AskCase, run: Callable[[], Any], truth: Any) -> str:
    """How another form of a model answer differs on a case; nothing where it does not."""
    try:
        found = observed_difference(case.mode, run(), truth)
    except ContentError as error:
        return str(error)
    return f"for {_inputs(case)}: {found.diagnosis} Seen {found.seen}, expected {found.expected}." if found else ""


def _outcomes(cases: Sequence[AskCase], code: str, namespace: Mapping[str, Any]) -> Iterator[Any]:
    """What a wrong answer comes to on each case. One that does not end on a case is not tried on any other."""
    found: Any = None
    for case in cases:
        if found is not ENDLESS:
            try:
                found = raw_outcome(case, code, namespace)
                recorded.written({"": Recorded("", (found,))})  # what cannot be recorded counts as a stop
            except ContentError as error:
                found = ENDLESS if isinstance(error.__cause__, TooSlow) else STOPS
        yield found


def _is_right(case: AskCase, found: Any, truth: Any) -> bool:
    return found not in (STOPS, ENDLESS) and observed_difference(case.mode, found, truth) is None


def _patched(row: Mapping[str, str], code: str) -> str:
    """The wrong answer that a row stands for. Raises ContentError where the row does not fit the model answer."""
    if "code" in row:
        return row["code"]
    if row["instead"] not in code:
        raise ContentError(f"`{row['instead']}` does not stand in the model answer: {MISTAKES_FILE} cannot change it.")
    return code.replace(row["instead"], row["write"])


def locked_names(cells: Iterable[Cell], on_error: Callable[[str, Exception], object]) -> dict[str, Any]:
    """The names that the locked cells of a notebook bind, which model answers may read.

    A cell that stops is told to `on_error` by its id, unless it only reads an answer, such as a plot.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    with redirect_stdout(StringIO()), catch_warnings(action="ignore"):
        for cell in (cell for cell in cells if cell.role is Role.LOCKED and not is_ask(cell.source)):
            try:
                _run(cell.source, names)
            except NameError:  # it reads an answer
                pass
            except Exception as error:
                on_error(cell.id, error)
    return names


def _run(source: str, names: dict[str, Any]) -> None:
    if is_forward(source):
        for step in parse_forward(body(source)):
            names[step.name] = eval(step.code, names)
        return
    for statement in parse_cell(source).statements:
        exec(statement.code, names)


def _rows(path: Path) -> list[dict[str, str]]:
    """The planted mistakes of a file. Raises ContentError for a file that cannot be read, or a row that is none."""
    if not path.is_file():
        return []
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = content.get("mistake", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ContentError(f"{path}: {error}.") from None
    if others := content.keys() - {"mistake"}:
        raise ContentError(f"{path}: `{min(others)}` is nothing that this file has. Each mistake is a [[mistake]].")
    for row in rows:
        is_patch = {"instead", "write"} <= row.keys()
        if not ({"name", "sentence", "next"} <= row.keys() <= FIELDS and is_patch != ("code" in row)):
            raise ContentError(
                f"{path}: a [[mistake]] has name, sentence, next, and `instead` and `write`, or else `code`. "
                f"This one has {sorted(row)}."
            )
    return list(rows)


def _is_same(one: Recorded, other: Recorded) -> bool:
    def alike(first: Any, second: Any) -> bool:
        return bool(recorded.same(first, second))

    if one.ask != other.ask or len(one.mistakes) != len(other.mistakes):
        return False
    if not all(map(alike, one.right, other.right)):
        return False
    return all(
        (mine.sentence, mine.next_step) == (theirs.sentence, theirs.next_step)
        and all(map(alike, mine.outcomes, theirs.outcomes))
        for mine, theirs in zip(one.mistakes, other.mistakes, strict=True)
    )


def write(source: Path, release: Path) -> Path:
    """Records an assignment, and writes the file beside its notebooks. Raises ContentError where something is wrong with it."""
    found = record(source)
    if found.faults:
        raise ContentError("\n".join(f"{notebook}, cell `{cell}`: {problem}" for notebook, cell, problem in found.faults))
    if not found.asks:
        raise ContentError(f"no notebook in {source} has an `%%ask` cell, so there is nothing to record.")
    for folder in (source, release):
        if folder.is_dir():
            (folder / FILE).write_bytes(found.written)
    return source / FILE
