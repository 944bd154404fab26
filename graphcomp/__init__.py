"""graphcomp: the formula on the slide, its derivative graph, and the kernel that trains the network, as one object."""

from . import errors, graph, numpy, ops
from .errors import GraphcompError
from .gradcheck import check_grads
from .graph import Graph
from .jit import jit
from .run.array import Array
from .trace import scope, spec, trace
from .trace.functions import stop_gradient
from .transform import grad, hessian, hvp, jacfwd, jacrev, jvp, linearize, value_and_grad, vjp

__version__ = "0.1.0"

__all__ = [
    "Array",
    "Graph",
    "GraphcompError",
    "check_grads",
    "errors",
    "grad",
    "graph",
    "hessian",
    "hvp",
    "jacfwd",
    "jacrev",
    "jit",
    "jvp",
    "linearize",
    "numpy",
    "ops",
    "scope",
    "spec",
    "stop_gradient",
    "trace",
    "value_and_grad",
    "vjp",
]
