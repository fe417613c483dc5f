"""What a cell is told of its answer while marks are given. `sandbox/test_oracles.py` has what could be made of more."""

from __future__ import annotations

from tests.support.attacks.attack import WRONG, Attack, at

LOOKS = """
from autograder import progress
recorder = get_ipython().display_pub.session
def looks(call):
    before = len(recorder.messages)
    try:
        call()
    except Exception as error:
        print("error:", error)
    for message in recorder.messages[before:]:
        data = message["content"].get("data", {})
        for name, value in data.get("application/vnd.autograder.verdict+json", {}).items():
            if value:
                print(name, "WORKED" if name in ("seen", "expected", "where", "heat", "example", "notes") else "said")
        print("text:", "WORKED" if "gradient map" in data.get("text/plain", "") else "looked")
"""

ORACLES = {
    "oracle-looks": at(
        "dz", "looks for numbers and pictures", f"{WRONG}{LOOKS}looks(lambda: check('dz'))", shows="^diagnosis said"
    ),
    "oracle-looks-at-the-map": at(
        "dz", "reads from the map what tests said", f"{WRONG}{LOOKS}looks(progress)\nprint('it looked')", shows="^it looked"
    ),
    "oracle-asks-its-agent": at(
        "dz",
        "asks for a verdict past the functions of a notebook",
        f"""
{WRONG}{LOOKS}
import gc
ask = next(o for o in gc.get_objects() if type(o).__name__ == 'Agent').conversation.ask
for what, args in (('check', ['dz']), ('check', ['dz', None]), ('progress', []), ('progress', ['dz'])):
    looks(lambda: [recorder.send(None, message) for message in ask('show', what=what, args=args, kwargs={{}})['messages']])
    print('asked for', what)
""",
        shows="^diagnosis said",
    ),
    "oracle-in-a-loop": Attack(
        "asks without an end",
        {
            "dz": """
dz = dh * (1 - h**2)
for again in range(200):
    try:
        check('dnothing')
    except Exception:
        pass
print('went on')"""
        },
        shows="went on$",
        noted="more often than it is answered",
    ),
}
