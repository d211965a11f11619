"""How long `import pbrlsvr` takes in a fresh interpreter, beside one that imports nothing. Prints the medians in ms."""

import statistics
import subprocess
import sys
import time

RUNS = 15


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    nothing, ours = [], []
    for _ in range(RUNS):  # in turn, so that a drift of the machine meets both
        nothing.append(seconds("pass"))
        ours.append(seconds("import pbrlsvr"))
    bare, loaded = statistics.median(nothing) * 1000, statistics.median(ours) * 1000
    print(f"python alone {bare:.0f} ms, with `import pbrlsvr` {loaded:.0f} ms: {loaded - bare:.0f} ms for the import")


if __name__ == "__main__":
    main()
