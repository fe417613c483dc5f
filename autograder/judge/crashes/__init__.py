"""Why code stopped with an error, in a sentence, and the next step.

`crash` is an error with what is known around it, `facts` are what can be asked of one, `table` says what is said of which, and
`explain` finds the first row that fits.

May import: `replay` and below.
"""
