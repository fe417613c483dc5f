"""The `%%forward` cell magic, loaded by `%load_ext autograder`."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from autograder.session import start


@magics_class
class ForwardMagics(Magics):
    @magic_arguments()
    @argument("--batch", nargs="+", default=[], help="what the minibatch is: the count and the tensors with one row each")
    @cell_magic
    def forward(self, line: str, cell: str) -> None:
        """Runs a forward pass and remembers it, one `name = expression` a line; the last name is the loss."""
        options = parse_argstring(self.forward, line)
        start(self.shell).forward(cell, options.batch)


def load(shell: InteractiveShell) -> None:
    """Watches the notebook's cells from now on, and gives it the magic."""
    start(shell)
    shell.register_magics(ForwardMagics)
