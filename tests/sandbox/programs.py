"""What people do in Python beside arithmetic. A test runs it in a room, by a Python of its own."""

from __future__ import annotations

import asyncio
import io
import math
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory

import matplotlib.pyplot as plt


async def child() -> str:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print('two')", stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return said.decode().strip()


def main() -> None:
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, [int(each) for each in pool.map(math.sqrt, [1, 16])])
    with ProcessPoolExecutor(2) as executor:
        print("executor", [int(each) for each in executor.map(math.sqrt, [1, 16])])
    print("asyncio", asyncio.run(child()))
    shared = shared_memory.SharedMemory(create=True, size=1)
    shared.buf[0] = 7
    print("shared", shared.buf[0])
    shared.close()
    shared.unlink()
    plt.plot([1, 2])
    plt.savefig(file := io.BytesIO())
    print("figure", len(file.getvalue()) > 1000)


if __name__ == "__main__":
    main()
