"""Attacks: submissions that should earn nothing from what they try, and harm nobody. Rows, by name.

A submission is the released notebook, answered right but for the cells that a row replaces. `$name` in a source stands for
something of the host: a path, a port, the token by which everything that an attack leaves can be found again.
An attack that gets what it must not get prints WORKED.
"""

from __future__ import annotations

from tests.support.attacks.attack import Attack
from tests.support.attacks.autograd import AUTOGRAD
from tests.support.attacks.channels import CHANNELS
from tests.support.attacks.code import CODE
from tests.support.attacks.files import FILES
from tests.support.attacks.malformed import MALFORMED
from tests.support.attacks.mutating import MUTATING
from tests.support.attacks.network import NETWORK
from tests.support.attacks.notebooks import NOTEBOOKS
from tests.support.attacks.objects import OBJECTS
from tests.support.attacks.oracles import ORACLES
from tests.support.attacks.pages import PAGES
from tests.support.attacks.processes import PROCESSES
from tests.support.attacks.reading import READING
from tests.support.attacks.replacing import REPLACING
from tests.support.attacks.walls import WALLS

ATTACKS: dict[str, Attack] = {
    name: attack
    for rows in (
        REPLACING, READING, OBJECTS, MUTATING, CHANNELS, PROCESSES, NETWORK, WALLS, FILES, AUTOGRAD, NOTEBOOKS, MALFORMED,
        PAGES, CODE, ORACLES,
    )
    for name, attack in rows.items()
}  # fmt: skip
