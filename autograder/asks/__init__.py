"""Asks: questions whose answers are no gradients, such as a table of counts or a function that samples.

`ask` reads an `%%ask` cell: what the answer is called, what its inputs look like, what may not be used. `inputs` draws inputs
by a table of kinds, smallest first. `observing` says how often an answer is called on them, and what of the results counts:
the values, or for random answers how often each came. `model` runs the instructor's own solution on the same inputs, with
`by_autograd` in place of a hand-written `backward`; `recorded` keeps what came of it in `cases.safetensors`, which is handed
out: numbers and sentences, no code.

May import: `course`, `replay`, `tape` and the root's modules.
"""
