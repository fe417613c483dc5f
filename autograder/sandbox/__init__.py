"""The room: where a student's code runs, with nothing of this machine in reach.

`room` builds one with bubblewrap and closes it; `view` says what can be seen from inside; `entry` is how a fork walks in;
`hardening` and `seccomp` are what it gives up on the way; `limits` are what it may use up, and how memory is counted;
`aftereffects` are what code leaves running or set in its process;
`forks` are forks that say what they failed with; `temporary` are folders that go with their process, or with the next run.

May import: the root's modules. It knows nothing of notebooks or tests.
"""
