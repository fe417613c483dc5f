"""The messages of a real exam, in `conversation.bin`: `python -m tests.support.fuzzing.conversation` records them anew."""

from __future__ import annotations

import gc
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

HEADER = struct.Struct(">QQ")
FRAMES = Path(__file__).with_suffix(".bin")
RECORD = Path(gettempdir(), "autograder-frames")
"""Where frames are recorded. A room has no such folder."""
MOST_BYTES = 4096
"""Longer frames are left out."""

Frame = tuple[bytes, bytes]
"""The text of a message, and its blob."""


def frames(content: bytes) -> Iterator[Frame]:
    """The messages that a connection carries."""
    place = 0
    while place < len(content):
        text, blob = HEADER.unpack_from(content, place)
        place += HEADER.size
        yield content[place : place + text], content[place + text : place + text + blob]
        place += text + blob


def packed(frame: Frame) -> bytes:
    text, blob = frame
    return HEADER.pack(len(text), len(blob)) + text + blob


def main() -> None:
    """A fork server whose examiners record what they send and receive."""
    gc.disable()
    from autograder.examiner import channel
    from autograder.forkserver import server

    def keep(frame: Frame) -> None:
        with suppress(OSError), (RECORD / "frames").open("ab") as file:
            file.write(packed(frame))

    encode, decode = channel.encode, channel.decode

    def encode_and_keep(*args: object) -> Frame:
        frame: Frame = encode(*args)  # type: ignore[arg-type]
        keep(frame)
        return frame

    def keep_and_decode(text: bytes, blob: bytes, *rest: object) -> object:
        keep((text, blob))
        return decode(text, blob, *rest)  # type: ignore[arg-type]

    channel.encode, channel.decode = encode_and_keep, keep_and_decode  # type: ignore[assignment]
    server.start()


def record() -> None:
    """Holds an exam with all kinds of questions, and keeps one message of each form."""
    from tests.examiner.test_examiner import ExamRunner, locked, student, test
    from tests.support.fuzzing import conversation

    RECORD.mkdir()
    try:
        with TemporaryDirectory() as folder:
            run = ExamRunner(Path(folder))
            run.grader.program = conversation
            cells = [
                locked("%load_ext autograder\nimport torch\nfrom autograder import check, grade, progress\nn = 3"),
                locked("X = torch.arange(6.).reshape(n, 2)\nW = torch.ones(2, 2)"),
                locked("%%forward --batch n X\nz = X @ W\nh = torch.tanh(z)\nloss = h.mean()"),
                student("dh = torch.ones(n, 2) / (2 * n)\ncheck('dh')", "dh"),
                test("grade('dh')"),
                student("dz = dh * (1 - h**2)\nprint('half', '\\ud83d')\n1 / 0", "dz"),
                test("grade('dz')"),
                student("def double(x):\n    x[0] += 1\n    return {'twice': 2 * x, 'x': [x, (1, None)]}\nnumber = 5"),
                student(
                    "class Tally:\n    total = 0\n    def __call__(self, by):\n        return by(self.total)\ntally = Tally()"
                ),
                test("import numpy as np\na = [np.ones(2)]\nassert double(a[0])['x'][0] is a[0]"),
                test("assert tally(lambda total: total + number) == 5\ntally.total = 3\nprint(tally, len([*tally.__dict__]))"),
                test("assert str(tally) and tally.total == 3 and double(torch.ones(2, 2).bool() + 0j) is not None"),
                test("assert number == 5\nassert double(slice(1, 2))"),
                test("seen = [1]\nassert number == 5", "assert number > 4"),
                student("print(seen)"),
                locked("%%ask\nP(k: size[2, 5], x: real[k, 2])"),
                student("P = {'sum': x.sum(), 'names': ['a' * 2000, b'bytes', {k}, frozenset({1.5}), range(k), ..., 1j]}", "P"),
                test("grade('P')"),
                student("import matplotlib.pyplot as plt\n_ = plt.figure(figsize=(0.2, 0.2))\nprogress()"),
            ]
            models = {"P": cells[-3].source}
            for plain in (False, True):
                run(*cells, plain=plain, models=models)
            run.grader.close()
        found = {}
        for text, blob in frames((RECORD / "frames").read_bytes()):
            form = text.translate(None, b"0123456789")[:200], bool(blob)
            if len(text) + len(blob) <= MOST_BYTES:
                found.setdefault(form, (text, blob))
        FRAMES.write_bytes(b"".join(map(packed, found.values())))
        print(f"{len(found)} messages, {FRAMES.stat().st_size:,} bytes")
    finally:
        for path in RECORD.iterdir():
            path.unlink()
        RECORD.rmdir()


if __name__ == "__main__":
    import sys

    main() if len(sys.argv) > 1 else record()
