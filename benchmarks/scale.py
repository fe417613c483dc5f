"""Writes docs/scale.md: a thousand submissions on this machine, ten thousand for the coordinator alone, and a projection."""

from __future__ import annotations

import heapq
import multiprocessing
import os
import random
import resource
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import psutil

from autograder.grading import pool
from autograder.grading.coordinator import Coordinator, Graded
from autograder.grading.course import Course
from autograder.grading.gradebook import Writer
from autograder.grading.notebook_job import GradedNotebook, NotebookJob, NotebookSetup
from autograder.grading.pool import Workers
from benchmarks.grading import students
from scripts import demo
from scripts.submissions import NOTEBOOKS, ROOT, hand_in
from tests.support.classes import inside

JOBS = 2
PART = 100
"""Submissions that are looked at together."""
MIB = 2**20
FEW, MANY, PROJECTED = 100, 10_000, 100_000
PROCESSORS = (2, 16, 64, 256, 1024)


def make_class(course: Path, count: int) -> None:
    """A course with so many submissions. Files that are equal are links to one."""
    demo.make_course(course, {})
    demo.nbgrader(course, "generate_assignment", "backprop")
    models: dict[object, Path] = {}
    for student, answers in students(count).items():
        folder = course / "submitted" / student / "backprop"
        if answers in models:
            shutil.copytree(models[answers], folder, copy_function=os.link)
        else:
            hand_in(folder, answers())
            models[answers] = folder


def grade(folder: Path, workers: Workers, tell: Callable[[Graded], object]) -> None:
    """Grades a class as `autograder grade` does."""
    with inside(folder):
        course = Course("backprop")
        assignments = course.assignments(["*"])
        with course.gradebook() as gradebook:
            writer = Writer(gradebook, course.assignment, course.penalties)
        with closing(writer):
            Coordinator(course, assignments, writer, workers, True, tell).grade(course.students(["*"]))


class Meter:
    """Remembers for each part of a class how long it took, and the most memory that was seen: own, and of all together."""

    def __init__(self) -> None:
        self.parts: list[tuple[float, float, float]] = []
        self.stages: list[float] = []
        self._most = (0.0, 0.0)
        self._began = time.monotonic()

    def add(self, graded: Graded) -> None:
        """One more submission is done."""
        self.stages.append(sum(graded.seconds.values()))
        if len(self.stages) % PART == 0:
            now = time.monotonic()
            self.parts.append((now - self._began, *self._most))
            self._began, self._most = now, (0.0, 0.0)
            print(len(self.stages), *(f"{each:.0f}" for each in self.parts[-1]), flush=True)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Looks once a second."""
        ended = threading.Event()
        thread = threading.Thread(target=lambda: [self._look() for _ in iter(lambda: ended.wait(1), True)])
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _look(self) -> None:
        here = psutil.Process()
        own = total = here.memory_info().rss / MIB
        for child in here.children(recursive=True):
            try:
                memory = child.memory_info()
            except psutil.NoSuchProcess:
                continue
            total += (memory.rss - memory.shared) / MIB
        self._most = max(self._most[0], own), max(self._most[1], total)


class Canned(Executor):
    """Has the outcome of each notebook at hand."""

    def __init__(self, outcomes: Mapping[str, GradedNotebook]) -> None:
        self._outcomes = outcomes

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        job: NotebookJob = args[0]
        future = Future[Any]()
        future.set_result(self._outcomes[NotebookSetup.of(job.assignment).notebook])
        return future


def coordinate(folder: Path, outcomes: Mapping[str, GradedNotebook], results: Any) -> None:
    """The coordinator's own work on a class: seconds, and the most memory that its process has had."""
    began = time.monotonic()
    grade(folder, Workers(Canned(outcomes), lambda: 64), lambda graded: None)
    results.put((time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def alone(folder: Path, count: int, outcomes: Mapping[str, GradedNotebook]) -> tuple[float, float]:
    """The same in a process of its own, so that its memory is its own."""
    make_class(folder, count)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=coordinate, args=(folder, outcomes, results))
    process.start()
    found: tuple[float, float] = results.get()
    process.join()
    shutil.rmtree(folder)
    return found


def one_outcome_each(folder: Path) -> dict[str, GradedNotebook]:
    """What becomes of a perfect submission."""
    found: dict[str, GradedNotebook] = {}
    make_class(folder, 2)

    class Kept(Executor):
        def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future = Future[Any]()
            outcome = pool.grade_notebook(args[0])
            found[NotebookSetup.of(args[0].assignment).notebook] = outcome
            future.set_result(outcome)
            return future

    grade(folder, Workers(Kept(), lambda: 1), lambda graded: None)
    pool.close()
    return found


def projected(services: Sequence[float], coordinator: float, processors: int, count: int) -> float:
    """Hours for so many submissions: each goes to the first free processor, and each needs the one coordinator in turn."""
    generator = random.Random(0)
    free = [0.0] * processors
    sent = end = 0.0
    for _ in range(count):
        sent = max(sent + coordinator, heapq.heappop(free))
        done = sent + generator.choice(services)
        heapq.heappush(free, done)
        end = max(end, done)
    return end / 3600


@click.command()
@click.option("--count", default=1000, show_default=True, help="Submissions that are graded for real.")
@click.option("--many", default=MANY, show_default=True, help="Submissions for the coordinator alone.")
def main(count: int, many: int) -> None:
    """Measures, and projects."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        outcomes = one_outcome_each(place / "one")
        few_seconds, few_memory = alone(place / "few", FEW, outcomes)
        many_seconds, many_memory = alone(place / "many", many, outcomes)
        print(
            f"coordinator: {few_seconds:.1f} s, {few_memory:.0f} MiB; {many_seconds:.1f} s, {many_memory:.0f} MiB", flush=True
        )
        make_class(place / "class", count)
        meter = Meter()
        began = time.monotonic()
        with meter.watching(), pool.started(JOBS) as workers:
            grade(place / "class", workers, meter.add)
        seconds = time.monotonic() - began
    service = JOBS * seconds / count
    scale = service / statistics.mean(meter.stages)
    services = [scale * each for each in meter.stages]
    each = (many_seconds - few_seconds) / (many - FEW)
    text = PAGE.format(
        count=count,
        notebooks=len(NOTEBOOKS),
        jobs=JOBS,
        minutes=seconds / 60,
        parts="\n".join(
            f"| {PART * number + 1} to {PART * (number + 1)} | {took / PART:.2f} | {own:.0f} | {total:.0f} |"
            for number, (took, own, total) in enumerate(meter.parts)
        ),
        few=FEW,
        many=many,
        few_memory=few_memory,
        many_memory=many_memory,
        each=1000 * each,
        service=service,
        projected=PROJECTED,
        rows="\n".join(
            f"| {processors} | {projected(services, each, processors, PROJECTED):.1f} |" for processors in PROCESSORS
        ),
        most=service / each,
    )
    (ROOT / "docs" / "scale.md").write_text(text, encoding="utf-8")
    print(text)


PAGE = """# From a class to a hundred thousand

## One machine

`autograder grade backprop` needs nothing but the course. It takes as many notebooks at once as there are processors, or
`--jobs`.

`make scale` graded a mixed class of {count} submissions of {notebooks} notebooks on a shared machine of two cores,
{jobs} notebooks at once, in {minutes:.0f} minutes:

| submissions | seconds for each | MiB, coordinator | MiB, all processes |
|---|---|---|---|
{parts}

In the last column memory that forks have in common counts once for each of them:
it shows that nothing grows, not what is taken.

Submissions stream: when a record is written, nothing of it is left in memory but a line of the summary. The coordinator alone,
with outcomes that are at hand, took at most {few_memory:.0f} MiB for {few} submissions and {many_memory:.0f} MiB for
{many:,}, and {each:.0f} ms for each.

## A cluster

Workers are dask workers. Notebooks and results travel as bytes: a worker needs no shared disk, no course and no gradebook.
It needs Linux, bubblewrap, and the same version of this package:

```sh
sudo apt-get install bubblewrap
pip install --constraint constraints.txt '.[cluster]'
dask worker tcp://SCHEDULER:8786 --nthreads 4   # notebooks at once: as many as processors
```

And where the gradebook is:

```sh
dask scheduler
autograder grade backprop --scheduler tcp://SCHEDULER:8786
```

Before any work is sent, every worker is asked whether it can build a room. One that cannot says why, and nothing is sent to
any. A worker that dies loses what it was doing, and another one does it. If the scheduler dies, the command ends and says so;
what was graded is kept, and the next run goes on with the rest.

Connections of dask are neither encrypted nor authenticated unless you configure its TLS. Who reaches the scheduler can run
code on the workers, and what is sent to them has the hidden tests: keep the cluster in a network of its own.

### SLURM

[dask-jobqueue](https://jobqueue.dask.org) submits workers as jobs:

```python
from dask_jobqueue import SLURMCluster

cluster = SLURMCluster(queue="PARTITION", cores=16, processes=1, memory="48GB", walltime="02:00:00")
cluster.scale(jobs=8)
print(cluster.scheduler_address)  # for --scheduler
input("Enter ends the workers.")
```

It needs `pip install dask-jobqueue` where jobs are submitted; the environment on a disk that all nodes see, or in a container;
on the nodes bubblewrap, and namespaces for ordinary users: docs/security.md has the switches. Three GB for each core are
plenty. A job that reaches its walltime is a worker that dies, and costs what it was doing.

### Kubernetes

The operator of [dask-kubernetes](https://kubernetes.dask.org) keeps a scheduler and workers as pods: `KubeCluster` of
`dask_kubernetes.operator` takes a name, an image and how many workers, and its `scheduler_address` is what `--scheduler` takes,
through the service or a forwarded port. This was not run here.

It needs the operator in the Kubernetes cluster, as its documentation installs it; an image with this package and bubblewrap;
and pods that may make namespaces, which most may not: a `securityContext` with an unconfined seccomp profile and an unmasked
`/proc` where pods have user namespaces, or nodes of their own for pods with `SYS_ADMIN`. A pod that may not says so at the
start. The memory limit of a pod is for all students on it: keep it above `c.Examine.memory` times the notebooks at once.

### What was run

In the test suite, on one machine: a scheduler with two workers in separate folders, one of which is killed midway; the commands
above; and, with `make test-long`, the lines for SLURM, in a SLURM of one node.

## A projection

A submission takes {service:.2f} s of one processor, by the thousand above. With the coordinator's {each:.0f} ms for each, which
nothing shares, {projected:,} submissions take, simulated with the times that single ones took:

| processors | hours |
|---|---|
{rows}

Beyond about {most:.0f} processors it is the one coordinator that is waited for.
"""


if __name__ == "__main__":
    main()
