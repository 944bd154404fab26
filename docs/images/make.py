"""Draws the pictures that README.md and the documents show: `python docs/images/make.py`."""

from pathlib import Path

import graphcomp as gx

FOLDER = Path(__file__).parent
FORMULA = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"

if __name__ == "__main__":
    story = gx.explain(FORMULA, at={"x1": 2, "x2": 3}, mode="reverse")
    print(story.save(FOLDER / "reverse.svg"))
