"""graphcomp: the formula on the slide, its derivative graph, and the kernel that trains the network, as one object."""

from . import data, errors, graph, nn, numpy, ops, optim, random, sparse, train
from .ahead import load, save
from .batching import batch_max, batch_mean, batch_sum, vmap
from .custom import checkpoint, custom_jvp, custom_vjp
from .errors import GraphcompError
from .gradcheck import check_grads
from .graph import Graph
from .implicit import custom_root, fixed_point
from .jacobians import hessian, jacfwd, jacobian, jacrev, sparsity
from .jit import debug, jit
from .loops import cond, scan, while_loop
from .render import compile_story, explain, explain_error, plot_gradient_check, plot_sparsity
from .run.array import Array
from .trace import scope, spec, trace
from .trace.functions import stop_gradient
from .transform import grad, hvp, jvp, linearize, value_and_grad, vjp

__version__ = "0.1.0"

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
