"""Vectors of floats, as a type for compiled functions.

LLVM does not vectorise loops over many arrays, since it cannot prove that the arrays do not
overlap. So the kernels use vectors explicitly. LLVM splits these on processors with shorter ones.
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


panel: Any = _zeros(PANEL)
"""`panel()`: a vector of zeros."""
lanes: Any = _zeros(LANES)
"""`lanes()`: a vector of zeros."""
quad: Any = _zeros(QUAD)
"""`quad()`: a vector of zeros."""
load: Any = intrinsic(_load)
"""`load(array, element, like)`: a vector with the lanes of `like`, from that flat index on."""
load_one: Any = intrinsic(_load_one)
"""`load_one(array, element)`: the number at that flat index."""
store: Any = intrinsic(_store)
"""`store(array, element, value)`: write a vector or a number, from that flat index on."""
prefetch: Any = intrinsic(_prefetch)
"""`prefetch(array, element)`: load into the cache; the index may lie outside the array."""
spread: Any = intrinsic(_spread)
"""`spread(number, like)`: a vector of as many lanes as `like` with this number in each."""
prelu: Any = intrinsic(_prelu)
"""`prelu(vector, slope)`: the vector, with lanes that are not above 0 multiplied by `slope`."""


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
