"""The program of a fork server for whole notebooks: as `forkserver.launch`, with nbgrader's preprocessors loaded as well."""

from __future__ import annotations

import gc


def main() -> None:
    gc.disable()
    from autograder.forkserver import server
    from autograder.grading import conversion

    conversion.warm_up_nbgrader()
    server.start(conversion.convert)


if __name__ == "__main__":
    main()
