"""All benchmarks, one after the other: what `make bench` runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run each benchmark in a process of its own; arguments go to the hashtag job."""
    scripts = {"hashtags.py": sys.argv[1:], "operators.py": [], "broker.py": []}
    for script, arguments in scripts.items():
        status = subprocess.run([sys.executable, str(HERE / script), *arguments], check=False)
        if status.returncode:
            return status.returncode
    print("\nwritten to build/bench.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
