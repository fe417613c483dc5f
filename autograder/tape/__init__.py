"""A forward pass that knows its own gradients.

`tape` records the lines of a `%%forward` cell: every intermediate, the lines that read it, its reference gradient and the
vector-Jacobian product of any step. `objects` looks into layers that stand in a line, and copies them. `cases` draws what an
answer is judged on (a consistent forward state and random incoming gradients) and computes the right answer there, in float64
and in float32.

May import: the root's modules and torch.
"""
