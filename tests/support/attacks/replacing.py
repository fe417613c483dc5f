"""What tests call, replaced."""

from __future__ import annotations

from tests.support.attacks.attack import BAD, WRONG, Attack, at

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
