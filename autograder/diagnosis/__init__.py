"""Which mistake was made in a wrong answer.

`evidence` is a wrong answer with all that a mistake in it may be made of, `constants` are the numbers that it may be off by,
and `budget` is for how long it is looked for; `probes` and `shapes` are what well-known mistakes would give, by values and by
shape, and `variants` what another line of the forward pass would; `operators` are small changes of code, `slips` such as are
two of them at once, and `repair` looks for the one that makes an answer right. `diagnose` asks them in order: what it names
gives exactly the answer that was seen, since a wrong cause is worse than none.

May import: `course` and below.
"""
