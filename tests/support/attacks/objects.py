"""Answers that are objects of their own making."""

from __future__ import annotations

from tests.support.attacks.attack import HONEST, LIAR, Attack, at

OBJECTS = {
    "equal-to-everything": Attack(
        "gives objects that equal everything",
        {
            "centred": LIAR
            + """
    __eq__ = __bool__ = yes
    __hash__ = None
def centred(x):
    return Liar()""",
            "dz": LIAR
            + """
    __eq__ = yes
    __hash__ = None
    shape = property(lambda s: h.shape)
dz = Liar()""",
        },
        loses="centred dz",
    ),
    "less-than-everything": at(
        "perplexity",
        "gives an object whose distance to everything is small",
        LIAR
        + """
    __sub__ = __rsub__ = __abs__ = me
    __lt__ = __le__ = __gt__ = __ge__ = __bool__ = yes
def perplexity(loss):
    return Liar()""",
        stock=True,
    ),
    "a-number-that-lies": at(
        "perplexity",
        "gives a float of its own class, whose distance to everything is small",
        """
class Number(float):
    def __sub__(self, other):
        return 0.0
    __rsub__ = __sub__
    def __abs__(self):
        return 0.0
def perplexity(loss):
    return Number(5)""",
        stock=True,
    ),
    "tensor-subclass": Attack(
        "gives a tensor of a class that answers for itself",
        {
            "centred": """
class Mine(torch.Tensor):
    @classmethod
    def __torch_function__(cls, f, types, args=(), kwargs=None):
        return True
def centred(x):
    return x.as_subclass(Mine)""",
            "dz": "dz = dh.clone().as_subclass(Mine)",
        },
        loses="centred dz",
    ),
    "says-it-is-a-tensor": at(
        "dz",
        "lies about its class",
        LIAR
        + """
    __class__ = property(lambda s: torch.Tensor)
    shape = property(lambda s: h.shape)
    dtype = torch.float32
    __array__ = __torch_function__ = lambda *a, **k: h
dz = Liar()""",
    ),
    "reduce": at(
        "dz",
        "waits to be unpickled",
        """
class Mine:
    def __reduce__(self):
        return eval, ("open('$home/unpickled', 'w')",)
    __reduce_ex__ = lambda self, p: self.__reduce__()
    __getstate__ = __deepcopy__ = __copy__ = __reduce__
dz = Mine()""",
    ),
    "lazy": at(
        "dz",
        "works out its answer only when it is looked at",
        """
import sys
class Lazy:
    def __getattribute__(self, name):
        frame = sys._getframe(1)
        for key, value in frame.f_locals.items():
            if 'reference' in key or 'truth' in key:
                print('WORKED', value)
        return getattr(dh, name)
    __repr__ = __str__ = __len__ = lambda self: sys.exit(0)
dz = Lazy()""",
    ),
    "raises-exit": at(
        "perplexity",
        "stops whoever looks at it",
        """
import sys
class Exit(BaseException):
    __str__ = __repr__ = lambda self: sys.exit(0)
class Mine:
    def stop(self, *a):
        raise Exit
    __getattr__ = __sub__ = __lt__ = __abs__ = __repr__ = __str__ = __eq__ = __len__ = stop
def perplexity(loss):
    return Mine()""",
    ),
    "huge": at("dz", "gives a tensor of 2**62 bytes", "dz = torch.ones(1).expand(2**60)"),
    "negative-strides": at("dz", "gives an array that is read backwards", "dz = dh.numpy()[::-1, ::-1]"),
    "overlapping": at("dz", "gives a tensor whose entries overlap", "dz = torch.as_strided(dh, h.shape, (0, 0))"),
    "beyond-its-storage": at(
        "dz", "gives a tensor with fewer bytes than it says", "dz = dh.clone()\ndz.untyped_storage().resize_(0)"
    ),
    "meta": at("dz", "gives a tensor without values", "dz = torch.empty(h.shape, device='meta')"),
    "sparse": at("dz", "gives a sparse tensor", "dz = dh.to_sparse()\ndz = dz.to_sparse_csr()"),
    "quantised": at("dz", "gives a quantised tensor", "dz = torch.quantize_per_tensor(dh, 0.1, 0, torch.qint8)"),
    "complex-and-negated": at("dz", "gives a view that negates", "dz = torch.complex(dh, -dh).conj().imag"),
    "not-finite": at("dz", "gives what compares with nothing", "dz = dh * float('nan')"),
    "one-for-all": at("dz", "gives one number where many are wanted", "dz = torch.tensor(float('inf'))"),
    "functional-tensor": at(
        "dz",
        "gives a tensor of torch.func",
        """
dz = None
def keep(x):
    global dz
    dz = x
    return x
torch.func.vmap(keep)(dh)""",
    ),
    "odd-names": Attack(
        "binds names that are none",
        {
            "dz": HONEST["dz"]
            + """
for name in ('', 'd z', 'dz\\x00', '\\ud800', '../dz', 'dz\\u202e', '__class__', 'x' * 10**6, 1, None, ('dz',), b'dz'):
    globals()[name] = dz
for number in range(20000):
    globals()[f'name{number}'] = number
"""
        },
        shows="",
    ),
    "deep": at(
        "dz",
        "gives lists in lists",
        """
dz = []
for _ in range(200000):
    dz = [dz]""",
    ),
    "colliding-keys": at("dz", "gives keys that collide", "dz = {number * (2**61 - 1): None for number in range(5000)}"),
    "endless-iterator": at(
        "perplexity",
        "gives something without an end",
        """
import itertools
class Mine(list):
    __iter__ = __abs__ = lambda self: itertools.repeat(1)
    __sub__ = lambda self, other: itertools.count()
def perplexity(loss):
    return Mine()""",
    ),
    "surprising-errors": at(
        "perplexity",
        "raises what tests may take for a success",
        """
class AssertionError(StopIteration, KeyboardInterrupt):
    pass
SystemExit = type('SystemExit', (AssertionError,), {})
def perplexity(loss):
    raise SystemExit(0)""",
    ),
}
