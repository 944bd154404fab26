"""The greatest errors of the vector functions, in units in the last place: `python docs/approximations/accuracy.py`.

Prints a Markdown table, over the domains of tests/test_mathematics.py, against mpmath in 40 digits.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from test_mathematics import DTYPES, FUNCTIONS, worst

POINTS = int(sys.argv[1]) if len(sys.argv) > 1 else 4000


def main() -> None:
    print("| function | float32 | float64 |\n|---|---|---|")
    for name in FUNCTIONS:
        found = " | ".join(f"{worst(name, dtype, POINTS)[0]:.2f}" for dtype in DTYPES)
        print(f"| {name} | {found} |", flush=True)


if __name__ == "__main__":
    main()
