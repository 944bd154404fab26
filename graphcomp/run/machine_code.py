"""From generated text to machine code: Numba types it and writes LLVM's language, and LLVM does the rest, once.

A program is many functions. Numba by itself optimises each of them, makes machine code of it, and does both again with
the copies in those that call it. Here they are linked as they are, and only the whole is optimised and compiled. What
comes out is an object file, which is loaded without Numba. So this module is imported when there is something to
compile (see `cache.compiler`).
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core.target_extension import target_override

from ..emit.library.target import NAME
from ..emit.routines import target_machine
from .object_code import OPTIMISATION, WORD, WORDS, Code, processor

ARITHMETIC = re.compile(r"= (fadd|fsub|fmul|fdiv) (?:reassoc )?")
LOOSER = "reassoc nsz arcp contract"
FORMULA = "@graphcomp_"
"""How LLVM functions begin that this package writes itself."""

TYPES = {WORD: types.int64, WORDS: types.CPointer(types.int64)}
KINDS = {WORD: ir.IntType(64), WORDS: ir.PointerType()}
"""The types of arguments, as Numba and as LLVM call them."""


def compiled(path: Path, functions: Mapping[str, tuple[str, ...]], fastmath: bool = False) -> dict[str, Code]:
    """Machine code of functions of a file, which give nothing back and take arguments of these types.

    With `fastmath` LLVM may reorder sums and products, contract them and multiply by reciprocals.
    """
    module = _executed(path)
    found = {}
    for name, arguments in functions.items():
        dispatcher = getattr(module, name)
        kinds = tuple(map(TYPES.__getitem__, arguments))
        with target_override(NAME):
            dispatcher.compile(kinds)
        found[name] = _linked(name, arguments, dispatcher.overloads[kinds], fastmath)
    return found


def _executed(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[path.stem]
    return module


def _linked(name: str, arguments: tuple[str, ...], result: Any, fastmath: bool) -> Code:
    """The whole of a function and all that it calls, as an object file with one symbol."""
    machine = target_machine(*processor())
    module = binding.parse_assembly(str(_outermost(name, arguments, result.fndesc.llvm_func_name)))
    module.data_layout = str(machine.target_data)
    module.link_in(result.library._get_module_for_linking(), preserve=True)
    if fastmath:
        module = binding.parse_assembly(loosened(str(module)))
    for function in module.functions:
        if not function.is_declaration and function.name != name:
            function.linkage = "internal"
    _optimise(module, machine)
    declared = [value.name for value in (*module.functions, *module.global_variables) if value.is_declaration]
    needs = sorted(name for name in declared if not name.startswith("llvm."))
    return Code(bytes(machine.emit_object(module)), tuple(needs))


def loosened(text: str) -> str:
    """LLVM's text with looser arithmetic, but for that of our own formulas, whose order is meant. NaN and infinity stay
    what they are."""
    lines, is_formula = [], False
    for line in text.split("\n"):
        if line.startswith("define "):
            is_formula = FORMULA in line
        lines.append(line if is_formula else ARITHMETIC.sub(rf"= \1 {LOOSER} ", line))
    return "\n".join(lines)


def _outermost(name: str, arguments: tuple[str, ...], inner: str) -> Any:
    """A function that calls another one as Numba's functions are called, with places for a result and an error."""
    module, kinds = ir.Module(name), [KINDS[argument] for argument in arguments]
    module.triple = binding.get_process_triple()
    place = ir.PointerType()
    called = ir.Function(module, ir.FunctionType(ir.IntType(32), [place, place, *kinds]), inner)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    builder = ir.IRBuilder(function.append_basic_block())
    builder.call(called, [builder.alloca(place), builder.alloca(place), *function.args])
    builder.ret_void()
    return module


def _optimise(module: Any, machine: Any) -> None:
    """Inline what is to be inlined and turn loops, then LLVM's own order of passes; then inline what that has added:
    functions of vectors in the place of scalar ones."""
    for level in (0, OPTIMISATION, 0):
        options = binding.create_pipeline_tuning_options(speed_level=level)
        options.loop_vectorization = options.slp_vectorization = level > 0
        builder = binding.create_pass_builder(machine, options)
        passes = builder.getModulePassManager()
        if level == 0:
            passes.add_loop_rotate_pass()
            passes.add_instruction_combine_pass()
            passes.add_jump_threading_pass()
        passes.run(module, builder)
    module.verify()
