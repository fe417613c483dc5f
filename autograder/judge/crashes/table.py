"""The table of errors: what was raised, what is said then, and the next step.

A row matches by the type and the message of the error. Its facts come from the line that raised: what its names and its parts
stood for, with their shapes. Where a row's facts are not there, the next row is tried; no row is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autograder.judge.crashes import facts
from autograder.judge.crashes.crash import Crash, Facts
from autograder.verdict import Mistake

SIGNS = {
    "×": "*",
    "·": "*",
    "∗": "*",
    "⊙": "*",
    "÷": "/",
    "−": "-",
    "–": "-",
    "—": "-",
    "²": "**2",
    "³": "**3",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
}
"""What Python has for characters that come from a text or a formula."""


@dataclass(frozen=True)
class Row:
    """A row of the table: what was raised, as patterns of its type and message, and what is said then.

    `says` and `step` have blanks for the groups of the pattern, for `part`, the code that raised, and for what `facts` finds;
    it gives None where the row does not fit.
    """

    kind: str
    message: str
    says: str
    step: str
    facts: Callable[[Crash, Mapping[str, str]], Facts | None] = lambda crash, groups: {}
    mistake: Mistake = Mistake.STOPS


AUTOGRAD = "The cell takes it from autograd, which is switched off while an answer is checked."


DERIVE = "Derive it by hand, from the forward variables and the gradients that come in."


TABLE: tuple[Row, ...] = (
    # what is left from the released cell
    Row(
        "TypeError|RuntimeError|AttributeError",
        "'?ellipsis'?",
        "The three dots are still there: they stand for what you are to fill in.",
        "Put your own expression in the place of `...`.",
    ),
    Row(
        "NotImplementedError",
        "^$",
        "`raise NotImplementedError()` still stands in the cell, and stops it there.",
        "Delete that line.",
    ),
    # names
    Row(
        "NameError",
        "name '(?P<name>.+?)' is not defined",
        "The cell changes or reads `{name}` before it has given it a value.",
        "Work out all of `{name}` in this cell: begin with a line `{name} = …`.",
        facts.own,
        Mistake.FOREIGN,
    ),
    Row(
        "NameError",
        "name '(?P<name>.+?)' is not defined",
        "`{name}` comes after `{answer}` on the way back from the loss, so nothing can be worked out from it here.",
        "Start from the gradients of what was computed from `{variable}`.",
        facts.later,
    ),
    Row(
        "NameError",
        "name '(?P<name>.+?)' is not defined",
        "`{name}` has no value, because its own cell stopped, or a cell that it needs.",
        "Get the cell of `{first}` to run first, and then those after it.",
        facts.stopped,
    ),
    Row(
        "NameError",
        "name '(?P<name>.+?)' is not defined",
        "`{name}` is not there yet: it is a gradient with an answer cell of its own.",
        "Write and run the cell of `{name}` first.",
        facts.gradient,
    ),
    Row(
        "NameError",
        "name '(?P<name>.+?)' is not defined",
        "`{name}` was never imported in this notebook.",
        "Put `{line}` above that line.",
        facts.imported,
    ),
    Row(
        "NameError",
        "name '(?P<name>.+?)' is not defined",
        "There is no `{name}` by itself: it is a function of `{module}`.",
        "Write `{module}.{name}`.",
        facts.of_a_module,
    ),
    Row(
        "NameError",
        "name '(?P<name>.+?)' is not defined",
        "There is no `{name}` here. The closest name is `{near}`.",
        "Write `{near}`, if that is what you mean.",
        facts.near_name,
    ),
    Row(
        "NameError",
        "name '(?P<name>.+?)' is not defined",
        "There is no `{name}` here, and no name like it.",
        "Give `{name}` a value above that line, or use another name.",
    ),
    Row(
        "UnboundLocalError",
        "local variable '(?P<name>.+?)'",
        "The function gives `{name}` a value somewhere, so it is a local name, and here it has none yet.",
        "Give `{name}` a value inside of the function, before that line.",
    ),
    Row(
        "ModuleNotFoundError|ImportError",
        "No module named '(?P<name>.+?)'",
        "There is no module `{name}` here.",
        "Do without it: torch and what the notebook imports are enough.",
    ),
    Row(
        "ImportError",
        "cannot import name '(?P<name>.+?)'",
        "That module has no `{name}`.",
        "Take the import out, or look up how the name is spelt.",
    ),
    # attributes and arguments
    Row(
        "AttributeError",
        "module 'torch' has no attribute '(?P<name>F|functional)'",
        "`torch.{name}` does not exist: the notebook imports `torch.nn.functional` as `F`.",
        "Write `F.` in the place of `torch.{name}.`.",
    ),
    Row(
        "AttributeError",
        "module '(?P<module>torch[.\\w]*)' has no attribute '(?P<name>.+?)'",
        "`{module}` has no `{name}`. The closest that it has is `{near}`.",
        "Write `{near}`, if that is what you mean.",
        facts.near_of_module,
    ),
    Row(
        "AttributeError",
        "'(?:Tensor|Parameter)' object has no attribute '(?P<name>.+?)'",
        "A tensor has no `.{name}`. The closest that it has is `.{near}`.",
        "Write `.{near}`, if that is what you mean.",
        facts.near_method,
    ),
    Row(
        "AttributeError|TypeError",
        "NoneType",
        "The `.{its}` there is None: the tensors of this notebook carry no graph, and nothing fills it.",
        DERIVE,
        facts.is_grad,
        Mistake.AUTOGRAD,
    ),
    Row(
        "AttributeError",
        "'torch.return_types.(?P<kind>\\w+)' object has no attribute",
        "Along an axis `{kind}` gives two things, the `values` and the `indices`.",
        "Take one of them: `.values` or `.indices`.",
    ),
    Row(
        "AttributeError",
        "'(?P<kind>.+?)' object has no attribute '(?P<name>.+?)'",
        "In `{method}`, `{name} = …` makes a name that is gone when the method ends. So the object has no `.{name}`.",
        "Write `self.{name} = …` there.",
        facts.local_only,
    ),
    Row(
        "AttributeError",
        "'(?P<kind>.+?)' object has no attribute '(?P<name>.+?)'",
        "No method of `{kind}` gives `self.{name}` a value.",
        "Add a line `self.{name} = …` to the method that works it out.",
        facts.unset,
    ),
    Row(
        "AttributeError",
        "'(?P<kind>.+?)' object has no attribute '(?P<name>.+?)'",
        "What stands before `.{name}` is of the type `{kind}`, which has no `{name}`.",
        "Print what stands before `.{name}`: it is not what you expect.",
    ),
    Row(
        "AttributeError",
        "module '(?P<module>.+?)' has no attribute '(?P<name>.+?)'",
        "The module `{module}` has no `{name}`.",
        "Look up how the name is spelt.",
    ),
    Row(
        "TypeError",
        "(?P<function>[\\w.]+)\\(\\) got an unexpected keyword argument '(?P<name>.+?)'",
        "`{function}` is called with a `{name}`, which is not among the names in its first line.",
        "Add `{name}` to the names in the brackets of that line.",
        lambda crash, groups: {} if groups["function"] == crash.answer else None,
    ),
    Row(
        "TypeError",
        "(?P<function>[\\w.]+)\\(\\) got an unexpected keyword argument '(?P<name>.+?)'",
        "`{function}` knows no argument `{name}`. The closest that it knows is `{near}`.",
        "Write `{near}=` there, if that is what you mean.",
        facts.near_keyword,
    ),
    Row(
        "TypeError",
        "(?P<function>[\\w.]+)\\(\\) got an unexpected keyword argument '(?P<name>.+?)'",
        "`{function}` knows no argument `{name}`.",
        "Take it out, or look up what `{function}` takes.",
    ),
    Row(
        "TypeError",
        "(?P<function>[\\w.]+)\\(\\) missing (?P<count>\\d+) required positional arguments?: (?P<names>.+)",
        "`{function}` was called without something that it needs: {names}.",
        "Add it to the call.",
    ),
    Row(
        "TypeError",
        "(?P<kind>\\w+)\\.(?P<name>\\w+)\\(\\) takes .*?arguments?.*given",
        "A method gets the object itself as its first value, and the first line of `{name}` has no `self` for it.",
        "Begin its parameters with `self`.",
        facts.selfless,
    ),
    Row(
        "TypeError",
        "(?:_?TensorBase\\.)?(?P<function>[\\w.]+)\\(\\) takes .*?arguments?.*given",
        "`{function}` was called with more than it takes.",
        "Take out what is too many, or close a bracket earlier.",
    ),
    Row(
        "TypeError",
        "(?P<function>\\w+)\\(\\): argument 'keepdim' .*must be bool, not int",
        "The second thing that `{function}` takes is whether the axis stays, and here it is a number.",
        "Put several axes into brackets of their own, as in `.{function}((0, 1))`.",
    ),
    Row(
        "TypeError",
        "(?P<function>\\w+)\\(\\): argument '(?P<name>\\w+)' .*must be (?P<wanted>.+?), not (?P<kind>[\\w.]+)",
        "`{function}` takes a value of the type `{wanted}` for its `{name}`, and gets one of the type `{kind}`.",
        "Print what you pass to it: it is not what you expect.",
    ),
    Row(
        "TypeError",
        "received an invalid combination of arguments .*(?:builtin_function_or_method|function|method)",
        "`{called}` is the function itself, and not what it gives.",
        "Call it, with round brackets: `{called}()`.",
        facts.uncalled,
    ),
    Row(
        "TypeError",
        "(?P<function>\\w+)\\(\\) received an invalid combination of arguments - got \\((?:.*?, )?(?P<name>\\w+)=",
        "`{function}` knows no argument `{name}`. The closest that it knows is `{near}`.",
        "Write `{near}=` there, if that is what you mean.",
        facts.near_keyword,
    ),
    Row(
        "TypeError",
        "(?P<function>\\w+)\\(\\) received an invalid combination of arguments - got \\((?P<kinds>.*?)\\)",
        "`{function}` takes other arguments than it gets in that line: values of the types ({kinds}).",
        "Print what you pass to it, with its type and its shape.",
    ),
    # calls and square brackets
    Row(
        "TypeError",
        "'torch.Size' object is not callable",
        "`.shape` is no function: it holds the sizes of all axes, and `.shape[0]` is one of them.",
        "Leave out the `()` after it.",
    ),
    Row(
        "TypeError",
        "'Tensor' object is not callable",
        "`{called}` is a tensor already, and is called like a function.",
        "Leave out the `()` after it.",
        facts.called_property,
    ),
    Row(
        "TypeError",
        "'(?P<kind>Tensor|int|float)' object is not callable",
        "`{called}` is no function, and a bracket right after it makes a call: perhaps a `*` is missing there.",
        "Write the sign that belongs between `{called}` and the bracket.",
        facts.called,
    ),
    Row(
        "TypeError",
        "'(?P<kind>.+?)' object is not callable",
        "`{called}` is of the type `{kind}`, and is called like a function.",
        "Leave out the bracket after it, or call what you mean.",
        facts.called,
    ),
    Row(
        "TypeError",
        "'(?:builtin_function_or_method|function|method|method_descriptor|type)' object is not subscriptable",
        "`{owner}` is a function, and square brackets pick entries.",
        "Call it with round brackets: `{owner}({index})`.",
        facts.indexed,
    ),
    Row(
        "TypeError",
        "'(?P<kind>.+?)' object is not subscriptable",
        "`{owner}` is of the type `{kind}`, which has no entries to pick.",
        "Print `{owner}`: it is not what you expect.",
        facts.indexed,
    ),
    Row(
        "TypeError",
        "unsupported operand type.*(?:builtin_function_or_method|'function'|'method')",
        "`{called}` is the function itself, and not what it gives.",
        "Call it, with round brackets: `{called}()`.",
        facts.uncalled,
    ),
    # operations
    Row(
        "NotImplementedError|TypeError",
        "bitwise_xor|unsupported operand type\\(s\\) for \\^",
        "`^` is no power in Python: it works on the bits of whole numbers.",
        "Write `**` in its place.",
    ),
    Row(
        "TypeError",
        "unsupported operand type.* for @",
        "`@` is the product of matrices, and one side of it in `{part}` is no tensor.",
        "Write `*` where a number multiplies every entry.",
    ),
    Row(
        "TypeError",
        "(?:unsupported|bad) operand type.*'NoneType'",
        "Something in `{part}` is None: nothing has given it a value.",
        "Print what stands in that line, and give the one that is None its value.",
    ),
    Row(
        "TypeError",
        "unsupported operand type\\(s\\) for (?P<operator>\\S+): '(?P<one>.+?)' and '(?P<other>.+?)'",
        "`{operator}` does not go between a value of the type `{one}` and one of the type `{other}`.",
        "Print both: one is not what you expect.",
    ),
    # shapes
    Row(
        "RuntimeError",
        "size of tensor a .* must match|shapes cannot be multiplied|shape mismatch",
        "`{call}` has only so many columns as its largest label here needs.",
        "Say how many there are: `num_classes=`, with a size from the variables' shapes.",
        facts.one_hot,
        Mistake.BATCH,
    ),
    Row(
        "RuntimeError",
        "shapes cannot be multiplied( .(?P<one>\\d+x\\d+) and (?P<other>\\d+x\\d+))?",
        "`{left}` is {one} and `{right}` is {other}: `{name}` has one row, which the forward pass stretches over all. {whole}",
        "Sum `{right}` over its rows first, and keep the axis.",
        facts.one_row,
        Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "inconsistent tensor size",
        "`{left}` is {one} and `{right}` is {other}: of two plain lists of numbers `@` makes one number. {whole}",
        "For every entry times every entry, give the first one an axis by `.unsqueeze(1)`, and use `*`.",
        facts.product,
        Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "shapes cannot be multiplied( .(?P<one>\\d+x\\d+) and (?P<other>\\d+x\\d+))?",
        "`{left}` is {one} and `{right}` is {other}. {whole} No order of these two gives that, with `.T` or without.",
        "Look at the line of the forward pass: which other variable belongs in this product?",
        facts.no_product,
        Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "shapes cannot be multiplied( .(?P<one>\\d+x\\d+) and (?P<other>\\d+x\\d+))?|mat2 must be a matrix|expected batch2",
        "`{left}` is {one} and `{right}` is {other}: the inner sizes have to be equal. {whole}",
        "Which of them needs `.T`, or should the two change places?",
        facts.product,
        Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "size of tensor a .* must match",
        "`@` comes first there, since Python goes from left to right: `{left}` is {one}, and `{right}` is {other}. {whole}",
        "Put brackets around all that `@` is to multiply by: they open before `{inner}`.",
        facts.product_first,
        Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "size of tensor a .* must match",
        "`*` goes entry by entry, and `{left}` is {one}, `{right}` is {other}. {whole}",
        "Should it be a matrix product, `@`, with one of them transposed?",
        facts.matrices,
        Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "size of tensor a .* must match",
        "`{left}` is {one} and `{right}` is {other}: `.{method}` over an axis takes that axis away. {whole}",
        "Keep the axis: add `keepdim=True` to `.{method}`.",
        facts.reduced,
        Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "size of tensor a .* must match",
        "`{right}` has one whole number for each row, and `{left}` is {one}. {whole}",
        "If these are labels, make a row of each, by `F.one_hot` with its `num_classes=`.",
        facts.labels,
        Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "size of tensor a .* must match",
        "`{left}` is {one} and `{right}` is {other}: a plain list of numbers goes along the last axis, and "
        "`{list}` along axis {axis}.",
        "Give it the other axes, with size 1: `.view({sizes})`.",
        facts.along_another,
        Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "size of tensor a .* must match",
        "`{left}` is {one} and `{right}` is {other}. {whole}",
        "Is `{matrix}` the matrix that the line multiplies by?",
        facts.another_matrix,
        Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "size of tensor a .* must match",
        "`{left}` is {one} and `{right}` is {other}: entry by entry these do not fit. {whole}",
        "Which axis has to be summed, or moved?",
        facts.sides,
        Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "view size is not compatible",
        "After `.T` or `.transpose` the entries lie in another order in memory, which `.view` cannot follow.",
        "If it belongs there, write `.reshape` in the place of `.view`.",
    ),
    Row(
        "RuntimeError",
        "shape '(?P<shape>.+?)' is invalid for input of size (?P<size>\\d+)",
        "A tensor of {size} entries cannot get the shape {shape}: that needs another number of them.",
        "Take the sizes from the `.shape` of the variable that you want to match.",
        mistake=Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "shape mismatch: value tensor of shape (?P<value>.+?) cannot be broadcast to indexing result of shape (?P<place>.+)",
        "The left side of that line has the shape {place}, and what you write into it {value}.",
        "Bring the right side to the shape of the left one.",
        mistake=Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "output with shape (?P<place>\\[.*?\\]) doesn't match the broadcast shape (?P<value>\\[.*?\\])",
        "The left side of that line has the shape {place}, and with the right side it would become {value}.",
        "Sum the right side over what is too many before you add it.",
        mistake=Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "contracted dimensions need to match",
        "`tensordot` multiplies the last axes of the first tensor with the first axes of the second, and their sizes differ.",
        "Say which axes go together: `dims=([0, 1], [0, 1])` takes the first two of both.",
        mistake=Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "expanded size of the tensor .* must match.*Target sizes: (?P<target>\\[.*?\\]).*Tensor sizes: (?P<size>\\[.*?\\])",
        "A tensor of shape {size} cannot be stretched to {target}: only axes of size 1 can.",
        "Compare the two shapes from the right, axis by axis.",
        mistake=Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "1D tensors expected",
        "`dot` is for two tensors with one axis each; these have more.",
        "Write the product of matrices with `@`.",
        mistake=Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "einsum\\(\\): (?P<why>.+)",
        "The letters in `einsum` do not fit the tensors: {why}.",
        "Write one letter for each axis of each tensor, and behind `->` those that stay.",
        mistake=Mistake.SHAPE,
    ),
    Row(
        "RuntimeError|IndexError",
        "index_add_\\(\\): (?:Number of indices|Index is supposed to be a vector)",
        "`index_add_` takes one index for each row that it adds: a flat list of indices, and as many rows.",
        "Make the indices flat by `.view(-1)`, and give the rows as `.view(-1, size)`.",
        mistake=Mistake.SHAPE,
    ),
    Row(
        "RuntimeError|ValueError",
        "Index tensor must have the same number of dimensions",
        "`scatter_` and `gather` want indices with as many axes as the tensor itself.",
        "Give the labels a second axis: `.unsqueeze(1)`.",
        mistake=Mistake.SHAPE,
    ),
    Row(
        "RuntimeError",
        "permute",
        "`permute` takes all axes, each once, in their new order.",
        "Give as many axes as the tensor has.",
        mistake=Mistake.SHAPE,
    ),
    # types of numbers
    Row(
        "RuntimeError",
        "result type (?P<result>\\w+) can't be cast to the desired output type (?P<own>Long|Int|Short|Byte|Bool)",
        "The tensor that this line changes in place holds whole numbers, and a fraction cannot be stored in it.",
        "Make it floating point first, by `.float()`.",
        mistake=Mistake.DTYPE,
    ),
    Row(
        "RuntimeError",
        "expected (?:m1 and m2|scalar type|self and mat2).*dtype.*got: (?P<one>[\\w ]+) != (?P<other>[\\w ]+)",
        "The two sides of the product hold different kinds of numbers, {one} and {other}.",
        "Make them the same, by `.float()` where it is not float.",
        mistake=Mistake.DTYPE,
    ),
    Row(
        "RuntimeError",
        "expected scalar type (?P<one>\\w+) but found (?P<other>\\w+)",
        "Two tensors there hold different kinds of numbers, {one} and {other}.",
        "Make them the same, by `.float()` where it is not float.",
        mistake=Mistake.DTYPE,
    ),
    Row(
        "RuntimeError",
        "could not infer output dtype|mean\\(\\): .*dtype",
        "A mean of whole numbers is not defined in torch.",
        "Make it floating point first, by `.float()`.",
        mistake=Mistake.DTYPE,
    ),
    Row(
        "RuntimeError|IndexError",
        "tensors used as indices must be|only applicable to index tensor|Expected dtype int\\d+(?:/int64)? for index",
        "The `.values` there are the numbers themselves, and an index has to say where they are.",
        "Write `.indices` in the place of `.values`.",
        lambda crash, groups: {} if ".values" in crash.stop.part and len(crash.calls) > 0 else None,
        Mistake.DTYPE,
    ),
    Row(
        "RuntimeError|IndexError",
        "Expected dtype int\\d+(?:/int64)? for index|tensors used as indices must be|only applicable to index tensor",
        "An index has to be a tensor of whole numbers, such as the labels, and this one holds something else.",
        "Use the tensor that says where, or turn this one into whole numbers by `.long()`.",
        mistake=Mistake.DTYPE,
    ),
    Row(
        "RuntimeError|TypeError",
        "only supports boolean masks|only implemented on integer and Boolean",
        "A mask has to hold True and False, and this tensor holds numbers.",
        "Make a mask by comparing, as in `x > 0`.",
        mistake=Mistake.DTYPE,
    ),
    Row(
        "RuntimeError",
        "Class values must be smaller than num_classes",
        "A label is as large as `num_classes`, or larger: the classes are counted from 0.",
        "Take it from the variable that has a column for each class, by `.shape[1]`.",
    ),
    Row(
        "RuntimeError",
        "Class values must be non-negative",
        "A label is negative, and `one_hot` counts from 0 on.",
        "Print the labels that you pass to it.",
    ),
    # indices and axes
    Row(
        "IndexError",
        "index (?P<index>-?\\d+) is out of bounds for dimension (?P<axis>\\d+) with size (?P<size>\\d+)",
        "`{owner}` has {size} entries along axis {axis}, and the first of them is number 0: there is no number {index}.",
        "Count from 0: the last one is number {last}.",
        facts.counted,
    ),
    Row(
        "IndexError",
        "index (?P<index>-?\\d+) is out of bounds for dimension (?P<axis>\\d+) with size (?P<size>\\d+)",
        "`{owner}` has {size} entries along axis {axis}, and the index there asks for number {index}.",
        "The first index in the brackets goes along axis 0, the next along axis 1: is `{index_code}` in its place?",
        facts.index_tensor,
    ),
    Row(
        "IndexError",
        "index (?P<index>-?\\d+) is out of bounds for dimension (?P<axis>\\d+) with size (?P<size>\\d+)",
        "`{owner}` has {size} entries along axis {axis}, numbered 0 to {last}, and {index} is asked for.",
        "Let the loop or the index end where the variable does: use its `.shape[{axis}]`.",
        facts.subscript,
    ),
    Row(
        "IndexError|RuntimeError",
        "index (?P<index>-?\\d+) is out of bounds for dimension (?P<axis>\\d+) with size (?P<size>\\d+)",
        "Axis {axis} has {size} entries, and index {index} is asked for.",
        "Print the shapes in that line, and which of its axes the index goes along.",
    ),
    Row(
        "IndexError",
        "index out of range in self",
        "An index there is larger than the axis that it goes along.",
        "Print the largest index, and the shape of what it picks from.",
    ),
    Row(
        "IndexError",
        "Dimension out of range .*\\[(?P<low>-?\\d+), (?P<high>-?\\d+)\\], but got (?P<axis>-?\\d+)",
        "There is no axis {axis}: this tensor has axes 0 to {high}.",
        "Print its shape, and take the axis that you mean.",
        mistake=Mistake.AXIS,
    ),
    Row(
        "IndexError",
        "indexing tensors could not be broadcast together with shapes (?P<one>\\[\\d+\\]), (?P<other>\\[\\d+, .*?\\])",
        "The indices go together pair by pair, and these do not: the first has the shape {one}, and the second {other}.",
        "Give an index for each axis; or make the rows and the labels flat first, by `.view`; or use `F.one_hot`.",
        mistake=Mistake.SHAPE,
    ),
    Row(
        "IndexError",
        "indexing tensors could not be broadcast together with shapes (?P<one>\\[.*?\\]), (?P<other>\\[.*?\\])",
        "The indices of the axes go together pair by pair, and there are {one} of one and {other} of the other.",
        "Give as many row numbers as labels: `range(n)` and one label for each.",
        mistake=Mistake.SHAPE,
    ),
    Row(
        "IndexError",
        "too many indices",
        "There are more indices in the square brackets than the tensor has axes.",
        "Print its shape, and give at most one index for each axis.",
    ),
    Row(
        "IndexError",
        "only integers, slices.*got (?P<kind>\\w+)",
        "An index has to be a whole number, and this is one of the type `{kind}`.",
        "Divide with `//`, or give `int(…)`.",
    ),
    Row(
        "IndexError",
        "invalid index of a 0-dim tensor|list index out of range|tuple index out of range|string index out of range",
        "The square brackets ask for an entry that is not there.",
        "Print how long it is, by `len` or `.shape`, before that line.",
    ),
    Row(
        "KeyError",
        "^'?(?P<key>.*?)'?$",
        "The dictionary has no entry `{key}`.",
        "Print its keys, and compare the spelling.",
    ),
    # autograd and its tensors
    Row(
        "NotRight",
        "",
        "The cell calls `check` itself, and `check` stops where the answer is not right yet.",
        "Take that line out: the cell below has it.",
    ),
    Row("AutogradOff", "", AUTOGRAD, DERIVE, mistake=Mistake.AUTOGRAD),
    Row(
        "RuntimeError",
        "does not require grad|does not have a grad_fn|not have been used in the graph|can't retain_grad"
        "|cannot register a hook",
        AUTOGRAD,
        DERIVE,
        mistake=Mistake.AUTOGRAD,
    ),
    Row(
        "RuntimeError",
        "leaf Variable that requires grad",
        "The tensor is marked with `requires_grad`, and such a tensor cannot be changed in place.",
        "Leave `requires_grad` out: no gradient here comes from autograd.",
    ),
    Row(
        "RuntimeError",
        "numpy\\(\\) on Tensor that requires grad",
        "The tensor is marked with `requires_grad`, and cannot become an array of numpy.",
        "Stay in torch, and leave `requires_grad` out.",
    ),
    # one number and many
    Row(
        "RuntimeError|ValueError|TypeError",
        "cannot be converted to Scalar|only one element tensors|only integer tensors of a single element",
        "One number is wanted there, and the tensor has many entries.",
        "Pick one entry of it, or take a sum first.",
    ),
    Row(
        "RuntimeError",
        "Boolean value of Tensor with more than one value is ambiguous",
        "A tensor has many truth values, and `if`, `and`, `or` and `not` want one.",
        "Use `&`, `|` and `~` between masks in brackets, or `.any()` and `.all()`.",
    ),
    Row(
        "TypeError",
        "'float' object cannot be interpreted as an integer",
        "A whole number is wanted there, and `/` always gives a fraction.",
        "Divide with `//`.",
    ),
    Row(
        "ValueError|TypeError",
        "unpack",
        "The names on the left side and the values on the right side are not equally many.",
        "Print the right side, and give as many names as it has values.",
    ),
    Row(
        "TypeError",
        "iteration over a 0-d tensor",
        "Something there goes through the entries of a tensor that is one number, and has none to go through.",
        "Use the number as it is, without `sum(…)` or a loop.",
    ),
    Row(
        "TypeError",
        "'(?P<kind>.+?)' object is not iterable",
        "`for` wants something with many entries, and gets a value of the type `{kind}`.",
        "Count up to it with `range(…)`.",
    ),
    Row(
        "TypeError",
        "object of type '(?P<kind>.+?)' has no len|len\\(\\) of a 0-d tensor",
        "`len` counts entries, and this value has none to count.",
        "Print it: it is not what you expect.",
    ),
    Row(
        "ZeroDivisionError",
        "",
        "Something there is divided by the number 0.",
        "Print what stands below the line of the fraction: which size or count is 0?",
    ),
    Row("ValueError", "invalid literal for (?P<what>\\w+)\\(\\)", "That text is no number.", "Print it before that line."),
    Row(
        "AssertionError", "CUDA|cuda", "There is no graphics card here that torch can use.", "Leave out `.cuda()` and `.to(…)`."
    ),
    Row(
        "AssertionError",
        "",
        "An `assert` in the cell does not hold.",
        "Print both sides of it, or take it out: the check below says what is wrong.",
    ),
    # time, memory and depth
    Row(
        "RuntimeError|MemoryError|OutOfMemory",
        "can't allocate memory|Unable to allocate|^$",
        "It asks for more memory than there is: the shapes in that line make a huge tensor.",
        "Print the shapes before that line, and look for an axis that is stretched and should not be.",
        lambda crash, groups: {} if crash.message or crash.kind != "RuntimeError" else None,
    ),
    Row(
        "RecursionError",
        "",
        "A function calls itself, and never ends.",
        "Let it return at some point without a call of itself.",
    ),
    Row(
        "TooSlow|Interrupted|KeyboardInterrupt|OutOfTime",
        "",
        "It did not end in time.",
        "Look at its loops: do they go over more than they need, or never end?",
    ),
    # what is not Python
    Row("TabError", "", "The line is indented with tabs where others have spaces.", "Indent every line with four spaces."),
    Row(
        "IndentationError",
        "expected an indented block after .+? on line (?P<head>\\d+)",
        "Line {head} opens a block, and nothing below it is indented.",
        "Indent the lines that belong to it by four spaces.",
    ),
    Row(
        "IndentationError",
        "unexpected indent",
        "The line is indented, and no line above it opens a block.",
        "Take the spaces before it away.",
    ),
    Row(
        "IndentationError",
        "unindent does not match",
        "The line is indented by another number of spaces than the lines above it.",
        "Indent all lines of a block by the same four spaces.",
    ),
    Row(
        "SyntaxError",
        "'return' outside function",
        "`return` belongs in a function, and this is a cell: `{answer}` keeps its value without it.",
        "Delete the line with `return`.",
        facts.returned,
    ),
    Row(
        "SyntaxError",
        "'return' outside function",
        "`return` belongs in a function, and this is a cell.",
        "Give the answer its name instead: a line that begins with `{answer} = `.",
        lambda crash, groups: {"answer": crash.answer or "name"},
    ),
    Row("SyntaxError", "'(?P<word>\\w+)' outside", "`{word}` stands where Python does not allow it.", "Take it out of there."),
    Row(
        "SyntaxError",
        "'(?P<bracket>.)' was never closed",
        "The bracket `{bracket}` is opened there, and never closed.",
        "Close it where the expression ends.",
    ),
    Row(
        "SyntaxError",
        "unmatched '(?P<bracket>.)'",
        "There is a `{bracket}` that nothing opened.",
        "Count the brackets in that line, and take this one out or open it.",
    ),
    Row(
        "SyntaxError",
        "closing parenthesis '(?P<closing>.)' does not match opening parenthesis '(?P<opening>.)'",
        "`{opening}` is opened and `{closing}` closes it: these are two kinds of brackets.",
        "Close it with its own kind.",
    ),
    Row("SyntaxError", "expected ':'", "The line opens a block, and has no colon.", "Put a `:` at its end."),
    Row(
        "SyntaxError",
        "Maybe you meant '=='|cannot assign to",
        "One `=` gives a name a value, and what stands there is no name.",
        "Begin the line with a single name to give a value, or write `==` to compare.",
    ),
    Row(
        "SyntaxError",
        "unterminated|EOL while scanning|EOF while scanning",
        "A text begins with a quotation mark, and does not end.",
        "Put the same quotation mark at its end.",
    ),
    Row(
        "SyntaxError",
        "invalid (?:decimal|hexadecimal|octal|binary|imaginary) literal",
        "A number and a name stand together without a sign between them.",
        "Write the `*` between them.",
    ),
    Row(
        "SyntaxError",
        "invalid character '(?P<character>.)'",
        "Python does not know the character `{character}`.",
        "Write `{own}` in its place.",
        lambda crash, groups: {"own": SIGNS[groups["character"]]} if groups["character"] in SIGNS else None,
    ),
    Row(
        "SyntaxError",
        "invalid (?:non-printable )?character",
        "There is a character that is not Python's: it may look like one that is, or not be seen at all.",
        "Delete it, and type what belongs there.",
    ),
    Row(
        "SyntaxError",
        "Missing parentheses in call to '(?P<name>\\w+)'",
        "`{name}` is a function, and is called with brackets.",
        "Put brackets around what it is to show.",
    ),
    Row(
        "SyntaxError",
        "",
        "Three backticks stand around code in a text, such as a web page, and are not Python.",
        "Delete the lines that have them.",
        lambda crash, groups: {} if crash.line.startswith("```") else None,
    ),
    Row(
        "SyntaxError",
        "",
        "The line `YOUR CODE HERE` has lost its `#`, so Python reads it as code.",
        "Delete that line.",
        lambda crash, groups: {} if crash.line.startswith("YOUR CODE HERE") else None,
    ),
    Row(
        "SyntaxError",
        "",
        "`$` stands around a formula in a text, and is not Python.",
        "Delete every `$` in that line.",
        lambda crash, groups: {} if crash.line.startswith("$") or crash.line.endswith("$") else None,
    ),
    Row(
        "SyntaxError",
        "",
        "The line ends with `{sign}`, and nothing stands behind it.",
        "Write what belongs behind the `{sign}`, on the same line.",
        facts.ends_with_a_sign,
    ),
    Row(
        "SyntaxError",
        "",
        "Between `{one}` and `{two}` there is no sign, so Python cannot read the line.",
        "Write what belongs between them: a `*`, or a comma.",
        facts.multiplied,
    ),
    Row(
        "SyntaxError",
        "",
        "Python cannot read the line: {message}.",
        "Compare it with a line that works, sign by sign.",
        lambda crash, groups: {"message": crash.message.partition(", in line")[0].partition(" (<")[0]},
    ),
)
