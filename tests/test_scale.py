"""A chain of 100,000 ops through the pipeline, within a minute and two gigabytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, math, resource, sys, time
import numpy as np
import graphcomp as gx
from graphcomp.derive import reverse
from graphcomp.run import interpret
from graphcomp.simplify import simplify

LENGTH = 100_000
sys.setrecursionlimit(400)  # nothing may recurse along the chain
start = time.process_time()  # of this process: what else the machine does is not counted

def chain(x):
    y = x
    for _ in range(LENGTH // 2):
        y = np.sin(y) * x
    return y

x = np.array([0.3, 1.01, 2.0])
graph = gx.trace(chain, x)
derived = reverse(graph).graph
simplified = simplify(derived).graph
text = str(simplified)
value, slope = interpret(simplified, [x, np.ones(3)])
seconds = time.process_time() - start

exact, exact_slope = x, np.ones(3)  # the same by hand, forward
for _ in range(LENGTH // 2):
    exact, exact_slope = np.sin(exact) * x, np.cos(exact) * exact_slope * x + np.sin(exact)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({
    "seconds": seconds,
    "megabytes": peak / (1024 * 1024 if sys.platform == "darwin" else 1024),
    "nodes": len(graph),
    "lines": text.count("\\n"),
    "right": bool(np.allclose(value, exact) and np.allclose(slope, exact_slope)),
}))
"""


def test_a_chain_of_100000_ops() -> None:
    root = Path(__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=root, timeout=240)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    print(found)
    assert found["nodes"] == 100_001 and found["lines"] > 100_000 and found["right"]
    assert found["seconds"] < 60
    assert found["megabytes"] < 2048
