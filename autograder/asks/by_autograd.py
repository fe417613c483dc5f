"""The gradients that a class's hand-written `backward` has to give: those that autograd finds through its `__call__`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def by_autograd(kind: type[Any]) -> type[Any]:
    """A class that calls as `kind` does, and whose `backward` asks autograd.

    `backward(dout)` gives the gradient of the last call's input, None where that has none, as an index; and it leaves those of
    the parameters in `grads`, in the order of `parameters()`. Zeros stand for what the output does not depend on.
    """

    class ByAutograd(kind):  # type: ignore[misc]
        def __call__(self, value: Any) -> Any:
            with torch.enable_grad():
                has_gradient = isinstance(value, Tensor) and value.is_floating_point()
                value = value.detach().requires_grad_() if has_gradient else value
                leaves = [parameter.requires_grad_() for parameter in self.parameters()]
                result = super().__call__(value)
            self.called_with = value if has_gradient else None, leaves, result
            return result.detach()

        def backward(self, dout: Tensor) -> Tensor | None:
            value, leaves, result = self.called_with
            wanted = leaves if value is None else [value, *leaves]
            found = list(torch.autograd.grad(result, wanted, dout, materialize_grads=True)) if wanted else []
            dvalue = None if value is None else found.pop(0)
            self.grads = found
            return dvalue

    ByAutograd.__name__ = kind.__name__  # errors name it
    return ByAutograd
