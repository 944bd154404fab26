"""The routines in machine code as Numba's functions, by their names: `product_float32_512` and the like."""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..routine_calls import family_of
from ..vectors import NUMBER, POINTER


@cache
def __getattr__(name: str) -> Any:
    """What generated code imports is made then; the routine is provided before."""
    family = family_of(name)
    family.provide(name)
    return _intrinsic(f"graphcomp_{name}", family.arguments)


def _intrinsic(symbol: str, wanted: list[Any]) -> Any:
    given = [types.float64 if kind == NUMBER else types.int64 for kind in wanted]

    @intrinsic
    def routine(typingctx: Any, *arguments: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), wanted), symbol)
            parts = cgutils.unpack_tuple(builder, values[0])
            builder.call(function, [builder.inttoptr(v, k) if k == POINTER else v for v, k in zip(parts, wanted)])
            return context.get_dummy_value()

        return types.void(types.StarArgTuple.from_types(given)), generate

    return routine
