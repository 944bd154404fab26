"""Routines in machine code that all programs share: compiled once, kept on disk, known to LLVM by name.

A program that calls one names it as an external symbol, so the routine costs the program no compile time, and machine
code from the disk cache finds it in any process that has provided it before.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from llvmlite import __version__, binding, ir

from .. import storage
from ..files import write_whole
from .vectors import SIZES, WIDTHS, Code, Vector, processor

OBJECT = "code.object"

_LOCK = threading.Lock()
_ENGINES: dict[str, Any] = {}
"""What holds the code of each routine that this process has; never dropped, since programs call into it."""

Write = Callable[[Any], Any]
"""Adds a routine to a module; gives its LLVM function."""


def provide(name: str, processor: tuple[str, str], write: Write, modules: tuple[ModuleType, ...]) -> int:
    """Make a routine known to LLVM, once in a process; its address.

    `processor` is LLVM's name of it and its features; `modules` hold the source that writes the routine, which decides
    whether stored machine code is still the same.
    """
    with _LOCK:
        if name not in _ENGINES:
            engine = _loaded(name, processor, write, _key(name, processor, modules))
            binding.add_symbol(name, engine.get_function_address(name))
            _ENGINES[name] = engine
        return int(_ENGINES[name].get_function_address(name))


def _loaded(name: str, processor: tuple[str, str], write: Write, key: str) -> Any:
    """What holds the routine's code: that from the disk, or new code, which is stored there."""
    with storage.held(f"{name}_{key}") as folder:
        code = _stored(folder / OBJECT)
        if code is not None:
            return engine_of(code)
        code = compiled(name, processor, write)
        engine = engine_of(code)
        _keep(folder / OBJECT, code)
    storage.stored(folder)
    return engine


def compiled(name: str, processor: tuple[str, str], write: Write) -> bytes:
    """Object code. Its instructions are written as they should be: LLVM's passes would only cost time."""
    return bytes(target_machine(*processor).emit_object(_parsed(name, processor, write)))


def assembly(name: str, processor: tuple[str, str], write: Write) -> str:
    """The same as text."""
    return str(target_machine(*processor).emit_assembly(_parsed(name, processor, write)))


def begin(module: Any, name: str, arguments: list[Any], vector: Vector) -> tuple[Code, Sequence[Any]]:
    """A routine at its beginning: code for it, and its arguments."""
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
    function.attributes.add("nounwind")
    return Code(ir.IRBuilder(function.append_basic_block("entry")), vector), function.args


@dataclass(frozen=True, slots=True)
class Family:
    """A routine for each dtype and width of vectors. Each argument is a word, or, of type NUMBER, a number in float64;
    words of type POINTER hold an address.

    `write(module, name=, vector=)` adds it to a module; `sources` hold the code that does.
    """

    prefix: str
    arguments: list[Any]
    write: Callable[..., None]
    sources: tuple[ModuleType, ...]

    @property
    def module(self) -> str:
        """The name of the module that has it."""
        return self.write.__module__

    def name(self, dtype: str, bits: int) -> str:
        """What the routine is called in generated code."""
        return f"{self.prefix}_{dtype}_{bits}"

    def has(self, name: str) -> bool:
        """Whether that is the name of one of its routines."""
        return any(name == self.name(dtype, bits) for dtype in SIZES for bits in WIDTHS)

    def parts(self, name: str) -> tuple[str, tuple[str, str], Write]:
        for dtype, size in SIZES.items():
            for bits in WIDTHS:
                if name == self.name(dtype, bits):
                    symbol = f"graphcomp_{name}"
                    return symbol, processor(bits), partial(self.write, name=symbol, vector=Vector(size, bits))
        raise AttributeError(f"there is no routine {name!r}")

    def provide(self, name: str) -> int:
        """Make the routine known to LLVM; its address."""
        return provide(*self.parts(name), self.sources)

    def assembly(self, name: str) -> str:
        """Its instructions, as text."""
        return assembly(*self.parts(name))


def _parsed(name: str, processor: tuple[str, str], write: Write) -> Any:
    module = ir.Module(name)
    module.triple = binding.get_process_triple()
    write(module)
    parsed = binding.parse_assembly(str(module))
    parsed.verify()
    return parsed


def target_machine(cpu: str, features: str) -> Any:
    """LLVM's description of a processor."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    return target.create_target_machine(
        cpu=cpu, features=features, opt=2, reloc="default", codemodel="jitdefault", jit=True
    )


def engine_of(code: bytes) -> Any:
    """What holds the machine code of an object file, linked to the symbols that LLVM knows."""
    holder = binding.parse_assembly("")
    holder.triple = binding.get_process_triple()
    engine = binding.create_mcjit_compiler(holder, target_machine("", ""))
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


@cache
def module_text(name: str) -> str:
    """The source of a module, which is not executed for it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.loader is not None
    return str(spec.loader.get_source(name))  # type: ignore[attr-defined]


def _key(name: str, processor: tuple[str, str], modules: tuple[ModuleType, ...]) -> str:
    parts = [
        name,
        *processor,
        __version__,
        binding.get_process_triple(),
        *(module_text(module.__name__) for module in modules),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _stored(path: Path) -> bytes | None:
    """Code from the disk, if it is there and as it was written: a checksum precedes it."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    code = content[32:]
    return code if hashlib.sha256(code).digest() == content[:32] else None


def _keep(path: Path, code: bytes) -> None:
    """Store code where that is possible; where not, the next process compiles it again."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, hashlib.sha256(code).digest() + code)
