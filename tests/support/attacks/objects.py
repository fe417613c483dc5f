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
    "half-a-character": Attack(
        "shows and binds halves of characters, as an emoji that was cut in half",
        {
            "dz": HONEST["dz"]
            + r"""
import os, sys, warnings
half = '😀'.encode('utf-16-le', 'surrogatepass')[:2].decode('utf-16-le', 'surrogatepass')
print(half, {half: half})
print(half, file=sys.stderr)
warnings.warn(half)
globals()[half] = half
open(os.fsdecode(b'\xff.txt'), 'w').close()
print(*os.listdir('.'), 'a\0b\rc')
from IPython.display import HTML, display
handle = display({'text/plain': half, half: half, 'application/json': {half: float('nan')}}, raw=True, display_id=half)
class Text(str):
    pass
class Shown:
    def __repr__(self):
        return Text(half)
display(HTML(half), Shown())
""",
            "centred": HONEST["centred"] + "\nraise ValueError('\\ud83d')",
            "perplexity": "class Half(Exception):\n    def __str__(self):\n        return '\\ud83d'\n"
            "Half.__qualname__ = '\\ud83d'\n" + HONEST["perplexity"] + "\nraise Half",
        },
        shows="�",
    ),
    "objects-in-messages": Attack(
        "has the agent send objects in what cells show, which do anything when they are asked for their text",
        {
            "centred": """
import gc, time
class Text(str):
    pass
class Strange:
    def __str__(self):
        time.sleep(30)
    __repr__ = __iter__ = __len__ = __str__
agent = next(o for o in gc.get_objects() if type(o).__name__ == 'Agent')
honest = agent.questions['run']
def run(**details):
    told = honest(**details)
    odd = [Strange(), Text('x'), {1: Strange()}, {Strange(): 1}, {(1,): {2}}, b'x', 10**4100, float('inf'), None, 5]
    for kind in ('stream', 'display_data', 'execute_result', 'error', 'update_display_data', 'clear_output'):
        for each in odd:
            told['messages'] += [
                {'msg_type': kind, 'content': each},
                {'msg_type': kind, 'content': {'name': each, 'text': each}},
                {'msg_type': kind, 'content': {'data': each, 'metadata': each, 'transient': {'display_id': each}}},
                {'msg_type': kind, 'content': {'data': {'text/plain': each}, 'metadata': {}, 'execution_count': each}},
                {'msg_type': kind, 'content': {'ename': each, 'evalue': each, 'traceback': each, 'wait': each}},
                {'msg_type': each, 'content': {}}, each,
            ]
    told['messages'].append({'msg_type': 'stream', 'content': {'name': 'stdout', 'text': 'replaced'}})
    return {**told, 'error': Strange()}
agent.questions['run'] = run
"""
            + HONEST["centred"]
        },
        shows="replaced",
    ),
    "objects-for-words": Attack(
        "has the agent send objects where words are expected: names, parameters, counts, errors",
        {
            "centred": """
import gc
class Strange(str):
    def __str__(self):
        return self
agent = next(o for o in gc.get_objects() if type(o).__name__ == 'Agent')
def changed(question, change):
    honest = agent.questions[question]
    agent.questions[question] = lambda **details: change(honest(**details))
s = Strange('\\ud83d')
odd = {s: s, '\\ud83d': 1, 5: 5, 'x' * 10**6: s}
changed('names', lambda told: {'values': {**told['values'], **odd}, 'sizes': {**told['sizes'], s: s}})
changed('function', lambda told: {**told, 'parameters': (*told['parameters'], s, 5), 'kind': '\\ud83d'})
changed('replay', lambda told: {**told, 'counts': {s: s, 5: 5, 'x': s}, 'lines': {s: 1, 'x': s}, 'changed': [s, 5, None]})
print('replaced')
"""
            + HONEST["centred"]
        },
        shows="replaced",
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
