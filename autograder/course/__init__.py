"""What a course is made of: notebook files, their cells, and what stands beside them.

`cells` has the one type for a cell, and is the one reader and writer of nbgrader's metadata; `notebooks` reads files and
has the form in which they are committed. `reading` says what a file is that is no notebook; `splits` joins answers that
were split. `questions` are what tests ask for, with the model answers to them; `catalogue` knows the assignments and hands
them out; `new_exercise` makes an instructor's notebook from forward lines; `lesson` reads `lesson.toml`, `objectives` reads
what one can do afterwards, and `order` the place in the course, which stand there too; `names` and `dataset` are the lists of
names and the examples made from them.

May import: `replay` and below. Nothing of nbgrader: learners have none.
"""
