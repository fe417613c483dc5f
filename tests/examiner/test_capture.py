"""What cells show is recorded as a kernel would."""

from __future__ import annotations

import re
import struct
from base64 import b64decode
from pathlib import Path
from typing import Any

import nbclient
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.examiner.capture import Recorder
from autograder.examiner.exam import MARGIN_BYTES, messages_of
from tests.examiner.test_examiner import ExamRunner, student
from tests.support.rooms import linux

pytestmark = linux


CELLS = (
    "1 + 1",
    "x = 3",
    "x;",
    "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('three', end='')\nprint()",
    "print('before')\nx",
    "_ + 1, __, Out[1], In[2]",
    "def f():\n    return 1 / 0\nf()",
    "print('so far')\nraise ValueError('no')",
    "class Odd(Exception):\n    pass\nraise Odd('odd')",
    "x =",
    "  indented = 1\nif True:\npass",
    "assert x == 4, f'{x=}'",
    "raise KeyboardInterrupt",
    "from IPython.display import HTML, Markdown, clear_output, display\ndisplay(HTML('<b>b</b>'), Markdown('*m*'))",
    "handle = display('old', display_id='here')\nprint('between')\nhandle.update('new')",
    "from IPython.display import update_display\nupdate_display('newer', display_id='here')",
    "print('gone')\nclear_output()\nprint('there')",
    "print('gone')\nclear_output(wait=True)\nprint('there')",
    "print('stays')\nclear_output(wait=True)",
    "display({'application/json': {'a': 1}, 'text/plain': 'a'}, raw=True, metadata={'m': 1})",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([0, 1]);",
    "plt.imshow([[0, 1]])\nplt.title('t')",
    "fig, ax = plt.subplots()\nax.plot([1, 2])\nplt.show()\nprint('after')",
    "plt.gcf().set_size_inches(2, 1)\nplt.plot([1])\nplt.close()",
    "input('name? ')",
    "import getpass\ngetpass.getpass()",
    "!echo a shell",
    "files = !echo listed\nfiles",
    "%%bash\necho bash\necho also >&2",
    "%time sum(range(10))",
    "%%capture out\nprint('captured')",
    "out.stdout",
    "%lsmagic_of_no_kind",
    "%%nothing\nx",
    "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')",
    "async def g():\n    return 5\nawait g()",
    "import warnings\nwarnings.warn('careful')",
    "import threading\nt = threading.Thread(target=lambda: print('from a thread'))\nt.start()\nt.join()",
    "import torch\ntorch.arange(3.0), torch.zeros(2, requires_grad=True)",
    "import numpy as np\nnp.eye(2)",
    "class Shown:\n    def _repr_html_(self): return '<i>'\n    def __repr__(self): return 'plain'\nShown()",
    "class Broken:\n    def __repr__(self): raise ValueError('no repr')\nBroken()",
    "x?",
    "len??",
    "print(*'abc', sep='\\n', flush=True)\nsys.stdout.write('w')",
    "1\n2\n3",
    "# only a comment",
    "'\\x1b[31mred\\x1b[0m'",
    "print('é ✗ 𝄞')",
    "sys.exit(3)",
    "raise SystemExit",
    "%%writefile kept.txt\ncontent",
    "%pycat kept.txt",
    "%who_ls int",
    "def h(n):\n    return h(n - 1) if n else 1 / 0\nh(3)",
    "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e",
    "display()",
    "display(1, 2)",
    "get_ipython().execution_count, len(In)",
    "x",
)


def plain(text: str) -> str:
    """Without colours, times, and the names that cells have as files."""
    text = re.sub(r"\x1b\[[\d;]*m", "", text).replace("\r\n", "\n")
    text = re.sub(r"/\S*ipykernel_\d+/\d+\.py|<ipython-input-\S+?>|\b\d{6,}\.py", "CELL", text)
    return re.sub(r"0x[0-9a-f]+|[\d.e+]+ [nµμm]?s\b", "N", text)


def comparable(outputs: list[Any]) -> list[Any]:
    """A kernel sends its streams one after the other, and shows some lines of a traceback more or less."""
    found: list[Any] = []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            if not (found and found[-1][0] == kind):
                found.append([kind, {}])
            streams = found[-1][1]
            streams[output["name"]] = streams.get(output["name"], "") + plain(output["text"])
        elif kind == "error":
            ends = [plain(line) for line in "\n".join(output["traceback"]).split("\n")]
            found.append([kind, output["ename"], plain(output["evalue"]), ends[0], ends[-1]])
        else:
            data = {key: value if key != "image/png" else size(value) for key, value in output["data"].items()}
            found.append([kind, output.get("execution_count"), data, output["metadata"]])
    return found


def size(png: str) -> tuple[int, ...]:
    """Pixels of a picture."""
    data = b64decode(png)
    assert data.startswith(b"\x89PNG")
    return struct.unpack(">II", data[16:24])


@pytest.mark.filterwarnings("ignore")  # a kernel's own
def test_the_record_is_that_of_a_kernel(examine: ExamRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    cells = list(CELLS)
    notebook = new_notebook(cells=[new_code_cell(source) for source in cells])
    client = nbclient.NotebookClient(notebook, timeout=120, allow_errors=True, kernel_name="python3")
    client.execute(cwd=str(tmp_path))
    ours = examine(*map(student, cells)).outputs
    wrong = []
    for source, cell, outputs in zip(cells, notebook.cells, ours, strict=True):
        theirs, found = comparable(cell.outputs), comparable(outputs)
        if theirs != found:
            wrong.append(f"{source!r}\n kernel: {theirs}\n here:   {found}")
    assert not wrong, "\n".join(wrong)


def test_streams_come_in_the_order_in_which_they_were_written(examine: ExamRunner) -> None:
    source = "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('three')\n4"
    outputs = examine(student(source)).outputs[0]
    shown = [output.get("name", output["output_type"]) for output in outputs]
    assert shown == ["stdout", "stderr", "stdout", "execute_result"]


def test_what_is_written_past_python_is_there_too(examine: ExamRunner) -> None:
    source = "import os, sys\nprint('first')\nos.write(1, b'low\\n')\nos.write(2, b'error\\n')\n_ = os.system('echo system')"
    told = examine(student(source), student("print('next')"))
    assert told.shown(0) == "first\nlow\nsystem\n"
    assert told.shown(0, "stderr") == "error\n"
    assert told.outputs[1] == [{"output_type": "stream", "name": "stdout", "text": "next\n"}]


def test_bytes_that_are_no_text_are_shown_all_the_same(examine: ExamRunner) -> None:
    assert examine(student("import os\n_ = os.write(1, b'a\\xff')"), student("!printf 'a\\\\377'")).errors() == ["", ""]


def test_a_thread_that_prints_later_prints_into_the_cell_that_runs(examine: ExamRunner) -> None:
    source = "import threading\ngo = threading.Event()\n"
    source += "def late():\n    go.wait(10)\n    print('late')\nt = threading.Thread(target=late)\nt.start()"
    told = examine(student(source), student("go.set()\nt.join()"))
    assert [told.shown(0), told.shown(1)] == ["", "late\n"]


@pytest.mark.parametrize("source", ["exit()", "quit", "import sys\nsys.exit(3)", "raise SystemExit", "import os\nos.abort"])
def test_a_polite_exit_ends_the_cell_alone(examine: ExamRunner, source: str) -> None:
    told = examine(student("x = 1"), student(source), student("x"))
    assert told.outputs[2][0]["data"] == {"text/plain": "1"}
    assert told.notes == []


def test_a_command_of_the_shell_that_fails_leaves_its_code(examine: ExamRunner) -> None:
    told = examine(student("!exit 3\nprint('on')\n_exit_code"), student("!nothing_of_this_name"))
    assert told.shown(0) == "on\n"
    assert told.outputs[0][-1]["data"] == {"text/plain": "3"}
    assert "not found" in told.shown(1)
    assert told.errors() == ["", ""]


def test_hooks_of_one_cell_do_not_see_the_next_ones(examine: ExamRunner) -> None:
    hook = "shell = get_ipython()\nshell.events.register('post_run_cell', lambda result: print('after', result.result))"
    told = examine(student(hook), student("7"))
    assert [told.shown(0), told.shown(1)] == ["after None\n", ""]


class TestRecorder:
    @pytest.fixture
    def recorder(self) -> Recorder:
        recorder = Recorder()
        recorder.begin(1000)
        return recorder

    def test_pieces_of_a_stream_are_one_message(self, recorder: Recorder) -> None:
        for _ in range(3):
            recorder.write("stdout", "a")
        recorder.write("stderr", "b")
        recorder.write("stdout", "c")
        texts = [(message["content"]["name"], message["content"]["text"]) for message in recorder.end()]
        assert texts == [("stdout", "aaa"), ("stderr", "b"), ("stdout", "c")]
        assert not recorder.cut

    def test_text_beyond_the_limit_is_cut_off(self, recorder: Recorder) -> None:
        recorder.write("stdout", "x" * 999)
        recorder.write("stderr", "yyy")
        recorder.write("stdout", "z")
        assert [len(message["content"]["text"]) for message in recorder.end()] == [999, 1]
        assert recorder.cut

    def test_the_limit_is_one_of_bytes(self, recorder: Recorder) -> None:
        recorder.write("stdout", "█" * 400)
        ((message,), cut) = recorder.end(), recorder.cut
        assert (message["content"]["text"], cut) == ("█" * 333, True)
        messages, size = messages_of([message], 1020 - MARGIN_BYTES)
        assert (messages, size) == ([message], 999 + len('{"name": "stdout"}'))

    def test_a_display_beyond_the_limit_is_left_out_and_a_smaller_one_kept(self, recorder: Recorder) -> None:
        recorder.send(None, "display_data", {"data": {"text/plain": "x" * 2000}})
        recorder.send(None, "display_data", {"data": {"text/plain": "x"}})
        assert [message["content"]["data"]["text/plain"] for message in recorder.end()] == ["x"]
        assert recorder.cut

    def test_what_is_shown_is_plain_data(self, recorder: Recorder) -> None:
        class Name(str):
            pass

        recorder.send(None, "display_data", {"data": {"text/plain": Name("x"), "application/json": {"a": (1, Path("p"))}}})
        data = recorder.end()[0]["content"]["data"]
        assert data == {"text/plain": "x", "application/json": {"a": [1, "p"]}}
        assert type(data["text/plain"]) is str

    def test_an_error_is_kept_whatever_was_shown(self, recorder: Recorder) -> None:
        recorder.write("stdout", "x" * 2000)
        recorder.send(None, "error", {"ename": "E", "evalue": "v", "traceback": ["t" * 2000]})
        assert [message["msg_type"] for message in recorder.end()] == ["stream", "error"]

    def test_a_cell_begins_with_nothing(self, recorder: Recorder) -> None:
        recorder.write("stdout", "x" * 2000)
        recorder.end()
        recorder.begin(10)
        assert not recorder.cut
        recorder.write("stdout", "y")
        assert recorder.end() == [{"msg_type": "stream", "content": {"name": "stdout", "text": "y"}}]

    def test_many_small_pieces_are_put_together_fast(self, recorder: Recorder) -> None:
        recorder.begin(10**7)
        for _ in range(200_000):
            recorder.write("stdout", "x")
        assert len(recorder.end()[0]["content"]["text"]) == 200_000
