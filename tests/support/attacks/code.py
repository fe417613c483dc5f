"""Code that is hard to read."""

from __future__ import annotations

from tests.support.attacks.attack import Attack

NESTED = {
    "code-brackets": "x = " + "(" * 5000 + ")" * 5000,
    "code-signs": "x = " + "-" * 30000 + "1",
    "code-sums": "x = 1" + "+1" * 30000,
    "code-members": "x = dh" + ".T" * 30000,
    "code-calls": "x = dh" + "()" * 30000,
    "code-lambdas": "x = " + "lambda:" * 10000 + "1",
    "code-branches": """
if n:
    pass
"""
    + """
elif n:
    pass
"""
    * 5000,
    "code-characters": "# \ud83d\ude00\x00\x0c\u2028\x85 \u202e\nx = 1\\",
    "code-magics": "%%time\n" * 300 + "!" * 3000 + "\n" + "?" * 3000 + "\n" + "a = !" * 300,
}
"""Code that takes long to read, or crashes who reads it."""

CODE = {
    name: Attack("has code that is hard to read", {"dz": source}, loses="dz")
    for name, source in ((name, source) for name, source in NESTED.items())
}
