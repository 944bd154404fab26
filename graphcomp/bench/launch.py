"""Starts a worker for a peer: `python launch.py NAME`.

A peer is measured in a process without graphcomp, in an environment that may not have what graphcomp needs. So the
package is stood in for by empty modules, through which only `graphcomp.bench.peers` is imported.
"""

import importlib
import sys
import types
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    for name, place in (("graphcomp", here.parent), ("graphcomp.bench", here)):
        module = types.ModuleType(name)
        module.__path__ = [str(place)]
        sys.modules[name] = module
    sys.path[0:1] = []  # this folder, which Python puts first: its modules are no top-level modules
    importlib.import_module("graphcomp.bench.peers.worker").main(sys.argv[1])
