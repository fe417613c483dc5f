"""The program of a fork server for exams: `python -m autograder.forkserver.launch`, with the arguments of `server.start`."""

from __future__ import annotations

import gc


def main() -> None:
    gc.disable()  # collecting garbage would take a tenth of the time that loading takes
    from autograder.forkserver import server

    server.start()


if __name__ == "__main__":
    main()
