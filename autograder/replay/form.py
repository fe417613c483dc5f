"""What a tensor is that is not an ordinary dense one: sparse, nested, quantized, on another device, of an odd dtype.

The judge names it, and so does a room, from which such a tensor does not come.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

USUAL_DTYPES = {
    *(torch.bool, torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
    *(getattr(torch, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
"""The dtypes that a tensor has of which something more can be said than its dtype."""


class DistantTensor:
    """What stands for a tensor that is not an ordinary dense one and is in another process, with its `form_of` there."""

    _form: str


FORMS = {
    "a sparse": "Make it dense, by `.to_dense()`.",
    "a tensor of layout": "Make it dense, by `.to_dense()`.",
    "a nested": "Put its parts into one tensor, by `torch.stack`.",
    "a quantized": "Compute with float32: `.dequantize()` gives that.",
    "a tensor on": "Compute on the device of the forward pass.",
    "a tensor of": "Compute with float32, as the forward pass does.",
    "a `": "Compute with ordinary tensors.",
}
"""How the forms of tensors begin that are not ordinary dense ones, and what to do about each."""


def form_of(answer: Any, device: str = "cpu") -> str:
    """What a tensor is that is not an ordinary dense one, in words; the empty string for any other value.

    An ordinary one has numbers of a usual dtype, which lie on this kind of device, and torch's own ways to compute.
    """
    if isinstance(answer, DistantTensor):
        return answer._form
    if not isinstance(answer, Tensor):
        return ""
    layout = str(answer.layout).removeprefix("torch.").strip("_")
    if answer.is_nested:
        return "a nested tensor"
    if type(answer).__torch_dispatch__ is not Tensor.__torch_dispatch__:
        return f"a `{type(answer).__name__}`"
    if answer.is_quantized:
        return f"a quantized tensor of {dtype_name(answer.dtype)}"
    if answer.layout != torch.strided:
        return f"a {layout} tensor" if layout.startswith("sparse") else f"a tensor of layout {layout}"
    if answer.device.type != device:
        return f"a tensor on {answer.device}"
    return "" if answer.dtype in USUAL_DTYPES else f"a tensor of {dtype_name(answer.dtype)}"


def dtype_name(dtype: torch.dtype) -> str:
    """The name of a dtype without its module, such as `bfloat16`."""
    return str(dtype).removeprefix("torch.")
