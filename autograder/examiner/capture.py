"""A notebook's shell without a kernel: what cells show is recorded in the messages that a kernel would send."""

from __future__ import annotations

import ast
import builtins
import getpass
import io
import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, NoReturn

import torch
from ipykernel import zmqshell
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.error import StdinNotImplementedError
from jupyter_client.jsonutil import json_clean
from jupyter_client.session import Session
from matplotlib import pyplot
from numpy import ndarray
from torch import Tensor
from traitlets.config import Config

from autograder.examiner.exam import Message
from autograder.text import bytes_of, json_data

LARGE_RESULT = 2**22
"""Bytes of a result beyond which `Out` and `_` do not keep it: each would take memory from all cells below."""
QUIET_CONFIG = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"autoindent": False}})
"""No history: IPython writes it to disk in a thread, which a fork does not have."""


class Recorder(Session):
    """Keeps the messages of one cell, up to a number of bytes; `cut` says whether there were more."""

    def begin(self, largest: int) -> None:
        """Starts the record of a cell that may show `largest` bytes."""
        self.messages: list[Message] = []
        self.left = largest
        self.cut = False

    def msg(self, msg_type: str, content: Message | None = None, *_: Any, **__: Any) -> Message:
        return {"msg_type": msg_type, "content": content or {}}

    def send(self, stream: object, msg_or_type: Message | str, content: Any = None, *_: Any, **__: Any) -> None:
        """Called by the shell, with a message or with its type and content."""
        message = self.msg(msg_or_type, content) if isinstance(msg_or_type, str) else msg_or_type
        try:
            text = json.dumps(message["content"], default=_data)
        except TypeError:  # keys that JSON does not have, which a kernel turns into text
            text = json.dumps(json_clean(message["content"]), default=_data)
        size = len(text)
        if size > self.left and message["msg_type"] != "error":
            self.cut = True
            return
        self.left -= size
        # plain data, as a kernel sends
        self.messages.append({"msg_type": str(message["msg_type"]), "content": json_data(json.loads(text))})

    def write(self, name: str, text: str) -> None:
        """Records text for a stream. Pieces in a row become one message, until a message of another kind comes."""
        size, left = bytes_of(text), max(self.left, 0)
        if size > left:
            self.cut, text = True, text.encode(errors="surrogatepass")[:left].decode(errors="ignore")
        if not text:
            return
        self.left -= size
        last = self.messages[-1] if self.messages else None
        if last is not None and last["msg_type"] == "stream" and last["content"]["name"] == name:
            last["content"]["pieces"].append(text)
        else:
            self.messages.append({"msg_type": "stream", "content": {"name": name, "pieces": [text]}})

    def end(self) -> list[Message]:
        """The messages since `begin`."""
        messages, self.messages = self.messages, []
        for message in messages:
            if message["msg_type"] == "stream":
                message["content"] = {"name": message["content"]["name"], "text": "".join(message["content"]["pieces"])}
        return messages


@dataclass
class Shell:
    """A shell that records what cells show, with the notebook's names.

    `files` are the descriptors, by the names of their streams, to which the process itself writes: what a library of C or a
    child process prints does not pass through Python's streams. `ended` is how many statements of the last cell have ended,
    of those at its top level.
    """

    shell: ZMQInteractiveShell
    recorder: Recorder = field(default_factory=Recorder)
    files: dict[str, int] = field(default_factory=dict)
    ended: int = 0

    @property
    def names(self) -> dict[str, Any]:
        names: dict[str, Any] = self.shell.user_ns
        return names

    def hooks(self) -> list[list[Any]]:
        """The lists of what IPython calls with each cell: its events, and what changes the lines or the tree of a cell."""
        shell = self.shell
        lines = shell.input_transformers_cleanup, shell.input_transformers_post
        return [*shell.events.callbacks.values(), *lines, shell.ast_transformers]

    def take_streams(self) -> None:
        """From now on, records what is printed."""
        sys.stdout, sys.stderr = (OutStream(self.recorder, name) for name in ("stdout", "stderr"))

    def run(
        self, source: str, id: str | None, count: int, largest: int, statements: int | None = None
    ) -> tuple[list[Message], BaseException | None, bool]:
        """Runs a cell, or its first `statements` only.

        Gives its messages, at most `largest` bytes, the error that stopped it, and whether it showed more.
        """
        self.shell.execution_count = count
        self.recorder.begin(largest)
        self.ended = 0
        with self._first(statements):
            result = self.shell.run_cell(source, store_history=True, cell_id=id)  # type: ignore[no-untyped-call]
        self._forget_if_large(count)
        for name, descriptor in self.files.items():
            text, is_all = _written(descriptor, max(self.recorder.left, 0))
            self.recorder.write(name, text)
            self.recorder.cut |= not is_all
        return self.recorder.end(), result.error_before_exec or result.error_in_exec, self.recorder.cut

    def forget(self) -> None:
        """Lets go of what IPython keeps of cells that ran: their results (`Out`, `_`), and the last error with its frames."""
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            vars(sys).pop(name, None)
        self.shell.last_execution_result = None
        self.shell.InteractiveTB.tb = None
        self.shell.push(dict.fromkeys(("_", "__", "___"), ""), interactive=False)
        self.shell.displayhook.flush()  # it collects garbage too

    def _forget_if_large(self, count: int) -> None:
        """Lets go of a large result of a cell. Where it is bound to a name, it stays under that one."""
        results = self.shell.history_manager.output_hist
        if type(results) is dict and _size(results.get(count)) > LARGE_RESULT:
            del results[count]
            for names in (self.names, self.shell.user_ns_hidden):
                names.pop(f"_{count}", None)
            self.shell.displayhook._ = ""
            self.shell.push({"_": ""}, interactive=False)

    @contextmanager
    def _first(self, statements: int | None) -> Iterator[None]:
        """Inside, cells end after so many statements; None for all."""
        transformers = self.shell.ast_transformers
        first = [] if statements is None else [FirstStatements(statements)]
        transformers += first
        try:
            yield
        finally:
            transformers[:] = [each for each in transformers if each not in first]

    def count_statements(self) -> None:
        """From now on, counts the statements that have ended. One that runs a cell is one statement."""
        run_code = self.shell.run_code
        depth = 0

        async def run(*args: Any, **kwargs: Any) -> bool:
            nonlocal depth
            depth += 1
            try:
                stopped: bool = await run_code(*args, **kwargs)
            finally:
                depth -= 1
            self.ended += not (stopped or depth)
            return stopped

        self.shell.run_code = run


class FirstStatements(ast.NodeTransformer):
    """Leaves out all but the first statements of a cell."""

    def __init__(self, count: int) -> None:
        self._count = count

    def visit_Module(self, node: ast.Module) -> ast.Module:
        del node.body[self._count :]
        return node


class Unkept(dict[Any, Any]):
    """Takes the place of a history of IPython's, and keeps nothing: a cell that prints for ever would fill the memory."""

    def __missing__(self, key: object) -> list[object]:
        return []

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def setdefault(self, key: object, default: Any = None) -> Any:
        return default


def start_shell(ipython_dir: str) -> Shell:
    """Makes the one shell of this process, and takes over its output streams, input and display."""
    config = Config(QUIET_CONFIG)
    shell = ZMQInteractiveShell.instance(config=config, ipython_dir=ipython_dir, kernel=SimpleNamespace(eventloop=None))
    shell.enable_gui = lambda gui=None: None  # no event loop: figures are drawn when a cell ends
    shell.enable_matplotlib("inline")
    pyplot.uninstall_repl_displayhook()  # it would draw every figure a second time, for no reader
    for name in ("outputs", "exceptions", "output_hist_reprs"):  # what cells showed, which the recorder has
        setattr(shell.history_manager, name, Unkept())
    recording = Shell(shell)
    recording.count_statements()
    recording.recorder.begin(0)
    for publisher in (shell.displayhook, shell.display_pub):
        publisher.session, publisher.pub_socket = recording.recorder, None
    recording.take_streams()
    builtins.input = partial(_no_input, "raw_input")
    getpass.getpass = partial(_no_input, "getpass")
    vars(zmqshell)["system"] = _system
    return recording


def _data(value: object) -> Any:
    """A value that JSON does not have: bytes as a kernel sends them, and of all else the text."""
    return b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _size(value: object) -> int:
    """Bytes of a value of a type that may take much of them; 0 for all others."""
    if type(value) is Tensor and value.layout is torch.strided:
        return value.untyped_storage().nbytes()
    return sys.getsizeof(value) if type(value) in (ndarray, str, bytes, bytearray, list, tuple, dict, set) else 0


def _written(descriptor: int, most: int) -> tuple[str, bool]:
    """The text in a file, at most so many bytes of it, and whether that is all. The file is emptied."""
    size = os.fstat(descriptor).st_size
    text = os.pread(descriptor, min(size, most), 0)
    os.ftruncate(descriptor, 0)
    return text.decode(errors="replace"), size <= most


class OutStream(io.TextIOBase):
    """Takes the place of stdout or stderr of a cell. It has the name of a kernel's, which some errors tell."""

    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder, self.name = recorder, name

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        self._recorder.write(self.name, text)
        return len(text)

    def fileno(self) -> int:
        return 1 if self.name == "stdout" else 2


def _no_input(name: str, *_: object, **__: object) -> NoReturn:
    """Raises the error that a kernel raises if nobody can answer `input`."""
    raise StdinNotImplementedError(f"{name} was called, but this frontend does not support input requests.")


def _system(command: str) -> int:
    """Runs `!command`, and gives its exit code. IPython's own way needs a terminal, and a room has none."""
    pipe, output = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(command, shell=True, stdin=subprocess.DEVNULL, stdout=pipe, stderr=output) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                sys.stdout.write(line.decode(errors="replace"))
        except KeyboardInterrupt:
            process.kill()
            raise
    return process.returncode
