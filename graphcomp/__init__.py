"""graphcomp: the formula on the slide, its derivative graph, and the kernel that trains the network, as one object."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import errors, graph, nn, numpy, ops, optim, random, sparse
from .ahead import load, save
from .batching import batch_max, batch_mean, batch_sum, vmap
from .custom import checkpoint, custom_jvp, custom_vjp
from .errors import GraphcompError
from .graph import Graph
from .implicit import custom_root, fixed_point
from .jacobians import hessian, jacfwd, jacobian, jacrev, sparsity
from .jit import debug, jit
from .loops import cond, scan, while_loop
from .run.array import Array
from .trace import scope, spec, trace
from .trace.functions import stop_gradient
from .transform import grad, hvp, jvp, linearize, value_and_grad, vjp

if TYPE_CHECKING:
    from . import data, train
    from .gradcheck import check_grads
    from .render import explain_error, plot_gradient_check, plot_report, plot_sparsity
    from .render.compile_story import compile_story
    from .render.explain import explain

__version__ = "0.1.0"

_LATER = {
    "check_grads": "gradcheck",
    "compile_story": "render",
    "data": "data",
    "explain": "render",
    "explain_error": "render",
    "plot_gradient_check": "render",
    "plot_report": "render",
    "plot_sparsity": "render",
    "train": "train",
}
"""What a compiled function does not need, by module: pictures, data sets and the like are imported when asked for."""

__all__ = [
    "Array",
    "Graph",
    "GraphcompError",
    "batch_max",
    "batch_mean",
    "batch_sum",
    "check_grads",
    "checkpoint",
    "compile_story",
    "cond",
    "custom_jvp",
    "custom_root",
    "custom_vjp",
    "data",
    "debug",
    "errors",
    "explain",
    "explain_error",
    "fixed_point",
    "grad",
    "graph",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "linearize",
    "load",
    "nn",
    "numpy",
    "ops",
    "optim",
    "plot_gradient_check",
    "plot_report",
    "plot_sparsity",
    "random",
    "save",
    "scan",
    "scope",
    "sparse",
    "sparsity",
    "spec",
    "stop_gradient",
    "trace",
    "train",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_LATER[name]}", __name__)
    globals()[name] = module if name == _LATER[name] else getattr(module, name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
