"""A class in nbgrader's gradebook.

`restore` and `examine` are nbgrader preprocessors: structure put back from the gradebook, and the student's cells run
in rooms; `preprocessors` are nbgrader's own, made to work without a gradebook. `salvage` reads malformed notebooks,
`master` is a notebook as the instructor made it, `setup` says what a configuration lacks, `outputs` and `sanitise`
make records and feedback, and `feedback` a page of it that everybody can read. `bounds` says how much may be handed in,
and `exporter` keeps nbgrader's own command to that;
`disk` is about a full one. `classroom` is `autograder grade`: `course` says what there is, `coordinator` sends each
`submission` (`folders`) as jobs (`notebook_job`) to a `pool` of processes (started by `launch`) or a cluster, where
`conversion` does what nbgrader's converter does, and one writer (`gradebook`) takes down the marks. `summary` is
`autograder report`, of what `standing` reads off the records. `flags` are places to look at.

May import: `forkserver` and below, and nbgrader.
"""
