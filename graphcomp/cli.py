"""The command line: `graphcomp demo | explain | check | source | bench | ops | info`.

Bad input ends with one sentence on the standard error and status 2; a gradient that is wrong with status 1.
"""

from __future__ import annotations

import argparse
import ctypes.util
import importlib.metadata
import inspect
import io
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import sympy as sp
from sympy.printing.str import StrPrinter

from . import demo, ops, random
from .bench import command as bench
from .emit.vectors import vector_bits
from .errors import GraphcompError, InputError, failure_of
from .gradcheck import check_grads
from .jit import TARGETS, jit
from .ops.record import ACCEPTS, Elementwise, Op
from .render import Story, compile_story, explain, explain_error, plot_gradient_check
from .render.explain import CHOICES
from .render.output import SUFFIXES
from .render.stories import STORIES, story
from .run.team import default_threads
from .storage import cache_folder, cache_size, size_limit
from .trace import TracedGraph, trace
from .trace.parser import parse, variables
from .trace.tracer import FUNCTIONS
from .transform import as_function, value_and_grad

BAD_INPUT, WRONG, INTERRUPTED = 2, 1, 130
STAGES = ("traced", "derived", "simplified", "scheduled", "source")
KINDS = {
    "elementwise": "A scalar function lifted over arrays of one shape; derivatives follow from its expression.",
    "linear": "Linear in its array arguments: the forward rule is the op itself, the reverse rule its transpose.",
    "multilinear": "Linear in each argument on its own: the product rule, and one transpose for each argument.",
    "special": "A forward rule written in other ops, from which reverse mode follows; or none: the derivative is zero.",
}
HEADINGS = ("op", "what it is", "dtypes", "derivative", "at kinks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows another one
    try:
        options = _parser().parse_args(arguments)
        status: int = options.command(options)
        sys.stdout.flush()
        return status
    except (GraphcompError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # whoever read the output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 0
        return _complain(_os_message(error) if isinstance(error, OSError) else str(error))
    except KeyboardInterrupt:
        print("graphcomp: interrupted.", file=sys.stderr)
        return INTERRUPTED


def _complain(message: str) -> int:
    sentence = " ".join(message.split())
    print(f"graphcomp: {sentence if sentence.endswith(('.', '?', '!')) else sentence + '.'}", file=sys.stderr)
    return BAD_INPUT


def _os_message(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason[:1].lower()}{reason[1:]}" if error.filename else reason


class _Parser(argparse.ArgumentParser):
    """One sentence for a mistake, instead of a usage text."""

    def error(self, message: str) -> NoReturn:
        sys.exit(_complain(f"{message}; see {self.prog} --help"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="graphcomp", description="Formulas and networks: explained, differentiated, compiled.")
    parser.add_argument("--version", action="version", version=f"graphcomp {importlib.metadata.version('graphcomp')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = commands.add_parser("demo", help="the lecture's example step by step, then a network trained on digits")
    command.add_argument("--output", "-o", type=Path, default=Path("graphcomp_demo"), help="folder for what it writes")
    command.add_argument("--epochs", type=int, default=demo.EPOCHS, help="passes over the digits (default %(default)s)")
    command.set_defaults(command=_demo)

    command = commands.add_parser("explain", help="values or derivatives of a formula, step by step")
    _formula_options(command, optional=True)
    command.add_argument("--story", metavar="NAME", help="a teaching story instead of a formula; 'list' shows them all")
    command.add_argument("--mode", choices=CHOICES["mode"], default="reverse")
    command.add_argument("--wrt", nargs="+", metavar="NAME", help="only derivatives by these variables")
    command.add_argument("--notation", choices=CHOICES["notation"], default="d", help="how derivatives are written")
    command.add_argument(
        "--granularity",
        choices=CHOICES["granularity"],
        default="node",
        help="a step per node or contribution",
    )
    command.add_argument("--jacobian-rows", choices=CHOICES["jacobian_rows"], default="outputs")
    command.add_argument("--language", default="en", help="of the sentences (default %(default)s)")
    command.add_argument("--digits", type=int, default=3, help="decimals shown (default %(default)s)")
    command.add_argument("--collapse", choices=("names",), help="a step for each value that an assignment names")
    command.add_argument("--output", "-o", type=Path, help=f"a file to write: {' '.join(SUFFIXES)}")
    command.add_argument("--frames", action="store_true", help="with .svg or .png: a folder of steps")
    command.add_argument("--animate", action="store_true", help="with .svg: one file that plays all steps")
    command.add_argument(
        "--handout", action="store_true", help="with .pdf: four steps on a page with blanks, and answers"
    )
    command.add_argument("--play", action="store_true", help="step through in the terminal with the arrow keys")
    command.add_argument("--quiz", action="store_true", help="with .html: ask for each derivative before it is shown")
    command.set_defaults(command=_explain)

    command = commands.add_parser("check", help="compare a formula's derivatives with numerical ones")
    _formula_options(command)
    command.add_argument("--order", type=int, default=2, help="up to which order (default %(default)s)")
    command.add_argument("--output", "-o", type=Path, help="a plot of error against step: out.svg, .png, .pdf or .html")
    command.set_defaults(command=_check)

    command = commands.add_parser("source", help="the generated code for a formula's value and gradient")
    command.add_argument("formula", metavar="EXPR", help="such as 'sin(x1) + x1*x2'")
    command.add_argument("--stage", choices=(*STAGES, "all"), default="source", help="another stage, or all of them")
    command.add_argument("--output", "-o", type=Path, help="a file that shows every stage, step by step: out.html")
    command.add_argument("--language", default="en", help="of the words in that file (default %(default)s)")
    command.set_defaults(command=_source)

    command = commands.add_parser("bench", help="times of training steps and others, beside other frameworks'")
    bench.add_options(command)
    command.set_defaults(command=lambda options: bench.run(options, colours(), terminal_width()))

    command = commands.add_parser("ops", help="a table of all ops")
    command.add_argument("--markdown", action="store_true", help="as docs/ops.md has it")
    command.set_defaults(command=_ops)

    command = commands.add_parser("info", help="versions, threads, vectors, BLAS, cache and devices")
    command.set_defaults(command=_info)
    return parser


def _formula_options(command: argparse.ArgumentParser, optional: bool = False) -> None:
    command.add_argument(
        "formula",
        metavar="EXPR",
        nargs="?" if optional else None,
        help="such as 'sin(x1) + x1*x2' or 'w3 = x1*x2; z = w3 + sin(x1)'",
    )
    command.add_argument(
        "--at", nargs="*", action="extend", default=[], metavar="NAME=VALUE", help="a number, or an array such as [1,2]"
    )


def colours() -> bool:
    """Whether to colour the output: on a terminal, unless NO_COLOR is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


# formulas ------------------------------------------------------------------------------------------------------------


def point(formula: str, given: Sequence[str]) -> dict[str, np.ndarray]:
    """The variables' values, from texts such as x1=2, in the order in which the formula has them."""
    names = variables(parse(formula))
    values: dict[str, np.ndarray] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name or not value:
            raise InputError(f"{text!r} gives no value; write --at x1=2 x2=3.")
        if name not in names:
            known = f"its variables are {', '.join(names)}" if names else "it has no variables"
            raise InputError(f"`{name}` does not occur in the formula; {known}.")
        if name in values:
            raise InputError(f"`{name}` is given twice.")
        values[name] = _value(name, value)
    missing = [name for name in names if name not in values]
    if missing:
        example = " ".join(f"{name}=1" for name in missing)
        raise InputError(f"there is no value for {', '.join(f'`{name}`' for name in missing)}; add --at {example}.")
    return {name: values[name] for name in names}


def _value(name: str, text: str) -> np.ndarray:
    """A finite number, or an array of them in JSON's form."""
    try:
        array = np.asarray(json.loads(text) if text.lstrip().startswith("[") else float(text), "float64")
    except (ValueError, TypeError, RecursionError):
        raise InputError(f"the value of `{name}` is no number and no array of numbers: {text[:60]!r}.") from None
    if not np.isfinite(array).all():
        raise InputError(f"the value of `{name}` is not finite: {text[:60]!r}.")
    return array


def _traced(formula: str, values: dict[str, np.ndarray]) -> TracedGraph:
    return trace(formula, **values)


def _told(options: argparse.Namespace) -> Story:
    """The story asked for: by its name, or of a formula."""
    if options.story is not None and options.formula is not None:
        raise InputError("--story tells a story of its own; leave the formula out.")
    if options.story is not None:
        return story(options.story, options.language)
    if options.formula is None:
        raise InputError("there is nothing to explain: give a formula, or --story NAME (--story list shows them).")
    at = {name: value if value.ndim else float(value) for name, value in point(options.formula, options.at).items()}
    return explain(
        options.formula, at, options.mode, options.wrt, options.notation, options.digits,
        granularity=options.granularity, jacobian_rows=options.jacobian_rows, language=options.language,
        quiz=options.quiz, collapse=options.collapse,
    )  # fmt: skip


def _explain(options: argparse.Namespace) -> int:
    if options.story == "list":
        print("\n".join(f"{name:<14} {teaching.summary}" for name, teaching in STORIES.items()))
        return 0
    if (options.frames or options.animate or options.handout) and options.output is None:
        raise InputError("--frames, --animate and --handout need a file to write: add -o out.svg or -o out.pdf.")
    if options.play and options.output is not None:
        raise InputError("--play shows the steps in the terminal; leave -o out.")
    try:
        told = _told(options)
    except GraphcompError as error:
        raise _drawn(error, options.output, options.language) from None
    if options.output is not None:
        how = {"frames": options.frames, "animate": options.animate, "handout": options.handout}
        print(f"written to {told.save(options.output, **how)}")
        return 0
    if options.play:
        told.play(colours=colours(), width=terminal_width())
        return 0
    print(told.terminal(colours=colours(), width=terminal_width()))
    return 0


def _drawn(error: GraphcompError, output: Path | None, language: str) -> GraphcompError:
    """The error; where a file was asked for, the graph up to the failure is drawn beside it, and the message says so.

    The file itself is not written: whoever finds it must find what was asked for.
    """
    if output is None or failure_of(error) is None:
        return error
    beside = output.with_name(f"{output.stem}.error{output.suffix}")
    try:
        explain_error(error, language=language).save(beside)
    except GraphcompError:  # a file of that kind, or there, cannot be written
        return error
    return type(error)(f"{error} The graph up to there is drawn in {beside}.")


def terminal_width() -> int:
    return max(60, shutil.get_terminal_size((100, 24)).columns)


def _check(options: argparse.Namespace) -> int:
    values = point(options.formula, options.at)
    function = as_function(_traced(options.formula, values))
    function.__name__ = options.formula
    report = check_grads(function, tuple(values.values()), order=options.order)
    print(report)
    if options.output is not None:
        print(f"written to {plot_gradient_check(report, options.output)}")
    return 0 if report.ok else WRONG


def _source(options: argparse.Namespace) -> int:
    if options.output is not None:
        print(f"written to {compile_story(options.formula, language=options.language).save(options.output)}")
        return 0
    graph = trace(options.formula)
    count = len(graph.inputs)
    function = as_function(graph)
    if count:
        function = value_and_grad(function, tuple(range(count)))
    stages = jit(function).stages(*[1.0] * count)
    print(stages if options.stage == "all" else getattr(stages, options.stage))
    return 0


def _demo(options: argparse.Namespace) -> int:
    return 0 if demo.run(options.output, options.epochs, colours(), terminal_width()) else WRONG


# the table of ops ----------------------------------------------------------------------------------------------------


class _Printer(StrPrinter):
    """Partial derivatives as they read best in a table: conditions in words."""

    def _print_Piecewise(self, expression: Any) -> str:
        pieces = [(self._print(value), condition) for value, condition in expression.args]
        return " else ".join(
            value if condition == sp.true else f"{value} if {self._print(condition)}" for value, condition in pieces
        )

    def _print_And(self, expression: Any) -> str:
        return " and ".join(sorted(map(self._print, expression.args)))

    def _print_Or(self, expression: Any) -> str:
        return " or ".join(sorted(map(self._print, expression.args)))

    def _print_Relational(self, expression: Any) -> str:
        sign = {"==": "=", ">=": "≥", "<=": "≤", "!=": "≠"}.get(expression.rel_op, expression.rel_op)
        return f"{self._print(expression.lhs)} {sign} {self._print(expression.rhs)}"


def derivative_text(op: Op) -> str:
    """How an op is differentiated, in a few words; `out` stands for its result."""
    if isinstance(op, Elementwise):
        return _partials_text(op)
    if op.kind == "linear":
        held = "" if op.linear in (None, (0,)) and op.arity in (None, 1) else " by its first argument"  # type: ignore[attr-defined]
        return f"itself{held}; its transpose in reverse mode"
    if op.kind == "multilinear":
        return "the product rule"
    return "a rule written in ops" if getattr(op, "tangent_rule", None) else "zero"


def _partials_text(op: Elementwise) -> str:
    if not op.differentiable or op.result == "bool":
        return "zero"
    if op.expression is None:
        return "a rule written in ops" if op.tangent_rule else "zero"
    settings = [p.name for p in inspect.signature(op.expression).parameters.values() if p.kind is p.KEYWORD_ONLY]
    partials = op.partial_expressions({name: sp.Symbol(name, integer=True) for name in settings})
    return ", ".join(_Printer().doprint(partial) for partial in partials)


def dtypes_text(op: Op) -> str:
    return {
        "float": "float32, float64",
        "integer": "integers",
        "number": "floats, integers",
        "signed": "floats, signed integers",
        "bool": "bool",
        "any": "any",
    }.get(op.accepts, ", ".join(ACCEPTS[op.accepts]))


def op_rows(kind: str) -> Iterator[tuple[str, ...]]:
    for op in sorted((op for op in ops.REGISTRY.values() if op.kind == kind), key=lambda op: op.name):
        yield op.name, op.summary, dtypes_text(op), derivative_text(op), getattr(op, "kinks", "")


def compositions() -> dict[str, list[str]]:
    """The functions that are made of ops, by the module that has them; each goes through every stage as its ops do."""
    arrays = [
        name
        for name, function in FUNCTIONS.items()
        if name not in ops.REGISTRY and name.rpartition(".")[2] == function.__name__
    ]
    numbers = [name for name, value in vars(random).items() if inspect.isfunction(value) and name[0] != "_"]
    own = [name for name in numbers if getattr(random, name).__module__ == random.__name__]
    return {"graphcomp.numpy": sorted(arrays), "graphcomp.random": sorted(own)}


COMPOSED = "Functions composed of these ops; the compiler makes them fast."


def ops_markdown() -> str:
    """The table of ops as docs/ops.md has it."""
    lines = [
        "# Ops",
        "",
        "Generated from the registry by `graphcomp ops --markdown > docs/ops.md`; a test compares.",
        "x, y and z are an op's arguments, `out` is its result. [add_an_op.md](add_an_op.md) adds one.",
    ]
    for kind, text in KINDS.items():
        lines += ["", f"## {kind.capitalize()} ops", "", text, ""]
        lines += ["| " + " | ".join(HEADINGS) + " |", "|" + " --- |" * len(HEADINGS)]
        for name, *cells in op_rows(kind):
            escaped = [f"`{name}`", *(re.sub(r"[|*_]", r"\\\g<0>", cell) for cell in cells)]
            lines.append("| " + " | ".join(escaped) + " |")
    lines += ["", "## Compositions", "", COMPOSED]
    for module, names in compositions().items():
        lines += ["", f"`{module}`: " + ", ".join(f"`{name}`" for name in names) + "."]
    return "\n".join(lines) + "\n"


def _ops(options: argparse.Namespace) -> int:
    if options.markdown:
        print(ops_markdown(), end="")
        return 0
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = shutil.get_terminal_size((120, 24)).columns
    console = Console(width=max(100, width), no_color=not colours(), highlight=False)
    for kind, text in KINDS.items():
        rows = list(op_rows(kind))
        table = Table(title=Text(f"{len(rows)} {kind} ops. {text}"), title_justify="left", expand=True)
        for heading in HEADINGS:
            table.add_column(heading, overflow="fold", no_wrap=heading == "op")
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
    console.print(COMPOSED)
    for module, names in compositions().items():
        console.print(f"{module}: {', '.join(names)}")
    return 0


# what is installed ---------------------------------------------------------------------------------------------------


def _info(options: argparse.Namespace) -> int:
    rows = list(info_rows())
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    return 0


def info_rows() -> Iterator[tuple[str, str]]:
    """What this installation consists of."""
    yield "graphcomp", importlib.metadata.version("graphcomp")
    yield "python", f"{sys.version.split()[0]} ({sys.executable})"
    for name in ("numpy", "numba", "llvmlite", "sympy", "networkx", "scipy", "pygraphviz"):
        yield name, importlib.metadata.version(name)
    yield "threads", f"{_processors()} usable, of which a compiled program uses at most {default_threads()}"
    yield "BLAS", _blas()
    yield "vectors", f"{vector_bits()} bits"
    writable = "" if _writable(cache_folder()) else "; it cannot be written, so a temporary folder is used"
    yield "cache", f"{cache_folder()} ({size_text(cache_size())} of at most {size_text(size_limit())}{writable})"
    yield "targets", ", ".join(TARGETS)
    yield "CUDA", _cuda()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _blas() -> str:
    import scipy.linalg.cython_blas  # loads the library that compiled programs call
    from threadpoolctl import threadpool_info

    known = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    name = f"{known.get('name', 'unknown')} {known.get('version', '')}".strip() + " (SciPy's)"
    for pool in threadpool_info():
        if pool["user_api"] == "blas" and "scipy" in Path(pool["filepath"]).parent.name:
            return f"{name}, {pool['num_threads']} threads"
    return name


def _writable(folder: Path) -> bool:
    """Whether the folder, or the nearest one above it that exists, can be written."""
    existing = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    return existing.is_dir() and os.access(existing, os.W_OK)


def _cuda() -> str:
    driver = "a driver is installed" if ctypes.util.find_library("cuda") else "no driver is installed"
    if "cuda" in TARGETS:
        return driver
    return f"no: this version compiles for the CPU only ({driver})"


def size_text(size: int) -> str:
    """Bytes as people read them."""
    power = min(int(math.log(size, 1000)), 3) if size else 0
    return f"{size} bytes" if power == 0 else f"{size / 1000**power:.1f} {('kB', 'MB', 'GB')[power - 1]}"
