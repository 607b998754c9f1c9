"""How the fast kernels are compiled: numba, cached on disk, without the interpreter's lock.

Small kernels are `compiled`. A large one is cut into parts that are `addressable`, each with a place of its own in the
cache and called by its address: were they linked into their caller, LLVM would optimise them once more for every caller
above them, which cost the compositor a minute.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

_CONFIG: Any = numba.config
F = TypeVar("F", bound=Callable[..., Any])

MATH: dict[str, Any] = {"fastmath": True, "boundscheck": False, "error_model": "numpy"}
_INNER = {"nogil": True, "forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
INLINE: dict[str, Any] = MATH | _INNER
"""Of what only compiled code calls: no way in from Python is made, and LLVM takes it into its caller."""


def compiled(function: F) -> F:
    """`function` as machine code, compiled at the first call and cached; neither parallel nor fastmath, so that the
    result depends neither on threads nor on the width of the machine's vectors."""
    return cast(F, numba.njit(cache=True, nogil=True)(function))


def pointer_to(element: Any) -> Any:
    """An intrinsic that makes an address (int64) a pointer to `element`."""

    @intrinsic
    def pointer(typing_context, address):
        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(types.CPointer(element)))

        return types.CPointer(element)(types.int64), generate

    return pointer


def on_stack(element: Any, count: int) -> Any:
    """An intrinsic that gives the address (int64) of `count` LLVM elements on the stack, aligned to a line of cache;
    what they hold is anything."""

    @intrinsic
    def address(typing_context):
        def generate(context, builder, signature, arguments):
            memory = cgutils.alloca_once(builder, element, size=count)  # an array it would fill with zeros, one by one
            memory.align = 64
            return builder.ptrtoint(memory, ir.IntType(64))

        return types.int64(), generate

    return address


@intrinsic
def claim(typing_context, counter):
    """The number at an address (int64), which becomes one more: no two threads get the same."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", pointer, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(types.int64), generate


def calling(signature: Any) -> Any:
    """An intrinsic (address int64, tuple of arguments) that calls what is `addressable` under a `signature` without a
    result."""

    @intrinsic
    def call(typing_context, address, arguments):
        def generate(context, builder, made, values):
            pointer, parts = values
            kinds = [context.get_value_type(kind) for kind in signature.args]
            function = builder.inttoptr(pointer, ir.FunctionType(ir.VoidType(), kinds).as_pointer())
            builder.call(function, [builder.extract_value(parts, i) for i in range(len(kinds))])
            return context.get_dummy_value()

        return types.void(types.int64, types.Tuple(signature.args)), generate

    return call


def with_names(function: Callable[..., Any], name: str, **names: Any) -> Callable[..., Any]:
    """A copy of `function` under a name of its own that reads `names` among its globals. Not a closure: numba's cache
    compares what a closure holds, and a compiled function never equals that of another process."""
    copy = FunctionType(function.__code__, {**function.__globals__, **names}, name)
    copy.__qualname__ = name
    return copy


def addressable(signature: Any, function: Callable[..., Any], name: str, **names: Any) -> Any:
    """`function`, reading `names` among its globals, compiled or taken from numba's cache under `name`: its `address`
    can be called as long as the result lives."""
    return numba.cfunc(signature, cache=True, **MATH)(with_names(function, name, **names))


def digest(*sources: str) -> str:
    """Of source files, for a cached function's name: numba itself asks only whether the function's own file changed."""
    return hashlib.sha256(b"".join(Path(source).read_bytes() for source in (__file__, *sources))).hexdigest()[:12]


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Within, no other process that shares numba's cache compiles the same: of two that start at once, one compiles and
    the other reads. Nobody waits where NUMBA_CACHE_DIR is not set or its file system has no locks."""
    folder = _CONFIG.CACHE_DIR
    if not folder:
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    with (Path(folder) / f"{what}.lock").open("w") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _Unlocked:
    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        interface = array.__array_interface__
        self.__array_interface__ = interface | {"data": (interface["data"][0], False)}


def unlocked(array: NDArray[Any]) -> NDArray[Any]:
    """The same memory as an array that numba takes for one that may be written: for one that may not it would compile a
    function anew, in the middle of a request. For arguments that are only read."""
    return array if array.flags.writeable else np.asarray(_Unlocked(array))


def whole_rows(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[H, W] -> [H, stride], the same memory as a C-contiguous array, which compiled loops read by vectors.

    The rows of a frame are padded, so the view [H, W] of a plane is not contiguous by itself. The columns past W are
    not to be touched: behind the last row they need not exist.
    """
    stride = plane.strides[0]
    if plane.strides[1] != 1 or stride < plane.shape[1]:
        raise ValueError(f"a plane's samples lie side by side; got strides {plane.strides} for {plane.shape}")
    return np.lib.stride_tricks.as_strided(plane, (plane.shape[0], stride), (stride, 1))


__all__ = [
    "INLINE",
    "MATH",
    "addressable",
    "alone",
    "calling",
    "claim",
    "compiled",
    "digest",
    "on_stack",
    "pointer_to",
    "unlocked",
    "whole_rows",
    "with_names",
]
