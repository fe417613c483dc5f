"""Gradients by autograd, or by other means than maths."""

from __future__ import annotations

from tests.support.attacks.attack import Attack, at

EACH_ENTRY = """base = z.double()
dz = torch.zeros_like(base)
for place in range(z.numel()):
    step = torch.zeros(z.numel(), dtype=torch.float64)
    step[place] = 1e-6
    step = step.view_as(base)
"""
"""One small step for each entry."""

LEAF = """
x = z.clone().requires_grad_()
with torch.enable_grad():
    y = torch.tanh(x)
"""
CHILD = """
import io, subprocess, sys
code = '''
import io, sys, torch
z, dh = torch.load(io.BytesIO(sys.stdin.buffer.read()))
z.requires_grad_()
torch.tanh(z).backward(dh)
torch.save(z.grad, told := io.BytesIO())
sys.stdout.buffer.write(told.getvalue())
'''
torch.save((z, dh), given := io.BytesIO())
told = subprocess.run([sys.executable, '-c', code], input=given.getvalue(), capture_output=True).stdout
dz = torch.load(io.BytesIO(told))
"""

AUTOGRAD = {
    "backward": at("dz", "calls backward", LEAF + "y.backward(dh)\ndz = x.grad", stock=True, shows="autograd is switched off"),
    "grad": at(
        "dz", "calls torch.autograd.grad", LEAF + "(dz,) = torch.autograd.grad(y, x, dh, retain_graph=True)", stock=True
    ),
    "run-backward": at(
        "dz",
        "calls the engine itself",
        LEAF + "from torch.autograd import Variable\n"
        "dz = Variable._execution_engine.run_backward((y,), (dh,), False, False, (x,), False, accumulate_grad=False)[0]",
        stock=True,
    ),
    "engine-of-its-own": at(
        "dz",
        "makes another engine",
        LEAF + "dz = torch._C._ImperativeEngine().run_backward((y,), (dh,), False, False, (x,), False)[0]",
    ),
    "func-vjp": at("dz", "calls torch.func.vjp", "dz = torch.func.vjp(torch.tanh, z)[1](dh)[0]", stock=True),
    "func-jacobian": at(
        "dz",
        "has a Jacobian worked out, backwards and forwards",
        """
try:
    dz = (torch.func.jacrev(torch.tanh)(z) * dh[..., None, None]).sum((0, 1))
except Exception as error:
    print(error)
    dz = (torch.func.jacfwd(torch.tanh)(z) * dh[..., None, None]).sum((0, 1))""",
        stock=True,
    ),
    "func-grad": at("dz", "calls torch.func.grad", "dz = torch.func.grad(lambda x: (torch.tanh(x) * dh).sum())(z)", stock=True),
    "forward-mode": at(
        "dz",
        "uses forward mode",
        """
import torch.autograd.forward_ad as fwd
with fwd.dual_level():
    dz = dh * fwd.unpack_dual(torch.tanh(fwd.make_dual(z, torch.ones_like(z)))).tangent""",
        stock=True,
    ),
    "forward-mode-inside": at(
        "dz",
        "uses forward mode past its door",
        """
level = torch._C._enter_dual_level() if hasattr(torch._C, '_enter_dual_level') else 0
dual = torch._VF._make_dual(z, torch.ones_like(z), level=level)
dz = dh * torch._VF._unpack_dual(torch.tanh(dual), level=level)[1]""",
    ),
    "functional": at(
        "dz",
        "uses torch.autograd.functional",
        """
from torch.autograd import functional
try:
    dz = functional.vjp(torch.tanh, z, dh)[1]
except Exception as error:
    print(error)
    dz = functional.jvp(torch.tanh, z, dh)[1]""",
        stock=True,
    ),
    "script": at(
        "dz",
        "has autograd in a script",
        """
from typing import List, Optional
@torch.jit.script
def f(z, dh):
    x = z.detach().requires_grad_()
    y = [torch.tanh(x)]
    g: List[Optional[torch.Tensor]] = [dh]
    out = torch.autograd.grad(y, [x], g)[0]
    assert out is not None
    return out
dz = f(z, dh)""",
    ),
    "script-from-text": at(
        "dz",
        "has autograd in a script that is text",
        "unit = torch.jit.CompilationUnit('def f(z, dh):\\n    x = z.detach().requires_grad_()\\n    y = torch.tanh(x)\\n"
        "    y.backward(dh)\\n    return x.grad\\n')\ndz = unit.f(z, dh)",
    ),
    "operators-by-name": at(
        "dz",
        "calls the operators that are an engine",
        LEAF
        + """
try:
    torch.ops.aten._backward(y, [x], dh)
    dz = x.grad
except Exception as error:
    print(error)
    dz = torch._C._jit_get_operation('aten::grad')[0]([y], [x], [dh])[0]""",
    ),
    "nodes": at("dz", "calls the nodes of a graph", LEAF + "dz = y.grad_fn(dh)", stock=True, shows="NoneType"),
    "custom-function": at(
        "dz",
        "writes a Function and calls what is behind it",
        """
class Mine(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.tanh(x)
    @staticmethod
    def backward(ctx, g):
        return g
"""
        + LEAF
        + """
out = Mine.apply(x)
out.sum().backward()
for route in (lambda: y._backward_hooks, lambda: torch.Tensor.grad_fn.__get__(y)(dh)):
    print(route())
dz = x.grad""",
    ),
    "ctx": at(
        "dz",
        "keeps the ctx of a Function, and calls what comes before it",
        """
kept = []
class Keep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        kept.append(ctx)
        return x.clone()
    @staticmethod
    def backward(ctx, g):
        return g
"""
        + LEAF
        + """
with torch.enable_grad():
    Keep.apply(y)
print(kept[0].next_functions)
dz = kept[0].next_functions[0][0](dh)""",
        stock=True,
        shows=r"^\(\)$",
    ),
    "distributed": at(
        "dz",
        "uses the engine of torch.distributed, without a network",
        LEAF
        + """
from torch.distributed import autograd
print("tries")
autograd._init(0)
with autograd.context() as context:
    with torch.enable_grad():
        total = (y * dh).sum()
    autograd.backward(context, [total])
    dz = autograd.get_gradients(context)[x]""",
        stock=True,
        shows="^tries$(.|\n)*autograd is switched off",
        noted="network",
    ),
    "a-name-that-equals-nothing": at(
        "dz",
        "looks up an engine by a name that says it is another one",
        LEAF
        + """
class Name(str):
    __hash__ = str.__hash__
    def __eq__(self, other):
        return False
dz = torch._C._jit_get_operation(Name('aten::grad'))[0]([y], [x], [dh])[0]""",
        stock=True,
        shows="autograd is switched off",
    ),
    "closure": at(
        "dz",
        "looks for what functions have wrapped",
        LEAF
        + """
def within(function):
    kept = [cell.cell_contents for cell in getattr(function, '__closure__', None) or ()]
    kept += [*(getattr(function, '__defaults__', None) or ()), getattr(function, '__wrapped__', None)]
    return next((each for each in kept if callable(each) and not isinstance(each, type)), function)
lookup = within(torch._C._jit_get_operation)
dz = lookup('aten::grad')[0]([y], [x], [dh])[0]""",
        stock=True,
        shows="autograd is switched off",
    ),
    "torchs-own-unit": at(
        "dz",
        "compiles a script in the unit that torch keeps",
        """
text = 'def f(z, dh):\\n    x = z.detach().requires_grad_()\\n    y = torch.tanh(x)\\n    y.backward(dh)\\n    return x.grad\\n'
unit = torch.jit._state._python_cu
try:
    unit.define(text, lambda name: getattr(torch, name))
except Exception as error:
    print(error)
    unit = type(unit)()
    unit.define(text, lambda name: getattr(torch, name))
with torch.enable_grad():
    dz = unit.f(z, dh)""",
        shows="scripts from text or files are switched off",
    ),
    "old-types": at(
        "dz",
        "takes the nodes of a graph from the types that tensors had once",
        LEAF + "print(torch.Tensor.grad_fn.__get__(y))\ndz = torch.FloatTensor.grad_fn.__get__(y)(dh)",
        stock=True,
        shows="^None$",
    ),
    "graph-of-a-derivative": at(
        "dz",
        "has the compiler of scripts differentiate, and reads what comes out",
        """
graph = torch._C.parse_ir('graph(%x : Tensor):\\n  %y : Tensor = aten::tanh(%x)\\n  return (%y)\\n')
text = str(torch._C._jit_differentiate(graph).df)
dz = dh * (1 - h**2) if 'aten::neg' in text else None""",
        stock=True,
        shows="autograd is switched off",
    ),
    "engine-set-back": at(
        "dz",
        "gives the engine back what it does of itself",
        LEAF
        + """
print(torch._C._dynamo.compiled_autograd.set_autograd_compiler(None, False))
torch.ops.aten._backward(y, [x], dh)
dz = x.grad * 1""",
        stock=True,
        shows=r"^\(None, False\)$(.|\n)*autograd is switched off",
    ),
    "everything-that-is-left": at(
        "dz",
        "looks in all that the garbage collector knows for the attributes that lead to nodes",
        LEAF
        + """
import gc
found = [each for table in gc.get_objects() if type(table) is dict for each in list(table.values())
         if type(each).__name__ == 'getset_descriptor' and each.__name__ in ('grad_fn', '_grad_fn')]
print(len(found), 'found')
dz = found[0].__get__(y)(dh)""",
        shows="^0 found$",
    ),
    "in-a-child": at(
        "dz",
        "calls the engine in a process of its own",
        LEAF
        + """
import os
reading, writing = os.pipe()
if os.fork() == 0:
    try:
        y.backward(dh)
        os.write(writing, repr(x.grad.tolist()).encode())
    except BaseException as error:
        os.write(writing, repr(str(error)).encode())
    os._exit(0)
os.close(writing)
told = eval(open(reading).read())
print(told)
dz = torch.tensor(told)""",
        stock=True,
        shows="^autograd is switched off",
    ),
    "compiled": at(
        "dz",
        "has autograd in what torch compiles",
        LEAF
        + """
@torch.compile(backend='eager')
def f():
    y.backward(dh)
f()
dz = x.grad""",
    ),
    "thread": at(
        "dz",
        "has autograd in a thread",
        LEAF
        + """
import threading
worker = threading.Thread(target=y.backward, args=(dh,))
worker.start()
worker.join()
dz = x.grad * 1""",
    ),
    "checkpoint-and-optimiser": at(
        "dz",
        "lets parts of torch call backward",
        LEAF
        + """
from torch.utils.checkpoint import checkpoint
out = checkpoint(torch.tanh, x, use_reentrant=True)
torch.optim.LBFGS([x]).step(lambda: (out * dh).sum().backward())
dz = x.grad * 1""",
    ),
    "reloaded": at(
        "dz",
        "loads torch again",
        """
import sys, importlib
for name in [*sys.modules]:
    if name.split('.')[0] == 'torch' and name != 'torch._C':
        sys.modules.pop(name)
import torch as other
x = other.tensor(z.tolist(), requires_grad=True)
other.tanh(x).backward(other.tensor(dh.tolist()))
dz = x.grad""",
        loses="dz dW",
    ),
    "differences-all-at-once": Attack(
        "takes finite differences of a single step, of all entries in one go",
        {
            "dz": """
base = z.double()
steps = torch.eye(z.numel(), dtype=torch.float64).view(-1, *z.shape) * 1e-6
change = (torch.tanh(base + steps) - torch.tanh(base - steps)) / 2e-6
dz = (change * dh).sum((1, 2)).view_as(z).float()"""
        },
        stock=True,
    ),
    "differences-of-the-loss": at(
        "dz",
        "takes finite differences of the loss",
        """
def loss_of(z):
    return F.cross_entropy(torch.tanh(z) @ V.double(), Y)
"""
        + EACH_ENTRY
        + """    dz.view(-1)[place] = (loss_of(base + step) - loss_of(base - step)) / 2e-6
dz = dz.float()""",
        stock=False,
    ),
    "differences-of-a-step": Attack(
        "takes finite differences of a single step, entry by entry",
        {
            "dz": EACH_ENTRY
            + """    change = (torch.tanh(base + step) - torch.tanh(base - step)) / 2e-6
    dz.view(-1)[place] = (change * dh).sum()
dz = dz.float()"""
        },
        noted="tanh.*|times",
        stock=True,
    ),
    "complex-step": Attack(
        "takes one complex step, which is as exact as a formula: maths, and shown to the instructor",
        {"dz": "dz = dh * (torch.tanh(z.double() + 1e-20j).imag / 1e-20).float()"},
        noted="differentiation of one's own",
        stock=True,
    ),
    "dual-numbers": Attack(
        "calculates with dual numbers of its own: maths, and shown to the instructor",
        {
            "dz": """
class Dual:
    def __init__(self, value, slope):
        self.value, self.slope = value, slope
    def __sub__(self, other):
        return Dual(self.value - other.value, self.slope - other.slope)
    def __add__(self, other):
        return Dual(self.value + other.value, self.slope + other.slope)
    def __truediv__(self, other):
        slope = (self.slope * other.value - self.value * other.slope) / other.value**2
        return Dual(self.value / other.value, slope)
    def exp(self, sign):
        value = (sign * self.value).exp()
        return Dual(value, sign * self.slope * value)
x = Dual(z.double(), torch.ones_like(z, dtype=torch.float64))
up, down = x.exp(1), x.exp(-1)
dz = (dh * ((up - down) / (up + down)).slope).float()"""
        },
        noted="differentiation of one's own",
        stock=True,
    ),
    "small-engine": Attack(
        "brings a small engine that goes backwards: maths, and shown to the instructor",
        {
            "dz": """
class Value:
    def __init__(self, data, before=()):
        self.data, self.before, self.slope = data, before, torch.zeros_like(data)
    def __add__(self, other):
        return Value(self.data + other.data, [(self, torch.ones_like(self.data)), (other, torch.ones_like(self.data))])
    def __mul__(self, other):
        return Value(self.data * other.data, [(self, other.data), (other, self.data)])
    def tanh(self):
        t = self.data.tanh()
        return Value(t, [(self, 1 - t * t)])
    def back(self, slope):
        self.slope = self.slope + slope
        for each, local in self.before:
            each.back(slope * local)
x = Value(z)
x.tanh().back(dh)
dz = x.slope"""
        },
        noted="differentiation of one's own",
        stock=True,
    ),
    "kernels-by-name": Attack(
        "calls torch's own formula for the step: right, and shown to the instructor",
        {"dz": "dz = torch.ops.aten.tanh_backward(dh, h)"},
        noted="autograd",
        stock=True,
    ),
}

ALONE = {
    "another-process": at(
        "dz",
        "starts another Python, where autograd is on",
        CHILD,
        stock=True,
    ),
}
"""Attacks that take longer than a cell of the class may."""
