"""Attacks: submissions that should earn nothing from what they try, and harm nobody. Rows, by name.

A submission is the released notebook, answered right but for the cells that a row replaces. `$name` in a source stands for
something of the host: a path, a port, the token by which everything that an attack leaves can be found again.
An attack that gets what it must not get prints WORKED.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

HONEST = {
    "centred": "def centred(x):\n    return x - x.mean(0)",
    "dlogits": """
dlogits = F.softmax(logits, 1)
dlogits[range(n), Y] -= 1
dlogits /= n""",
    "dh": "dh = dlogits @ V.T",
    "dz": "dz = dh * (1 - h**2)",
    "dW": "dW = X.T @ dz",
    "perplexity": "def perplexity(loss):\n    return math.exp(loss)",
    "explain": "The slope of tanh is one minus its square.",
}
"""Right answers, by the ids of their cells."""

WRONG = "dz = dh"
BAD = "def perplexity(loss):\n    return 5.0"
ALL = "centred dlogits dh dz dW perplexity"


@dataclass(frozen=True)
class Attack:
    """What it tries; its answers by cell id; the answers that lose their marks, all others keep theirs.

    `edit` changes the notebook, and `bring` the folder that is handed in, knowing the host's names. `shows` is a pattern that
    what it showed must have, so that it did run, and `noted` one that the notes to the instructor must have.
    `stock` says that all marks are had from an nbgrader without rooms. One that is `ungraded` stops nbgrader before any
    preprocessor: it alone gets nothing, and the command says so.
    """

    tries: str
    answers: Mapping[str, str] = field(default_factory=dict)
    loses: str = ""
    edit: Callable[[NotebookNode], None] | None = None
    bring: Callable[[Path, Mapping[str, str]], None] | None = None
    shows: str = ""
    noted: str = ""
    stock: bool = False
    ungraded: bool = False


def at(cell: str, tries: str, source: str, **more: Any) -> Attack:
    """An attack in one cell, which loses that cell's mark and no other."""
    return Attack(tries, {cell: source}, **{"loses": cell, **more})


ATTEMPT = """
def attempt(what, do):
    try:
        print(what, "WORKED", do())
    except BaseException as error:
        print(what, "refused", type(error).__name__)
"""

CHANNEL = """
import gc, os, struct
fd = next(o for o in gc.get_objects() if type(o).__name__ == "Agent").conversation.channel.fileno()
from autograder.examiner.codec import encode
def frame(message):
    text, blob = encode(message, 2**20)
    return struct.pack(">QQ", len(text), len(blob)) + text + blob
"""

SYSCALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def syscall(*numbers):
    if libc.syscall(*numbers) < 0:
        raise OSError(ctypes.get_errno(), "refused")
"""

LIAR = """
class Liar:
    def __getattr__(self, name):
        return lambda *a, **k: self
    def __call__(self, *a, **k):
        return self
    def yes(self, *a):
        return True
    def me(self, *a):
        return self
"""

REPLACING = {
    "torch-functions": at(
        "centred",
        "replaces what ordinary tests call of torch",
        """
torch.allclose = torch.equal = torch.Tensor.all = lambda *a, **k: True
def centred(x):
    return x * 0""",
        stock=True,
    ),
    "tensor-operators": at(
        "centred",
        "replaces the operators of all tensors",
        """
for name in ('__eq__', '__sub__', '__lt__', 'all', 'allclose', 'equal'):
    setattr(torch.Tensor, name, lambda self, *a, **k: self)
def centred(x):
    return x * 0""",
    ),
    "builtins": at(
        "perplexity",
        "replaces builtins that ordinary tests call",
        f"""
import builtins
builtins.abs = lambda x: 0
builtins.isinstance = lambda *a: True
{BAD}""",
        stock=True,
    ),
    "check-and-grade": at(
        "dz",
        "replaces check and grade wherever they stand",
        f"""
import autograder, autograder.notebook.api
check = autograder.check = autograder.notebook.api.check = lambda *a, **k: None
grade = autograder.grade = autograder.notebook.api.grade = lambda *a, **k: None
{WRONG}""",
        stock=True,
        noted="replaced",
    ),
    "the-judge": at(
        "dz",
        "replaces the functions that judge",
        f"""
import autograder.judge.judging, autograder.notebook.checking
from autograder.verdict import Outcome, Verdict
right = lambda kind, *a: Verdict(kind.question.name, Outcome.RIGHT, '')
for place in (autograder.judge.judging, autograder.notebook.checking):
    place.judge = right
{WRONG}""",
        stock=True,
    ),
    "the-comparison": at(
        "dz",
        "says that nothing differs",
        f"""
import sys
for module in [*sys.modules.values()]:
    if getattr(module, '__name__', '').startswith('autograder') and hasattr(module, 'compare'):
        module.compare = lambda *a, **k: None
{WRONG}""",
    ),
    "the-module": at(
        "dz",
        "puts another autograder into sys.modules",
        f"""
import sys, types
fake = types.ModuleType('autograder')
fake.grade = fake.check = lambda *a, **k: None
sys.modules['autograder'] = sys.modules['autograder.notebook.api'] = fake
check = fake.check
{WRONG}""",
        stock=True,
    ),
    "the-import": at(
        "dz",
        "replaces the import statement",
        f"""
import builtins, types
fake = types.SimpleNamespace(grade=lambda *a: None, check=lambda *a: None)
before = builtins.__import__
builtins.__import__ = lambda name, *a: fake if name == 'autograder' else before(name, *a)
check = fake.check
{WRONG}""",
        stock=True,
    ),
    "the-names": Attack(
        "gives the names that tests use another meaning",
        {
            "perplexity": """
class math:
    e = 5.0
    exp = staticmethod(lambda x: 5.0)
abs = lambda x: 0
check = grade = centred = print
def perplexity(loss):
    return 5.0"""
        },
        loses="perplexity",
        stock=True,
    ),
    "ast-transformer": at(
        "perplexity",
        "takes assertions out of what is run later",
        f"""
import ast
class Without(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(Without())
{BAD}""",
        stock=True,
        noted="introspection",
    ),
    "input-transformer": at(
        "dz",
        "empties the cells that are run later",
        "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass'] if 'dz\")' in ''.join(lines) else lines)\n"
        f"{WRONG}",
        stock=True,
    ),
    "event-hooks": at(
        "perplexity",
        "forgets errors, and answers before each cell",
        f"""
def before(info=None):
    get_ipython().user_ns.update(abs=lambda x: 0, check=print)
def after(result):
    result.error_in_exec = result.error_before_exec = None
get_ipython().events.register('pre_run_cell', before)
get_ipython().events.register('post_run_cell', after)
{BAD}""",
        stock=True,
    ),
    "silent-errors": at(
        "dz",
        "shows no tracebacks",
        f"""
shell = get_ipython()
shell.showtraceback = shell._showtraceback = lambda *a, **k: None
shell.set_custom_exc((BaseException,), lambda *a, **k: [])
{WRONG}""",
    ),
    "run-cell": at(
        "dz",
        "replaces what runs cells",
        f"""
kind = type(get_ipython())
before = kind.run_cell
kind.run_cell = lambda self, source, **k: before(self, 'pass' if 'dz' in source else source, **k)
{WRONG}""",
    ),
    "display-hooks": at(
        "dz",
        "shows a number of points, and changes other displays",
        """
from IPython.display import display, update_display
import sys
shell = get_ipython()
send = shell.displayhook.session.send
for kind in ('execute_result', 'update_display_data', 'display_data', 'clear_output'):
    for cell in ('test-dz', 'dz', '0', ''):
        send(None, kind, {'data': {'text/plain': '6'}, 'metadata': {}, 'execution_count': 1,
            'transient': {'display_id': cell}, 'wait': False})
display({'text/plain': 'dz: right', 'text/html': '<b>dz: right</b>'}, raw=True, display_id='test-dz')
1.0""",
    ),
    "another-forward-pass": at(
        "dz",
        "runs a forward pass in which the gradient is easy",
        "get_ipython().run_cell_magic('forward', '--batch n X Y', 'z = X @ W\\nh = z * 1\\nlogits = h @ V\\n"
        f"loss = F.cross_entropy(logits, Y)')\n{WRONG}",
    ),
    "forward-magic": at(
        "dz",
        "replaces the magic of the forward pass",
        f"get_ipython().register_magic_function(lambda line, cell: None, 'cell', 'forward')\n{WRONG}",
    ),
    "forward-variables": at(
        "dz",
        "changes what the gradient depends on",
        """
h.zero_()
z.zero_()
h = torch.zeros_like(h)
dz = dh * (1 - h**2)
""",
    ),
    "defaults-of-torch": at(
        "dz",
        "changes torch's dtype, seed and number format",
        f"""
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
torch.set_printoptions(profile='full')
torch.use_deterministic_algorithms(True)
{WRONG}""",
    ),
    "optimised-python": at(
        "perplexity",
        "has Python leave assertions out",
        f"""
import builtins, sys
compiled = builtins.compile
def without(*a, **k):
    return compiled(*a, **{{**k, 'optimize': 2}})
builtins.compile = without
get_ipython().compile.flags |= 1
{BAD}""",
    ),
}

READING = {
    "memory": at(
        "dz",
        "searches its writable memory for the hidden tests",
        """
import re, secrets
control = ('CONT' + 'ROL-' + secrets.token_hex(8)).encode()
bytes_seen, found, controls = 0, set(), 0
for line in open('/proc/self/maps').read().splitlines():
    span, rights, *_ = line.split()
    if rights[:2] != 'rw':
        continue
    start, end = (int(part, 16) for part in span.split('-'))
    with open('/proc/self/mem', 'rb', 0) as memory:
        for place in range(start, end, 2**22):
            try:
                memory.seek(place)
                text = memory.read(min(2**22 + 64, end - place))
            except OSError:
                continue
            bytes_seen += len(text)
            controls += text.count(control)
            found |= set(re.findall(b'HID' + b'DEN-[0-9a-f]{16}', text))
print(f'{len(found)} hidden, {controls > 0} control, {bytes_seen > 10**7}')
""",
        shows="^0 hidden, True control, True",
    ),
    "frames-and-objects": at(
        "dz",
        "walks frames, modules and objects for texts of tests, and for whoever holds them",
        """
import gc, sys
word, found, seen = 'HID' + 'DEN-', [], 0
kinds = {'Examiner', 'Exam', 'ExamResult', 'Job', 'Tape', 'Namespace', 'Student', 'Grader'}
def look(value):
    if type(value) is str and word in value or type(value) is bytes and word.encode() in value or type(value).__name__ in kinds:
        found.append(type(value))
frame = sys._getframe()
while frame:
    [look(value) for value in frame.f_locals.values() if value is not word]
    frame = frame.f_back
for value in gc.get_objects():
    seen += 1
    look(value)
    if type(value) is dict and '__name__' in value or type(value) in (list, tuple):
        [look(each) for each in [*(value.values() if type(value) is dict else value)] if each is not word]
print(len(found), seen > 100)
""",
        shows="^0 True",
    ),
    "history": at(
        "dz",
        "reads the history of cells, and what stands behind grade",
        """
shell = get_ipython()
from autograder import grade
text = repr([In, Out, _ih, list(shell.history_manager.get_range(raw=True))]) + repr(vars(grade))
print('HID' + 'DEN' in text, 'history_manager' in text)
grade('dz')
""",
        shows="^False True(.|\n)*NotReady",
    ),
    "environment": at(
        "dz",
        "reads what processes were started with",
        """
import glob, os
text = repr(dict(os.environ)) + os.getcwd()
for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline') + ['/proc/self/mountinfo']:
    try:
        text += open(path, errors='replace').read()
    except OSError:
        pass
print('$token'[1:] in text, len(text) > 100)
""",
        shows="^False True",
    ),
    "descriptors": at(
        "dz",
        "uses the files that are open",
        ATTEMPT
        + """
import os, stat
kinds = []
for name in os.listdir('/proc/self/fd'):
    number = int(name)
    try:
        kinds.append((number, stat.S_IFMT(os.fstat(number).st_mode), os.readlink(f'/proc/self/fd/{name}')))
    except OSError:
        pass
outside = [k for k in kinds if k[2].startswith('/') and not k[2].startswith(('/room', '/tmp', '/dev/null', '/proc'))]
print(outside, len(kinds) < 10, sum(stat.S_ISSOCK(k[1]) for k in kinds))
""",
        shows=r"^\[\] True 1",
    ),
    "files-of-the-host": at(
        "dz",
        "opens home, gradebook, key, source and other submissions",
        ATTEMPT
        + """
import os
files = ('gradebook.db', 'examiner.key', 'source/ps/lesson.ipynb', 'submitted/honest/ps/lesson.ipynb', 'autograded', '')
others = ('$home', '/etc/shadow', '/proc/1/root$course', '/proc/1/cwd/..$course', '/proc/self/root$course', '/run', '/sys')
for place in ('$home/secret', *(f'$course/{name}' for name in files), *others):
    attempt(place, lambda: os.listdir(place) if os.path.isdir(place) else open(place, 'rb').read(10))
""",
        shows="secret refused FileNotFoundError",
    ),
    "other-notebooks": at(
        "dz",
        "looks for notebooks beside it, in which the tests stand",
        """
import os, sys
places = ('/submission', '/room', '/tmp', '/dev/shm', os.path.expanduser('~'))
found = [f'{folder}/{name}' for place in places for folder, _, names in os.walk(place) for name in names]
print([path for path in found if path.endswith(('.ipynb', '.db', '.key')) and not path.startswith(sys.prefix)], os.getcwd())
""",
        shows=r"^\[\] /",
    ),
    "scratch-a-leaves": Attack(
        "leaves files in every place it may write to",
        {
            "dz": """
import os
for place in ('.', '/tmp', '/dev/shm', os.path.expanduser('~'), '/room'):
    try:
        open(f'{place}/$token', 'w').write(dz_answer if 'dz_answer' in globals() else 'dz = dh * (1 - h**2)')
    except OSError as error:
        print(place, error)
"""
            + HONEST["dz"]
        },
    ),
    "scratch-b-reads": at(
        "dz",
        "reads what the submission before it has left",
        """
import os
found = [f'{f}/$token' for top in ('/submission', '/room', '/tmp', '/dev/shm', os.path.expanduser('~')) for f,
    _, names in os.walk(top) if '$token' in names]
print(found)
exec(open(found[0]).read())
""",
        shows=r"^\[\]\n(.|\n)*IndexError",
    ),
}

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

CHANNELS = {
    "garbage": at("dz", "writes rubbish to the examiner", CHANNEL + "os.write(fd, os.urandom(2**16))"),
    "announces-much": at(
        "dz", "announces a message of 2**60 bytes", CHANNEL + "os.write(fd, struct.pack('>QQ', 2**60, 2**60))"
    ),
    "slow-message": at(
        "dz",
        "sends a message byte by byte",
        CHANNEL
        + """
import time
os.write(fd, struct.pack('>QQ', 2**20, 0))
while True:
    os.write(fd, b'[')
    time.sleep(0.1)""",
        noted="ended in the cell `dz`",
    ),
    "answers-of-other-shapes": at("dz", "answers with what is no answer", CHANNEL + "os.write(fd, frame({'told': [1, 2]}))"),
    "verdicts-as-answers": at(
        "dz",
        "answers with verdicts",
        CHANNEL
        + "os.write(fd, frame({'told': {'messages': [], 'error': None, 'cut': False, 'outcome': 'right', 'verdict': 'right',"
        " 'points': 9}, 'score': 9}))",
    ),
    "failures-as-answers": at(
        "dz",
        "answers with errors that stop an examiner",
        CHANNEL
        + "os.write(fd, frame({'failed': {'kinds': ['SystemExit', 'KeyboardInterrupt', 'BaseException'], 'message': '0',"
        " 'name': ''}}))",
    ),
    "wrong-byte-counts": at(
        "dz",
        "answers with tensors of more bytes than there are",
        CHANNEL
        + """
from autograder.examiner.channel import HEADER
for shape, end in (([2**40], 4), ([-1], 4), ([2], 2**60), ([1], -4), ([1, 2**63, 2**63], 0), ([1], 3)):
    index = repr({'0': {'dtype': 'F32', 'shape': shape, 'data_offsets': [0, end]}}).replace("'", '"').encode()
    blob = len(index).to_bytes(8, 'little') + index + bytes(4)
    text = b'["dict","told",["dict","answer",["tensor","0","float32"]]]'
    os.write(fd, HEADER.pack(len(text), len(blob)) + text + blob)""",
    ),
    "questions-of-its-own": Attack(
        "asks the examiner for what it has",
        {
            "dz": """
import gc
ask = next(o for o in gc.get_objects() if type(o).__name__ == 'Agent').conversation.ask
"""
            + ATTEMPT
            + """
def given(told):
    if told['error']:
        raise RuntimeError
    return told
for question, details in {'callback': dict(number=0, args=[], kwargs={}), 'values': dict(names=['reference']),
    'grade': dict(name='dz'), 'run': dict(source='1'), '__class__': {}, 'eval': dict(source='1'),
    'call': dict(by='grade')}.items():
    attempt(question, lambda: given(ask(question, **details)))
for number in (-1, 2**60, None, 'x', 1.5):
    attempt('callback', lambda: given(ask('callback', number=number, args=[], kwargs={})))
for what in ('grade', '__class__', None, (), 'hint'):
    attempt('show', lambda: given(ask('show', what=what, args=['dz'], kwargs={})))
for kwargs in ({'effort': 1}, {'by': 'grade'}, {'name': 'dz'}):
    attempt('show', lambda: given(ask('show', what='check', args=['dz'], kwargs=kwargs)))
"""
        },
        loses="dz",
        shows="^callback refused",
    ),
    "questions-within-questions": at(
        "dz",
        "answers every question by a question",
        """
import gc
agent = next(o for o in gc.get_objects() if type(o).__name__ == 'Agent')
def never(**details):
    return agent.show('check', 'dz')
agent.questions.update(replay=never, names=never, values=never)
check('dz')
""",
    ),
    "endless-questions": at(
        "dz",
        "asks without an end, and lets nothing interrupt it",
        CHANNEL
        + """
import signal
os.set_blocking(fd, True)
many = frame({'ask': 'show', 'with': {'what': 'check', 'args': ['nothing'], 'kwargs': {}}}) * 1000
signal.signal(signal.SIGINT, signal.SIG_IGN)
if not os.fork():
    while True:
        os.read(fd, 2**20)
while True:
    os.write(fd, many)""",
        noted="ended in the cell `dz`",
    ),
    "changed-agent": at(
        "dz",
        "has the agent answer for the cell",
        """
import gc
agent = next(o for o in gc.get_objects() if type(o).__name__ == 'Agent')
replay = agent.questions['replay']
def mine(name, **details):
    told = replay(name=name, **details)
    if name == 'dz':
        told.update(missing=False, error=None, answer=details['given']['incoming']['h'])
    return told
agent.questions['replay'] = mine
dz = dh""",
    ),
    "forged-errors": at(
        "perplexity",
        "sends results that are nothing, or too much",
        """
import gc
agent = next(o for o in gc.get_objects() if type(o).__name__ == 'Agent')
agent.questions['operate'] = lambda **k: {'value': {'old': -1}, 'error': None, 'changes': [[10**9, 1], [-1,
    1]], 'printed': {'stdout': 1}}
def perplexity(loss):
    return 5""",
    ),
}

OUTLIVES = """
import os, time
if not os.fork():
    os.setsid()
    if os.fork():
        os._exit(0)
"""

PROCESSES = {
    "exits": Attack(
        "ends the process, in two cells",
        {"dlogits": "import os\nos._exit(0)", "dh": "import sys\nsys.exit()"},
        loses="dlogits dh",
        noted="ended in the cell `dlogits`",
    ),
    "kills-everything": at(
        "dz",
        "kills each process that it can see, its parents and then all at once",
        ATTEMPT
        + """
import os, signal
others = [int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]
for pid in [1, os.getppid(), *others]:
    try:
        os.kill(pid, 9)
    except OSError as error:
        print(type(error).__name__)
os.kill(-1, 9)
os.killpg(0, 9)""",
    ),
    "crashes": at("dz", "reads where no memory is", "import ctypes\nctypes.string_at(8)", noted="ended in the cell `dz`"),
    "stops-itself": at("dz", "stops, and cannot be interrupted", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
    "endless-loop": at(
        "dz",
        "loops for ever, and ignores interrupts",
        """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True:
    try:
        while True:
            pass
    except BaseException:
        pass""",
        noted="ended in the cell `dz`",
    ),
    "endless-function": at(
        "perplexity",
        "never returns to a test",
        """
def perplexity(loss):
    while True:
        pass""",
    ),
    "endless-when-replayed": at(
        "dz",
        "loops only when a test runs it again",
        """
dz = dh * (1 - h**2)
while 'once' in globals():
    pass
get_ipython().user_ns['once'] = True""",
    ),
    "fork-bomb": at(
        "dz",
        "forks for ever",
        """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass""",
    ),
    "thread-bomb": at(
        "dz",
        "starts threads for ever",
        """
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(60,)).start()""",
    ),
    "memory-bomb": at(
        "dz",
        "takes all memory",
        """
taken = []
while True:
    taken.append(bytearray(b'x' * 2**26))""",
    ),
    "memory-of-many": at(
        "dz",
        "takes all memory with many processes",
        """
import os, time
for _ in range(20):
    if not os.fork():
        try:
            taken = bytearray(b'x' * (100 * 2**20))
        finally:
            time.sleep(60)
time.sleep(60)""",
        noted="bytes of memory|did not end in time",
    ),
    "endless-output": at(
        "dz",
        "prints for ever",
        """
import os
while True:
    print('y' * 10000)
    os.write(1, b'z' * 10000)""",
    ),
    "thread-answers-later": at(
        "dz",
        "has a thread change the answer when it is judged",
        """
import threading, time
dz = dh * 1
names = get_ipython().user_ns
def later():
    while True:
        names['dz'] = torch.zeros(h.shape)
        time.sleep(0.001)
threading.Thread(target=later, daemon=True).start()""",
    ),
    "child-outlives": at(
        "dz",
        "leaves a child that waits for the tests",
        OUTLIVES
        + """
    time.sleep(300)
    open('$home/outlived', 'w')
    os._exit(0)""",
    ),
    "child-answers-too": Attack(
        "forks, and lets both go on",
        {
            "dz": """
import os
os.fork()
"""
            + HONEST["dz"]
        },
    ),
    "fills-the-disk": at(
        "dz",
        "fills every disk that it can write to",
        """
import os
for place in ('.', '/tmp', '/dev/shm', os.path.expanduser('~')):
    try:
        for number in range(10**6):
            with open(f'{place}/$token{number}', 'wb') as file:
                file.write(bytes(2**24))
    except OSError as error:
        print(error.errno)""",
        shows="^28",
    ),
    "uses-up-inodes": at(
        "dz",
        "makes files until there is no more",
        """
try:
    for number in range(10**6):
        open(f'$token{number}', 'w').close()
except OSError as error:
    print(error.errno, number < 10**5)""",
        shows="^28 True",
    ),
}

NETWORK = {
    "internet": at(
        "dz",
        "connects to this machine and to others",
        ATTEMPT
        + """
import socket, urllib.request
attempt('host', lambda: socket.create_connection(('127.0.0.1', $port), 1))
attempt('name', lambda: socket.getaddrinfo('example.org', 80))
attempt('far', lambda: socket.create_connection(('192.0.2.1', 80), 1))
attempt('six', lambda: socket.socket(socket.AF_INET6).connect(('::1', $port)))
attempt('datagram', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53)))
attempt('page', lambda: urllib.request.urlopen('http://127.0.0.1:$port/', timeout=1))
""",
        shows="^host refused",
        noted="network",
    ),
    "unix-sockets": at(
        "dz",
        "connects to sockets of this machine",
        ATTEMPT
        + """
import glob, socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    for place in ('$socket', '\\0$token', '/run/dbus/system_bus_socket', '/var/run/docker.sock'):
        attempt(repr(place), lambda: socket.socket(socket.AF_UNIX, kind).connect(place))
print([line for line in open('/proc/net/unix') if '$token' in line])
""",
        shows=r"refused(.|\n)*\[\]",
    ),
    "other-families": at(
        "dz",
        "opens sockets of every family",
        ATTEMPT
        + """
import socket
allowed = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}
for family in range(46):
    if family not in allowed:
        for kind in (1, 2, 3, 5):
            attempt(family, lambda: socket.socket(family, kind))
for family in (socket.AF_INET, socket.AF_INET6):
    attempt('raw', lambda: socket.socket(family, socket.SOCK_RAW, 1))
""",
        shows="16 refused PermissionError",
    ),
}

WALLS = {
    "writes-outside": at(
        "dz",
        "writes to Python, to the system and to the host",
        ATTEMPT
        + """
import autograder, os, sys
for place in (os.path.dirname(autograder.__file__), os.path.dirname(torch.__file__), sys.prefix,
    sys.base_prefix, '/', '/usr', '/usr/bin', '/etc', '/var', '/run', '/dev', '/proc/sys/kernel', '$course',
        '$home', '/room', '/bin'):
    attempt(place, lambda: open(f'{place}/$token', 'w'))
    attempt(place, lambda: os.mkdir(f'{place}/$token'))
for path in (autograder.__file__, os.__file__, '/etc/passwd', sys.executable, '/proc/sys/kernel/core_pattern',
    '/proc/sysrq-trigger', '/proc/1/oom_score_adj', '/proc/1/mem'):
    attempt(path, lambda: open(path, 'r+b'))
    attempt(path, lambda: os.chmod(path, 0o777))
""",
        shows="^/.* refused",
    ),
    "namespaces-and-mounts": at(
        "dz",
        "makes and enters namespaces, mounts and devices",
        ATTEMPT
        + SYSCALL
        + """
for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x4000000, 0x8000000, 0x2000000, 0x80):
    attempt(hex(flag), lambda: libc.unshare(flag) and 1 / 0)
    if flag > 128:
        attempt('clone', lambda: syscall(56 if os.uname().machine == 'x86_64' else 220, flag | 17, 0, 0, 0, 0))
for name in ('mnt', 'net', 'pid', 'user'):
    for pid in (1, os.getppid()):
        attempt(name, lambda: libc.setns(os.open(f'/proc/{pid}/ns/{name}', os.O_RDONLY), 0) and 1 / 0)
for kind in (b'proc', b'tmpfs', b'sysfs', b'overlay', b'ext4', None):
    attempt(kind, lambda: libc.mount(b'x', b'/tmp', kind, 0, None) and 1 / 0)
attempt('bind', lambda: libc.mount(b'/', b'/tmp', None, 4096 | 16384, None) and 1 / 0)
attempt('chroot', lambda: os.chroot('/tmp'))
attempt('umount', lambda: libc.umount2(b'/proc', 2) and 1 / 0)
attempt('mknod', lambda: os.mknod('/tmp/disk', 0o60660, os.makedev(8, 0)))
attempt('setuid', lambda: os.setuid(0))
attempt('setgroups', lambda: os.setgroups([0]))
attempt('hostname', lambda: __import__('socket').sethostname('$token'))
""",
        shows="0x10000000 refused(.|\n)*mknod refused",
    ),
    "looks-into-processes": at(
        "dz",
        "traces its parents and reads their memory",
        ATTEMPT
        + SYSCALL
        + """
pids = [1, os.getppid()]
intel = os.uname().machine == 'x86_64'
for pid in pids:
    for request in (16, 0x4206):
        attempt('ptrace', lambda: syscall(101 if intel else 117, request, pid, 0, 0))
    attempt('mem', lambda: open(f'/proc/{pid}/mem', 'rb').read(1))
    attempt('maps', lambda: open(f'/proc/{pid}/maps').read()[0])
    attempt('fd', lambda: os.listdir(f'/proc/{pid}/fd')[0])
    attempt('root', lambda: os.listdir(f'/proc/{pid}/root/home')[0])
    attempt('vm', lambda: syscall(310 if intel else 270, pid, 0, 0, 0, 0, 0))
    attempt('getfd', lambda: syscall(438, os.pidfd_open(pid), 3, 0))
for number in (425, 321 if intel else 280, 298 if intel else 241, 250 if intel else 219, 319 if intel else 279):
    attempt(number, lambda: syscall(number, 0, 0, 0, 0, 0))
""",
        shows="^ptrace refused",
    ),
    "setuid-programs": at(
        "dz",
        "becomes another user by programs of the system",
        ATTEMPT
        + """
import glob, os, stat, subprocess
programs = [p for top in ('/usr/bin', '/usr/sbin', '/bin', '/usr/lib/openssh')
    for p in glob.glob(f'{top}/*') if os.path.isfile(p) and os.stat(p).st_mode & (stat.S_ISUID | stat.S_ISGID)]
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
print(status['CapEff'].strip(), status['NoNewPrivs'].strip(), os.getuid() > 0)
for command in (['su', '-c', 'id'], ['mount', '-t', 'tmpfs', 'x', '/tmp'], ['chsh', '-s', '/bin/sh', 'root']):
    attempt(command, lambda: subprocess.run(command, stdin=subprocess.DEVNULL, timeout=2, check=True, capture_output=True))
""",
        shows="^0000000000000000 1 True(.|\n)*refused",
    ),
}


def hostile_modules(folder: Path, host: Mapping[str, str]) -> None:
    """Modules and settings that whoever starts Python beside them would take."""
    code = """
open('{home}/ran-{name}', 'w').close()
import os
os._exit(0)
"""
    for name in (
        "torch",
        "math",
        "json",
        "autograder",
        "sitecustomize",
        "usercustomize",
        "conftest",
        "nbgrader_config",
        "numpy",
    ):
        (folder / f"{name}.py").write_text(code.format(home=host["home"], name=name), encoding="utf-8")
    (folder / "lesson.toml").write_text(
        """
[[mistake]]
gradient = "dz"
formula = "__import__('os').system('touch """
        + host["home"]
        + """
/formula')"
sentence = "x"
""",
        encoding="utf-8",
    )
    (folder / "matplotlibrc").write_text("backend: module://torch\n", encoding="utf-8")
    (folder / "progress.json").symlink_to(host["home"] + "/secret")
    (folder / ".ipython").mkdir()
    (folder / "names.txt").write_text("x\n", encoding="utf-8")


def links(folder: Path, host: Mapping[str, str]) -> None:
    """Links to what the student must not see."""
    for name, goal in {
        "gradebook": "gradebook.db",
        "notebook": "source/ps/lesson.ipynb",
        "other": "submitted/honest/ps/lesson.ipynb",
        "key": "examiner.key",
    }.items():
        (folder / f"{name}.txt").symlink_to(Path(host["course"], goal))
    (folder / "secret.txt").symlink_to(host["home"] + "/secret")
    (folder / "folder").symlink_to(host["course"])


def another_notebook(folder: Path, host: Mapping[str, str]) -> None:
    (folder / "lesson.ipynb").unlink()
    (folder / "lesson.ipynb").symlink_to(Path(host["course"], "submitted", "honest", "ps", "lesson.ipynb"))


def special_files(folder: Path, host: Mapping[str, str]) -> None:
    """Files that are read for ever, or not at all."""
    os.mkfifo(folder / "pipe")
    (folder / "closed").write_text("x", encoding="utf-8")
    (folder / "closed").chmod(0)


def links_to_nothing(folder: Path, host: Mapping[str, str]) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "nothing").symlink_to("/nonexistent")


def odd_files(folder: Path, host: Mapping[str, str]) -> None:
    deep = folder
    for _ in range(60):
        deep /= "folder"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x", encoding="utf-8")
    (folder / "a\nb\x1b[31m'\"; touch x").write_text("x", encoding="utf-8")
    (folder / "other.ipynb").write_text("{", encoding="utf-8")
    (folder / "hardlink").hardlink_to(folder / "lesson.ipynb")


def closed_folder(folder: Path, host: Mapping[str, str]) -> None:
    (folder / "closed").mkdir()
    (folder / "closed" / "file").write_text("x", encoding="utf-8")
    (folder / "closed").chmod(0)


FILES = {
    "hostile-modules": Attack("hands in modules and settings that others would take", bring=hostile_modules),
    "links": at(
        "dz",
        "hands in links to the gradebook, the key, home and other submissions",
        """
import glob, os
seen = {name: len(open(name, 'rb').read()) for name in sorted(glob.glob('*.txt')) if os.path.exists(name)}
print('WORKED' if seen or os.path.exists('folder') else 'nothing', seen)""",
        bring=links,
        shows="^(WORKED|nothing)",
    ),
    "another-notebook": Attack(
        "hands in a link to the notebook of another student",
        loses=ALL + " explain",
        bring=another_notebook,
    ),
    "special-files": Attack("hands in a pipe", bring=special_files, ungraded=True),
    "links-to-nothing": Attack(
        "hands in links that lead nowhere",
        bring=links_to_nothing,
        ungraded=True,
    ),
    "odd-files": Attack("hands in files with odd names and deep folders", bring=odd_files),
    "closed-folder": Attack("hands in a folder that is closed", bring=closed_folder),
}

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
    "kernels-by-name": Attack(
        "calls torch's own formula for the step: right, and shown to the instructor",
        {"dz": "dz = torch.ops.aten.tanh_backward(dh, h)"},
        noted="autograd",
        stock=True,
    ),
}


def cell(nb: NotebookNode, name: str) -> NotebookNode:
    return next(each for each in nb.cells if each.get("id") == name)


def tests(nb: NotebookNode) -> Iterator[NotebookNode]:
    return (each for each in nb.cells if each.get("id", "").startswith("test-"))


def more_points(nb: NotebookNode) -> None:
    for each in tests(nb):
        each.metadata.nbgrader.points = 1000
    cell(nb, "explain").metadata.nbgrader.points = 1000


def flipped(nb: NotebookNode) -> None:
    for each in nb.cells:
        if "nbgrader" in each.metadata:
            each.metadata.nbgrader.update(grade=True, solution=True, locked=False, points=50)


def other_types(nb: NotebookNode) -> None:
    for each, kind in zip(tests(nb), ("markdown", "raw") * 3, strict=False):
        each.cell_type = kind
        for key in ("outputs", "execution_count"):
            each.pop(key, None)


def copied_tests(nb: NotebookNode) -> None:
    for each in [*tests(nb)]:
        copy = NotebookNode(each, metadata=NotebookNode(each.metadata), source="pass")
        nb.cells.insert(0, copy)
        nb.cells.append(NotebookNode(copy, id="another"))


def without_tests(nb: NotebookNode) -> None:
    nb.cells = [each for each in nb.cells if not each.get("id", "").startswith("test-")]


def without_metadata(nb: NotebookNode) -> None:
    for each in nb.cells:
        each.metadata = NotebookNode()


def only_answers(nb: NotebookNode) -> None:
    nb.cells = [each for each in nb.cells if each.get("id") in HONEST]


def reversed_cells(nb: NotebookNode) -> None:
    nb.cells = nb.cells[::-1]


def tags(nb: NotebookNode) -> None:
    for each in nb.cells:
        if each.get("id") not in HONEST:
            each.metadata.tags = ["skip-execution", "raises-exception", "remove_cell", "hide"]
            each.metadata.nbgrader = {**each.metadata.get("nbgrader", {})}
            each.metadata.update(deletable=True, editable=True, jupyter={"source_hidden": True}, remove_cell=True)


def other_sources(nb: NotebookNode) -> None:
    for each in nb.cells:
        if each.get("id") not in HONEST:
            each.source = "%%forward\nloss = torch.zeros(1)" if each.get("id") == "forward" else "pass"


def forged_outputs(nb: NotebookNode) -> None:
    for each in tests(nb):
        each.outputs = [
            NotebookNode(output_type="execute_result", data={"text/plain": "1"}, metadata={}, execution_count=1),
        ]
        each.execution_count = 1


def forged_notes(nb: NotebookNode) -> None:
    nb.metadata.autograder = {"restored": [], "notes": ["all is right"], "flags": [], "score": 100}
    nb.metadata.nbgrader = {"score": 100, "comment": "all is right", "max_score": 100}


def other_kernel(nb: NotebookNode) -> None:
    nb.metadata.kernelspec = {
        "name": "../../evil",
        "display_name": "$(touch /tmp/x)",
        "language": "bash",
        "argv": ["sh", "-c", "id"],
    }
    nb.metadata.language_info = {"name": "bash", "file_extension": "/../../x.sh", "pygments_lexer": "nothing", "version": 3}


def odd_ids(nb: NotebookNode) -> None:
    for number, each in enumerate(nb.cells):
        each.id = "x" if number % 2 else '"><script>alert(1)</script>'


def other_versions(nb: NotebookNode) -> None:
    for number, each in enumerate(nb.cells):
        if "nbgrader" in each.metadata:
            each.metadata.nbgrader.schema_version = (99, 1, "x", None)[number % 4]


def cells_that_pose(nb: NotebookNode) -> None:
    """Cells of its own that say they are tests, answers and the forward pass."""
    for name in ("test-dz", "forward", "setup", "bonus"):
        metadata = {
            "grade": True,
            "solution": False,
            "locked": True,
            "task": False,
            "grade_id": name,
            "points": 9,
            "schema_version": 3,
        }
        nb.cells.append(
            NotebookNode(
                cell_type="code",
                id=f"own-{name}",
                source="9.0",
                outputs=[],
                execution_count=None,
                metadata={"nbgrader": metadata},
            )
        )


def odd_metadata(nb: NotebookNode) -> None:
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"deep": deep}
    nb.metadata.update(
        deep, title=["x"], authors="x", widgets={"application/vnd.jupyter.widget-state+json": 3}, long="x" * 2**20
    )
    for each in nb.cells:
        each.metadata.update(deep, collapsed="x", scrolled=[], name=3, format={}, attachments=[])


def cells_around(nb: NotebookNode) -> None:
    """Cells of its own in front of each test, and behind, that answer and undo."""
    cells: list[NotebookNode] = []
    for each in nb.cells:
        own = """
import builtins
builtins.abs = lambda x: 0
torch.allclose = lambda *a: True
math = check = grade = print"""
        free = NotebookNode(cell_type="code", source=own, outputs=[], execution_count=None, metadata={}, id=f"own-{len(cells)}")
        cells += [free, each] if each.get("id", "").startswith("test-") else [each]
    nb.cells = cells


EDITS: dict[str, tuple[str, Callable[[NotebookNode], None]]] = {
    "points": ("gives its tests more points", more_points),
    "flags-of-cells": ("says that tests are answers", flipped),
    "types-of-cells": ("makes tests text", other_types),
    "copied-tests": ("copies tests, with the same ids", copied_tests),
    "deleted-tests": ("deletes the tests", without_tests),
    "no-metadata": ("deletes all metadata", without_metadata),
    "only-answers": ("deletes all but its answers", only_answers),
    "order": ("turns the order round", reversed_cells),
    "tags": ("has tests skipped or hidden by tags", tags),
    "locked-sources": ("changes tests and the forward pass", other_sources),
    "forged-outputs": ("hands in outputs that say that all is right", forged_outputs),
    "forged-notes": ("hands in notes and scores", forged_notes),
    "kernelspec": ("asks for another kernel", other_kernel),
    "ids": ("has the same ids many times, and ids that are none", odd_ids),
    "schema": ("says that it is of other versions", other_versions),
    "posing-cells": ("adds cells that say they are tests", cells_that_pose),
    "odd-metadata": ("has metadata that are deep, long and of other types", odd_metadata),
    "cells-around": ("adds cells that replace names in front of each test", cells_around),
}

NOTEBOOKS = {
    f"edits-{name}": Attack(tries, {"dz": WRONG, "perplexity": BAD}, loses="dz perplexity", edit=edit)
    for name, (tries, edit) in EDITS.items()
}


def as_file(content: str | Callable[[str], str]) -> Callable[[Path, Mapping[str, str]], None]:
    """The notebook's file replaced."""

    def write(folder: Path, host: Mapping[str, str]) -> None:
        path = folder / "lesson.ipynb"
        text = path.read_text(encoding="utf-8")
        path.write_text(content if isinstance(content, str) else content(text), encoding="utf-8")

    return write


MALFORMED = {
    "no-notebook": Attack("hands in a file that is no notebook", loses=ALL + " explain", bring=as_file("x\x00" * 1000)),
    "empty-notebook": Attack("hands in an empty file", loses=ALL + " explain", bring=as_file("")),
    "deep-notebook": Attack("hands in lists in lists", loses=ALL + " explain", bring=as_file("[" * 10**6)),
    "other-format": Attack(
        "says that the file is of another format", bring=as_file(lambda text: text.replace('"nbformat": 4', '"nbformat": 99'))
    ),
}

SCRIPT = (
    "<script>document.title='live'</script><img src=x onerror=document.title='live'><svg onload=document.title='live'></svg>"
)


def hostile_text(nb: NotebookNode) -> None:
    cell(nb, "explain").source = (
        f"{SCRIPT}\n\n[x](javascript:document.title='live') ![x](x\" onerror=\"document.title='live')\n\n"
        "<iframe srcdoc=\"<script>parent.document.title='live'</script>\"></iframe>\n\n$\\href{javascript:alert(1)}{x}$ "
        "![a](attachment:a.png)\n"
    )
    cell(nb, "explain").attachments = {"a.png": {'image/png"onerror="document.title=1': "eA=="}}
    raw = NotebookNode(cell_type="raw", id="raw", source=SCRIPT, metadata={"raw_mimetype": "text/html", "format": "text/html"})
    nb.cells.append(raw)


def hostile_metadata(nb: NotebookNode) -> None:
    nb.metadata.title = f"</title>{SCRIPT}"
    nb.metadata.authors = [{"name": SCRIPT}]
    nb.metadata.language_info = {"name": f'"{SCRIPT}', "pygments_lexer": f'"{SCRIPT}', "codemirror_mode": SCRIPT}
    nb.metadata.widgets = {
        "application/vnd.jupyter.widget-state+json": {"state": {"x": SCRIPT}, "version_major": f"</script>{SCRIPT}"}
    }
    for each in nb.cells:
        each.metadata.update(tags=[SCRIPT], name=SCRIPT, slideshow={"slide_type": SCRIPT})


def bombs(nb: NotebookNode) -> None:
    """Text that takes for ever to lay out."""
    cell(nb, "explain").source = """

""".join(
        (
            "[" * 3000,
            ">" * 500 + "x",
            "*a " * 3000,
            "- " * 300 + "x",
            "`" * 3000,
            "<div>" * 3000,
            "![" * 2000 + "](" * 2000,
            "$" * 3001,
        )
    )


PAGES = {
    "page-script": at(
        "dz",
        "shows scripts in every kind of output",
        "from IPython.display import HTML, SVG, Javascript, Latex, Markdown, display\nimport sys\n"
        f"text = {SCRIPT!r}\n"
        "for kind in (HTML, Javascript, Markdown, Latex):\n    display(kind(text))\n"
        "display({'image/svg+xml': text, 'application/javascript': text, 'text/latex': text, 'text/vnd.mermaid': text,"
        " 'image/png': '\"onerror=\"x', 'application/vnd.jupyter.widget-view+json': {'model_id': text}}, raw=True,"
        " metadata={'image/png': {'width': '\"' + text}})\nprint(text, file=sys.stdout)\nprint('\\x1b[31m' + text)\n"
        "class Odd(Exception):\n    pass\nOdd.__name__ = text\nraise Odd(text)",
    ),
    "page-text": Attack("has scripts in its text", edit=hostile_text),
    "page-metadata": Attack("has scripts in its metadata", edit=hostile_metadata),
    "page-bombs": Attack("has text that takes long to lay out", edit=bombs),
    "page-deep-output": at(
        "dz",
        "shows what takes long to lay out",
        """
from IPython.display import HTML, Markdown, display
display(HTML('<div>' * 20000 + '<b title="' * 1000))
display(Markdown('[' * 3000 + '\\n\\n' + '*a ' * 3000))
print('\\x1b[' + '1;' * 20000 + 'm' + '\\x1b[38;5;' * 5000)""",
    ),
    "page-answers-test": at(
        "dz",
        "updates the display of a test from another cell",
        """
from IPython.display import display, update_display
for name in ('dz', 'test-dz'):
    update_display({'text/plain': 'FORGED'}, display_id=name, raw=True)
    display({'text/plain': 'first'}, display_id=name, raw=True)
""",
    ),
}

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

READ = {
    name: Attack("has code that is hard to read", {"dz": source}, loses="dz")
    for name, source in ((name, source) for name, source in NESTED.items())
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

ATTACKS: dict[str, Attack] = {
    name: attack
    for rows in (
        REPLACING, READING, OBJECTS, CHANNELS, PROCESSES, NETWORK, WALLS, FILES, AUTOGRAD, NOTEBOOKS, MALFORMED, PAGES, READ,
    )
    for name, attack in rows.items()
}  # fmt: skip
