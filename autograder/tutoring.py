"""What a learner is told besides the verdicts: what a gradient map is made of, and hints."""

from __future__ import annotations

from typing import Any

from autograder.errors import NotReady
from autograder.graph import chart
from autograder.guidance import hints
from autograder.paper import Paper
from autograder.session import Session, current


def told(paper: Paper) -> dict[str, Any]:
    """What a paper asks for, of the notebook that was just examined, as data."""
    session = current() if paper.maps or paper.hints else None
    found: dict[str, Any] = {}
    if session and paper.maps:
        found["maps"] = [
            {"forward": source, "nodes": [[node.name, node.through, node.leaf] for node in chart(tape, {}).nodes]}
            for source, tape in session.tapes.items()
            if any(session.tape(variable) is tape for variable in tape.variables)
        ]
    if session and paper.hints:
        found["hints"] = {name: _hints(session, name) for name in paper.hints}
    return found


def _hints(session: Session, name: str) -> dict[str, Any]:
    try:
        return {"said": hints(session, name), "error": ""}
    except NotReady as error:
        return {"said": [], "error": str(error)}
