"""Vectors of floats as a type that compiled functions know.

LLVM gives up on turning loops over many arrays into vector instructions, for it cannot tell that
the arrays are apart, so the kernels say what they mean. On processors with shorter vectors LLVM
splits these.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, overload, register_model

PANEL = 16
"""Lanes of the vectors that hold sums of products, and rows of four pixels."""
LANES = 8
"""Lanes of most other vectors."""
QUAD = 4
"""Lanes of the vectors that hold four neighbours, or the channels of a pixel."""

_CONTRACT = ("contract", "nsz")


class _Vector(types.Type):
    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Vector{lanes}")


class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: _Vector) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.FloatType(), kind.lanes))


register_model(_Vector)(_VectorModel)


def _data(context: Any, builder: Any, kind: Any, array: Any, element: Any) -> Any:
    if kind == types.intp:
        first = builder.inttoptr(array, ir.FloatType().as_pointer())
    else:
        first = context.make_array(kind)(context, builder, array).data
    return builder.gep(first, [element])


def _zeros(lanes: int) -> Any:
    def typed(context: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return ir.Constant(context.get_value_type(signature.return_type), [0.0] * lanes)

        return _Vector(lanes)(), code

    return intrinsic(typed)


def _load(context: Any, array: Any, element: Any, like: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _data(context, builder, signature.args[0], *arguments[:2])
        kind = context.get_value_type(like).as_pointer()
        return builder.load(builder.bitcast(address, kind), align=4)

    return like(array, types.intp, like), code


def _address(context: Any, array: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (array,) = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        return builder.ptrtoint(data, context.get_value_type(types.intp))

    return types.intp(array), code


def _load_one(context: Any, array: Any, element: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_data(context, builder, signature.args[0], *arguments))

    return types.float32(array, types.intp), code


def _store(context: Any, array: Any, element: Any, vector: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, element, vector = arguments
        address = _data(context, builder, signature.args[0], array, element)
        builder.store(vector, builder.bitcast(address, vector.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), code


def _prefetch(context: Any, array: Any, element: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address], kind)
        place = _data(context, builder, signature.args[0], *arguments)
        to_read, to_all_caches, of_data = number(0), number(3), number(1)
        builder.call(function, [builder.bitcast(place, address), to_read, to_all_caches, of_data])
        return context.get_dummy_value()

    return types.void(array, types.intp), code


def _everywhere(builder: Any, number: Any, kind: Any) -> Any:
    """A vector with this number in each lane."""
    index, nothing = ir.IntType(32), ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(index, 0))
    lanes = ir.Constant(ir.VectorType(index, kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, nothing, lanes)


def _spread(context: Any, value: Any, like: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _everywhere(builder, arguments[0], context.get_value_type(like))

    return like(types.float32, like), code


def _prelu(context: Any, vector: Any, slope: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, slope = arguments
        zero = ir.Constant(value.type, [0.0] * signature.args[0].lanes)
        # A comparison with NaN is false, so NaN stays NaN.
        above = builder.fcmp_ordered(">", value, zero)
        return builder.select(above, value, builder.fmul(value, slope))

    return vector(vector, slope), code


def _blend_or_nearest(context: Any, first: Any, second: Any, share: Any, limit: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first, second, share, limit = arguments
        near = builder.fcmp_ordered("<", share, ir.Constant(share.type, 0.5))
        nearest = builder.select(near, first, second)
        apart = builder.fsub(second, first, flags=_CONTRACT)
        share, limit = (_everywhere(builder, number, apart.type) for number in (share, limit))
        along = builder.fadd(first, builder.fmul(apart, share, flags=_CONTRACT), flags=_CONTRACT)
        far = builder.or_(
            builder.fcmp_ordered(">", apart, limit),
            builder.fcmp_ordered("<", apart, builder.fneg(limit)),
        )
        return builder.select(far, nearest, along)

    return first(first, second, types.float32, types.float32), code


panel: Any = _zeros(PANEL)
"""`panel()`: a vector of zeros."""
lanes: Any = _zeros(LANES)
"""`lanes()`: a vector of zeros."""
quad: Any = _zeros(QUAD)
"""`quad()`: a vector of zeros."""
address: Any = intrinsic(_address)
"""`address(array)`: what the functions below take for the array as well.

A helper that is called with arrays may count references to them, in turn with other threads, which
for every pixel takes longer than the rest. Nothing keeps the array by its address: one that the
kernel has made must be used again, itself, after the last use of that, or else its memory is free.
"""
load: Any = intrinsic(_load)
"""`load(array, element, like)`: as many numbers as `like` has, from that flat position on."""
load_one: Any = intrinsic(_load_one)
"""`load_one(array, element)`: a number by its flat position."""
store: Any = intrinsic(_store)
"""`store(array, element, value)`: a vector or a number, from that flat position on."""
prefetch: Any = intrinsic(_prefetch)
"""`prefetch(array, element)`: have it in the cache soon; it may lie outside of the array."""
spread: Any = intrinsic(_spread)
"""`spread(number, like)`: a vector of as many lanes as `like` with this number in each."""
prelu: Any = intrinsic(_prelu)
"""`prelu(vector, slope)`: lanes that are not above 0 times their slope."""

blend_or_nearest: Any = intrinsic(_blend_or_nearest)
"""`blend_or_nearest(first, second, share, limit)`: first + share·(second - first), or the nearer of
the two in lanes where they are more than `limit` apart; `share` and `limit` are numbers."""


def _arithmetic(instruction: str) -> Any:
    def typed(context: Any, left: Any, right: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments, flags=_CONTRACT)

        return left(left, right), code

    return intrinsic(typed)


def _overload(symbol: Callable[[Any, Any], Any], instruction: str) -> None:
    """Give `symbol` a meaning for two vectors, and for a vector and a number."""
    operation: Any = _arithmetic(instruction)

    def chosen(left: Any, right: Any) -> Any:
        if isinstance(left, _Vector) and left == right:
            return lambda left, right: operation(left, right)
        if isinstance(left, _Vector) and right == types.float32:
            return lambda left, right: operation(left, spread(right, left))
        return None

    overload(symbol, strict=False)(chosen)


_overload(operator.add, "fadd")
_overload(operator.iadd, "fadd")
_overload(operator.sub, "fsub")
_overload(operator.mul, "fmul")
