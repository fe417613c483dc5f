"""What an answer has from outside, or written into it, that fits the notebook's own minibatch only."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from autograder.judge import outside
from autograder.replay.run import Replay
from autograder.replay.workspace import NotebookWorkspace
from autograder.verdict import Mistake, Outcome
from tests.support.lesson import Lesson

INSTEAD = "Use `n` in its place, or take sizes from the variables' shapes."
WRITE = "Write `n`, or take sizes from the variables' shapes."
UNKNOWN = "Use `n` and the variables' shapes: is 32 written into it, a number made from it, or a size read off the data?"


@pytest.fixture(scope="module")
def solved() -> Lesson:
    return Lesson("1-every-gradient")


@pytest.fixture
def here(solved: Lesson) -> Iterator[Lesson]:
    """A solved notebook; what a test binds in it is gone after the test."""
    names = dict(solved.shell.user_ns)
    runs = list(solved.session.runs)
    yield solved
    solved.shell.user_ns.clear()
    solved.shell.user_ns.update(names)
    solved.session.runs[:] = runs


def elsewhere(*names: str) -> str:
    them = "it" if len(names) == 1 else "them"
    return f"The cell reads {' and '.join(f'`{name}`' for name in names)} from another cell: work {them} out in this one."


M = Mistake
CELLS = {
    "a number made of n": (
        "batch_size = n",
        "dlogprobs",
        "dlogprobs = -F.one_hot(Yb, 27) / batch_size",
        ("wrong", "`batch_size` is 32 there too, from another cell.", INSTEAD, M.FOREIGN),
    ),
    "a number as large as n": (
        "batch_size = 32",
        "dlogprobs",
        "dlogprobs = -F.one_hot(Yb, 27) / batch_size",
        ("wrong", "`batch_size` is 32 there too, from another cell.", INSTEAD, M.FOREIGN),
    ),
    "a share": (
        "share = 1 / n",
        "dlogprobs",
        "dlogprobs = -share * F.one_hot(Yb, 27)",
        ("wrong", "`share` is 0.03125 there too, from another cell.", INSTEAD, M.FOREIGN),
    ),
    "sizes": (
        "looked_up = C[Xb]\nB, T, E = looked_up.shape",
        "demb",
        "demb = dembcat.view(B, T, E)",
        ("stops", "`B` is 32 there too, from another cell.", INSTEAD, M.FOREIGN),
    ),
    "a shape": (
        "shape = emb.shape",
        "demb",
        "demb = dembcat.view(shape)",
        ("stops", "`shape[0]` is 32 there too, from another cell.", INSTEAD, M.FOREIGN),
    ),
    "settings": (
        "settings = {'lr': 0.1, 'rows': 32}",
        "dlogprobs",
        "dlogprobs = -F.one_hot(Yb, 27) / settings['rows']",
        ("wrong", "`settings['rows']` is 32 there too, from another cell.", INSTEAD, M.FOREIGN),
    ),
    "what a helper reads": (
        "rows = n\ndef mean_of(x):\n    return x / rows",
        "dlogprobs",
        "dlogprobs = mean_of(-F.one_hot(Yb, 27))",
        ("wrong", "`rows` is 32 there too, from another cell.", INSTEAD, M.FOREIGN),
    ),
    "a tensor": (
        "labels = F.one_hot(Yb, 27)",
        "dlogprobs",
        "dlogprobs = -labels / n",
        ("stops or wrong", "", elsewhere("labels"), M.FOREIGN),
    ),
    "a tensor that a loop made": (
        "for _ in range(2):\n    kept = probs",
        "dprobs",
        "dprobs = dlogprobs / kept",
        ("stops", "", elsewhere("kept"), M.FOREIGN),
    ),
    "two tensors": (
        "labels = F.one_hot(Yb, 27)\nscale = torch.ones(n, 1) / n",
        "dlogprobs",
        "dlogprobs = -labels * scale",
        ("stops or wrong", "", elsewhere("labels", "scale"), M.FOREIGN),
    ),
    "a tensor that depends on nothing, beside what is written": (
        "eye = torch.eye(27)",
        "dlogprobs",
        "dlogprobs = -eye[Yb] / 32",
        ("wrong", "`32` is written into the cell, where `n` belongs.", WRITE, M.BATCH),
    ),
    "chance, beside what is written": (
        "noise = torch.randn(n)",
        "dlogprobs",
        "dlogprobs = -F.one_hot(Yb, 27) / 32 + 0 * noise.sum()",
        ("wrong", "`32` is written into the cell, where `n` belongs.", WRITE, M.BATCH),
    ),
    "a share that is written": (
        "",
        "dlogprobs",
        "dlogprobs = -0.03125 * F.one_hot(Yb, 27)",
        ("wrong", "`0.03125` is written into the cell, where 1 / `n` belongs.", WRITE, M.BATCH),
    ),
    "a 32 that is no count of rows": (
        "",
        "dlogprobs",
        "dlogprobs = -F.one_hot(Yb, 27) / (len(str(10**30)) + 1) * (32 / 32)",
        ("wrong", "", UNKNOWN, M.BATCH),
    ),
    "a number that is as large by chance": (
        "units = 32",
        "dlogprobs",
        "dlogprobs = -F.one_hot(Yb, 27) / (len(str(10**30)) + 1) * (units / units)",
        ("wrong", "", UNKNOWN, M.BATCH),
    ),
}


@pytest.mark.parametrize(("before", "name", "source", "told"), CELLS.values(), ids=CELLS)
def test_what_fits_this_minibatch_only_is_named(
    here: Lesson, before: str, name: str, source: str, told: tuple[str, str, str, Mistake]
) -> None:
    how, sentence, step, mistake = told
    here.run(before)
    here.run(source)
    verdict = here.verdict(name)
    assert verdict.outcome is Outcome.WRONG
    wheres = {
        "wrong": r"Right on this minibatch of 32 rows, but wrong on a batch of \d+ of them\. ",
        "stops": r"The cell works on this minibatch of 32 rows, but stops on a batch of \d+ of them\. ?",
    }
    where = "|".join(pattern for word, pattern in wheres.items() if word in how)
    shown = re.escape(sentence) if sentence else r"(The values are wrong in .* entries\.|The shape is wrong.*)?"
    assert re.fullmatch(f"({where}){shown}", verdict.diagnosis), verdict.diagnosis
    assert (verdict.next_step, verdict.mistake) == (step, mistake)


def test_a_cell_that_depends_on_nothing_is_not_run_again(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may take long, and what it gives is the same on every minibatch."""
    ran: list[str] = []
    replay = NotebookWorkspace.replay

    def noted(self: NotebookWorkspace, cell: outside.ParsedCell, name: str, case: outside.Case) -> Replay:
        ran.append(name)
        return replay(self, cell, name, case)

    monkeypatch.setattr(NotebookWorkspace, "replay", noted)
    here.run("table = torch.eye(len(vocabulary(load_names())))\nrows = n")
    here.run("dlogprobs = -table[Yb] / rows")
    assert here.verdict("dlogprobs").diagnosis.endswith("`rows` is 32 there too, from another cell.")
    assert "rows" in ran
    assert "table" not in ran


def test_a_fault_in_the_search_costs_no_verdict(here: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(outside.Trial, "fixed", fail)
    here.run("dlogprobs = -F.one_hot(Yb, 27) / 32")
    verdict = here.verdict("dlogprobs")
    assert (verdict.outcome, verdict.next_step) == (Outcome.WRONG, UNKNOWN)
