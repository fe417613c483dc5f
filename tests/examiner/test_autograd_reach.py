"""What a student's process can reach once autograd is off: a walk over its objects, what C has by name, ways around."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import sys
import types
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

import pytest
import torch
import torch._dynamo
from torch import Tensor

from autograder.examiner.autograd_off import COMPILER, _entry, _words_of, node_types, refused, switch_off
from tests.examiner import test_autograd_off
from tests.examiner.test_autograd_off import ENTRANCES, SCRIPT, elsewhere, leaf, quiet

pytestmark = test_autograd_off.pytestmark

IDENTITY = {
    types.BuiltinFunctionType: (16, 16),
    types.GetSetDescriptorType: (40, 8),
    types.MethodDescriptorType: (40, 8),
    types.WrapperDescriptorType: (48, 8),
}
"""Which bytes of an object say what function of C it stands for."""

WAYS = [(owner, name) for owner, name, _ in refused()]
WAYS += [(torch._C.TensorBase, "grad_fn"), (torch._C.TensorBase, "_grad_fn"), (torch._C._FunctionBase, "next_functions")]
WAYS += [(COMPILER, "set_autograd_compiler")]
WAYS += [(kind, name) for kind in node_types() for name in ("__call__", "next_functions")]
"""What must not be in reach: an owner and a name."""


def function_of_c(each: object) -> bytes:
    """Says which function of C an object stands for; empty where it stands for none."""
    start, size = IDENTITY.get(type(each), (0, 0))
    return ctypes.string_at(id(each) + start, size)


FORBIDDEN = {
    function_of_c(getattr(vars(owner)[name], "__func__", vars(owner)[name])): f"{owner.__name__}.{name}" for owner, name in WAYS
}


def referents(each: object) -> list[object]:
    """What an object holds. Python's own list of that leaves out types of C, and what is only weakly held."""
    found = gc.get_referents(each)
    if issubclass(type(each), type):  # `isinstance` would ask the object
        kind: Any = each
        found += [
            *vars(type)["__dict__"].__get__(kind).values(),
            *type.__subclasses__(kind),
            *vars(type)["__mro__"].__get__(kind),
        ]
    if issubclass(type(each), weakref.ref):
        found.append(each())  # type: ignore[operator]
    return found


def in_reach() -> list[str]:
    """What of WAYS can be had from modules, the garbage collector, frames and types."""
    gc.collect()
    waiting: list[object] = [sys.modules, object, sys._getframe(), *gc.get_objects()]
    seen = set[int]()
    found = set[str]()
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            found.add(FORBIDDEN.get(function_of_c(each), ""))
            waiting += referents(each)
    assert len(seen) > 100_000, "the walk saw little"
    return sorted(found - {""})


def test_nothing_that_differentiates_is_in_reach() -> None:
    assert elsewhere(in_reach, off=False, seconds=120) == {"answer": sorted({*FORBIDDEN.values()})}
    assert elsewhere(in_reach, seconds=120) == {"answer": []}


def test_no_table_of_c_leads_to_what_differentiates() -> None:
    """A module that is loaded once more makes its functions from these."""
    functions = {entry.function for entry in map(_entry, (torch._C._enter_dual_level, torch._C._initExtension))}

    def left() -> list[int]:
        return [word for memory, _ in _words_of("libtorch_python") for word in memory if word in functions]

    assert len(functions) == 2
    assert {*elsewhere(left, off=False)["answer"]} == functions
    assert elsewhere(left) == {"answer": []}


TELLING = re.compile(
    r"(?<!up)grad|backward|jvp|vjp|tangent|(?<!resi)dual|autograd|(?<!q)engine|autodiff|differen|deriv|interp|exec(?!_group)"
    r"|(?<!p)run(?!c|time)|import_ir|(?<![a-z])load_|static_module|initExt|next_func",
    re.IGNORECASE,
)
"""Names of functions and attributes of C that may have to do with derivatives, or run what does."""

HARMLESS = {
    "says whether gradients are wanted, or holds them": "*grad_enabled *requires*grad* *zero_grad *retain*_grad *.grad"
    " torch._C.TensorBase.*_hooks torch._C.TensorBase._grad torch._C.TensorBase.grad_dtype torch._C._functorch.*allowed"
    " *.prev*GradMode *fallback_mode *grad_layout* *accumulate_grad_stream* torch._C.Value.requiresGrad *.is_gradtrackingtensor"
    " torch._C._functorch.*inplace_requires_grad* *.needs_input_grad *.*materialize*grad* *.non_differentiable"
    " *_compiled_autograd_* *_keyset_from_autograd *.grad_manager *.add_dual_level_match_guard *._reinterpret_tensor",
    "the formula of one step, by its name: maths": "torch._C._VariableFunctionsClass.*backward* *._dirichlet_grad"
    " *._standard_gamma_grad *.gradient *._fused_adagrad_",
    "has a tangent, or a level to leave, only where forward mode is on": "*._make_dual *._make_dual_copy *._unpack_dual"
    " *.tangent torch._C._exit_dual_level",
    "wraps or unwraps a tensor for a level, and makes no level": "*._wrap_for_grad *._unwrap_for_grad *.*_interpreter_stack",
    "tells of an engine that is running": "torch._C._current_autograd_node torch._C._current_graph_task_execution_order"
    " torch._C._will_engine_execute_node",
    "belongs to gradients that are there: it sends or adds them up": "*_c10d.Reducer.* *.GradBucket.gradients",
    "is about differentiated scripts, and none is": "torch._C.Gradient.df_* *.execution_plans"
    " *_graph_executor_optimize *_set_profiling_executor *_autodiff_subgraph_inlining *_specialize_autogradzero"
    " *_onnx_autograd_*",
    "runs operators: of those the engine differentiates alone, and that is off": "torch._C._jit_interpret_graph *_static_module"
    " torch._C.StaticModule.* torch._C._load_for_lite* torch._C._load_mobile* *.run_method torch._C._aoti.*"
    " torch._C.ThroughputBenchmark.run_once *.TensorExprKernel.run *._run_cached_graph torch._C._jit_pass_run_decompositions",
    "is called once, by `import torch`: again it ends in an error": "torch._C._autograd_init torch._C._dist_autograd_init",
    "has nothing to do with derivatives": "torch._C.FileCheck.run *num_profiled_runs *_run_cpp_tests *_run_emit_module_hook"
    " *._gds_load_storage *._pickle_load_obj *_execution_trace_observer *.num_guards_executed *.is_backward_compatible_with"
    " *._load_precompile_entry *.set_code_exec_strategy *_test_autograd_multiple_dispatch* *._test_warn_in_autograd"
    " *._sobol_engine_*",
}
"""Why each of them may stay, by paths."""
CUDA = "torch._C._CUDAGraph.* torch._C._StaticCudaLauncher.* torch._C._rocm_is_backward_pass"
"""What a torch for graphics cards has beside: it runs what was recorded there, and a room has none."""


def telling(owner: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any, str]]:
    """All of C beneath a module or type whose name is TELLING: path, owner, name."""
    seen.add(id(owner))
    for name, value in vars(owner).items():
        if isinstance(value, types.ModuleType | type):
            is_torch = (getattr(value, "__module__", None) or value.__name__).startswith("torch")
            if is_torch and id(value) not in seen and value not in node_types():
                yield from telling(value, f"{path}.{name}", seen)
        elif TELLING.search(name) and (callable(value) or hasattr(value, "__get__")):
            yield f"{path}.{name}", owner, name


def test_each_name_in_c_that_may_differentiate_is_refused_or_known_to_be_harmless() -> None:
    patterns = [pattern for line in HARMLESS.values() for pattern in line.split()]
    found = {path: (owner, name) for path, owner, name in telling(torch._C, "torch._C", set())}
    unknown = {path for path, way in found.items() if way not in WAYS}
    assert len(found) > len(unknown) > 100
    left = [path for path in unknown if not any(fnmatchcase(path, pattern) for pattern in (*patterns, *CUDA.split()))]
    assert sorted(left) == []
    assert [pattern for pattern in patterns if not any(fnmatchcase(path, pattern) for path in unknown)] == []


def by_ctx() -> Any:
    kept = []

    class Kept(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:  # type: ignore[override]
            kept.append(ctx)
            return x.clone()

    Kept.apply(leaf()[0].tanh())  # type: ignore[no-untyped-call]
    return kept[0].next_functions[0][0](torch.ones(3))


def by_distribution() -> Any:
    from torch.distributed import autograd

    autograd._init(0)
    with autograd.context() as context:  # type: ignore[no-untyped-call]
        x, y = leaf()
        autograd.backward(context, [y])
        return autograd.get_gradients(context)[x]


class Unequal(str):
    """Says of each text that it is another one."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False


def by_operator(name: str = "aten::grad") -> Any:
    x, y = leaf()
    return torch._C._jit_get_operation(name)[0]([y], [x])[0]


def held(function: Any) -> list[Any]:
    """What a function keeps: in its closure, as defaults, under it."""
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    return [*cells, *(getattr(function, "__defaults__", None) or ()), getattr(function, "__wrapped__", None)]


def by_closure() -> Any:
    x, y = leaf()
    lookup = next((each for each in held(torch._C._jit_get_operation) if callable(each)), torch._C._jit_get_operation)
    return lookup("aten::grad")[0]([y], [x])[0]


def by_torchs_unit() -> Any:
    unit = torch.jit._state._python_cu  # type: ignore[attr-defined]
    unit.define(SCRIPT, lambda name: getattr(torch, name))
    return unit.gradient(leaf()[0])


def by_type_of_unit() -> Any:
    unit = type(torch.jit._state._python_cu)()  # type: ignore[attr-defined]
    unit.define(SCRIPT, lambda name: getattr(torch, name))
    return unit.gradient(leaf()[0])


def by_old_type() -> Any:
    return torch.FloatTensor.grad_fn.__get__(leaf()[1])(torch.ones(()))  # type: ignore[attr-defined]


def by_differentiated_graph() -> Any:
    graph = torch._C.parse_ir("graph(%x : Tensor):\n  %y : Tensor = aten::tanh(%x)\n  return (%y)\n")
    return str(torch._C._jit_differentiate(graph).df)


def by_rules_of_dynamo() -> Any:
    rules = torch._dynamo.trace_rules.get_torch_obj_rule_map()
    enter = next(each for each in rules if getattr(each, "__name__", "") == "_enter_dual_level")
    return [enter(), rules[enter]]


def by_names_of_scripts() -> Any:
    from torch.distributed import autograd

    backward = next(each for each, name in torch.jit._builtins._builtin_ops if name == "aten::dist_backward")
    autograd._init(0)
    with autograd.context() as context:  # type: ignore[no-untyped-call]
        x, y = leaf()
        backward(context, [y])
        return autograd.get_gradients(context)[x]


def by_engine_set_back() -> Any:
    COMPILER.set_autograd_compiler(None, False)
    return by_operator()


def by_disabled_compiler() -> Any:
    with torch._dynamo.compiled_autograd._disable():
        return by_operator()


class Compiler:
    """What the engine would ask to compile a graph: it runs each node instead, and keeps what that gives."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}
        self.kept: list[Any] = []

    def begin_capture(self, inputs: Any, sizes: Any, scalars: Any, *_: Any) -> Any:
        return "graph", list(inputs), list(sizes), list(scalars)

    def bind_function(self, name: str, node: Any, *_: Any) -> str:
        self.nodes[name] = node
        return name

    def apply_functional(self, name: str, gradients: Any, arguments: Any, *_: Any) -> Any:
        self.kept = list(self.nodes[name](gradients, *arguments))
        return self.kept

    def validate_outputs(self, _: Any, outputs: Any, *__: Any) -> Any:
        return list(outputs)

    def accumulate_grad(self, variable: Any, *gradients: Any) -> Any:
        self.kept = [each for each in gradients if isinstance(each, Tensor)]

    def accumulate(self, one: Any, other: Any, *_: Any) -> Any:
        return one if other is None else other if one is None else one + other

    def set_node_origin(self, *_: Any) -> None: ...

    def close(self) -> None: ...

    def end_capture(self, *_: Any) -> None:
        raise KeyError("enough")


def by_rewritten_functions() -> Any:
    """Gives each function that says what is off the code of one that makes the engine a compiler."""
    compiler = Compiler()
    sys.modules["compiler"] = compiler  # type: ignore[assignment]

    def plain(*_: Any, **__: Any) -> Any:
        return __import__("sys").modules["compiler"]

    def closed(error: object) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            return error and __import__("sys").modules["compiler"]

        return refuse

    for each in gc.get_objects():
        if type(each) is types.FunctionType and each.__module__ == "autograder.examiner.autograd_off":
            with suppress(ValueError):  # of another number of free variables
                each.__code__ = (closed(1) if each.__closure__ else plain).__code__
    try:
        return by_operator()
    except KeyError:
        return compiler.kept[0]


def in_vmap() -> Any:
    x, y = leaf()
    return torch.vmap(lambda _: torch._C._jit_get_operation("aten::grad")[0]([y], [x])[0])(torch.ones(1))[0]


def in_child() -> Any:
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        try:
            os.write(writing, repr(by_operator().tolist()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    return json.loads(os.read(reading, 100))


def in_thread() -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(by_operator).result()


AROUND = {
    "the ctx of a Function": by_ctx,
    "torch.distributed": by_distribution,
    "an operator": by_operator,
    "an operator by a name that equals nothing": lambda: by_operator(Unequal("aten::grad")),
    "what a function keeps": by_closure,
    "the unit of torch itself": by_torchs_unit,
    "the type of that unit": by_type_of_unit,
    "an old type of tensors": by_old_type,
    "the graph of a derivative": by_differentiated_graph,
    "the rules of dynamo": by_rules_of_dynamo,
    "the names of scripts": by_names_of_scripts,
    "the engine set back": by_engine_set_back,
    "the engine set back by torch": by_disabled_compiler,
    "functions that refuse, written anew": by_rewritten_functions,
    "an operator in vmap": in_vmap,
    "an operator in a child": in_child,
    "an operator in a thread": in_thread,
}
"""Each gives a gradient, or what leads to one, where autograd is on."""


@quiet
@pytest.mark.parametrize("route", AROUND)
def test_no_way_around_leads_to_a_gradient(route: str) -> None:
    assert "answer" in elsewhere(AROUND[route], off=False), "this is no way to a gradient"
    assert "answer" not in elsewhere(AROUND[route])


@pytest.mark.parametrize("kind", [torch.tanh, torch.sum, torch.clone], ids=lambda kind: kind.__name__)
def test_a_node_from_before_is_neither_called_nor_walked(kind: Any) -> None:
    def refused_by(node: Any, ask: Any) -> bool:
        try:
            ask(node)
        except (TypeError, RuntimeError):
            return True
        return False

    def run() -> list[bool]:
        y = kind(leaf()[0])
        node, g = y.grad_fn, torch.ones_like(y)
        switch_off(ENTRANCES)
        asks = (lambda n: n(g), lambda n: type(n).__call__(n, g), lambda n: n.next_functions)
        return [refused_by(node, ask) for ask in asks]

    assert elsewhere(run, off=False) == {"answer": [True] * 3}
