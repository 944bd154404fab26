"""Numba for generated code: plain loops over numbers, which need few of its passes and few of the functions it knows.

Numba asks every definition of `+` in turn whether it is meant, among them those for NumPy's arrays, lists, sets,
strings and dates. A target of its own, with the definitions for numbers alone, takes 0.4 to 0.7 s less for a first
program. `use_everything` brings them back for functions that users wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from numba import jit
from numba.core import cpu, target_extension, typed_passes, typing, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager
from numba.core.registry import CPUDispatcher, CPUTarget
from numba.core.typing import mathdecl
from numba.cpython import builtins, mathimpl, numbers, rangeobj, tupleobj

NAME = "graphcomp"

NUMBERS = (builtins, numbers, rangeobj, tupleobj)
"""Modules that tell Numba, when they are imported, how numbers, ranges and arguments are treated."""


class Pipeline(CompilerBase):
    """Those of Numba's passes that plain loops over numbers need; the others would take a fifth of its time."""

    def define_pipelines(self) -> list[PassManager]:
        passes = PassManager("graphcomp")
        for each in (
            untyped_passes.TranslateByteCode,
            untyped_passes.FixupArgs,
            untyped_passes.IRProcessing,
            untyped_passes.ReconstructSSA,
            typed_passes.NopythonTypeInference,
            typed_passes.PreLowerStripPhis,
            typed_passes.IRLegalization,
            typed_passes.NativeLowering,
            typed_passes.NoPythonBackend,
        ):
            passes.add_pass(each, each.__name__)
        passes.finalize()
        return [passes]


class _Part(JITCodeLibrary):
    """The code of a function, to be linked as it is. Numba by itself would optimise it and make machine code of it."""

    @property
    def codegen(self) -> Any:
        return _NoEnvironment(self._codegen)

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0


class _NoEnvironment:
    """Numba's code generator for a part, which has no memory yet that could hold references to Python's objects."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def set_env(self, name: str, environment: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)


class _Types(typing.Context):
    """The types of functions of numbers."""

    has_everything = False

    def load_additional_registries(self) -> None:
        if self.has_everything:
            super().load_additional_registries()
        else:
            self.install_registry(mathdecl.registry)


class _Code(cpu.CPUContext):
    """What LLVM shall do for them. They allocate no memory that Numba would have to count."""

    def init(self) -> None:
        super().init()
        self.codegen()._library_class = _Part

    def load_additional_registries(self) -> None:
        if self.typing_context.has_everything:
            super().load_additional_registries()
        else:
            self.install_registry(mathimpl.registry)

    def post_lowering(self, module: Any, library: Any) -> None:
        if self.typing_context.has_everything:
            super().post_lowering(module, library)


class Processor(target_extension.CPU):
    """What Numba asks for definitions that were made for a target: those for any processor are for this one, too."""


class _Target(CPUTarget):
    """The processor, as Numba's own target describes it, with few definitions."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self.types = _Types()
        self.code: Any = None

    @property
    def typing_context(self) -> Any:
        return self.types

    @property
    def target_context(self) -> Any:
        if self.code is None:
            self.code = _Code(self.types, NAME)
        return self.code


TARGET = _Target()


class _Dispatcher(CPUDispatcher):
    targetdescr = TARGET


target_extension.target_registry[NAME] = Processor
target_extension.dispatcher_registry[Processor] = _Dispatcher
target_extension.jit_registry[Processor] = partial(jit, _target=NAME)

OPTIONS = {
    "nopython": True,
    "boundscheck": None,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}
"""The last one: no memory that would have to be counted."""


def compiled(function: Callable[..., Any]) -> Any:
    """For functions that only generated code calls."""
    return _Dispatcher(function, targetoptions=dict(OPTIONS), pipeline_class=Pipeline)


def use_everything() -> None:
    """From now on let functions call whatever Numba knows, which takes longer to compile."""
    TARGET.types.has_everything = True
