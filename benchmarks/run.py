"""All benchmarks, one after the other: what `make bench` runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run each benchmark in a process of its own; arguments go to the hashtag job."""
    for script, arguments in (("hashtags.py", sys.argv[1:]), ("broker.py", [])):
        status = subprocess.run([sys.executable, str(HERE / script), *arguments], check=False)
        if status.returncode:
            return status.returncode
    print("\nwritten to build/bench.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
