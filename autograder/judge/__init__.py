"""Judging an answer: right, wrong, not attempted, or could not tell.

`judging` has the one loop over cases and the protocol of a kind of question; `kinds` has a module for each kind, and the table
of them. `outside` finds what in an answer fits the notebook's own minibatch only, and `crashes` says why code stopped with an
error. `comparison` holds a gradient against a reference, `values` an answer of any form against what is right, with `slips` for
what may be wrong with any value. `wording` has the words that all kinds share, `session` is what a notebook's kernel remembers:
forward passes, cells that ran, verdicts, and the backend that judges.

May import: `diagnosis` and below. It shows nothing: that is for `notebook`.
"""
