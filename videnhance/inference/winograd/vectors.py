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
"""Lanes of the vectors that hold sums of products."""
LANES = 8
"""Lanes of all other vectors."""

_CONTRACT = ("contract", "nsz")


class _Vector(types.Type):
    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Vector{lanes}")


class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: _Vector) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.FloatType(), kind.lanes))


register_model(_Vector)(_VectorModel)
_NARROW, _WIDE = _Vector(LANES), _Vector(PANEL)


def _data(context: Any, builder: Any, kind: Any, array: Any, element: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [element])


def _loading(result: _Vector) -> Any:
    """`load(array, element)`: the vector that begins at that element, counted flat."""

    def typed(context: Any, array: Any, element: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            address = _data(context, builder, signature.args[0], *arguments)
            kind = context.get_value_type(result).as_pointer()
            return builder.load(builder.bitcast(address, kind), align=4)

        return result(array, types.intp), code

    return intrinsic(typed)


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


def _filling(result: _Vector) -> Any:
    """`fill(value)`: a vector of this number in every lane."""

    def typed(context: Any, value: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind, index = context.get_value_type(result), ir.IntType(32)
            nothing = ir.Constant(kind, ir.Undefined)
            first = builder.insert_element(nothing, arguments[0], ir.Constant(index, 0))
            lanes = ir.Constant(ir.VectorType(index, result.lanes), [0] * result.lanes)
            return builder.shuffle_vector(first, nothing, lanes)

        return result(types.float32), code

    return intrinsic(typed)


def _prelu(context: Any, vector: Any, slope: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, slope = arguments
        zero = ir.Constant(value.type, [0.0] * signature.args[0].lanes)
        # A comparison with NaN is false, so NaN stays NaN.
        above = builder.fcmp_ordered(">", value, zero)
        return builder.select(above, value, builder.fmul(value, slope))

    return vector(vector, slope), code


load: Any = _loading(_NARROW)
load_wide: Any = _loading(_WIDE)
load_one: Any = intrinsic(_load_one)
"""`load_one(array, element)`: a number by its flat position."""
store: Any = intrinsic(_store)
fill: Any = _filling(_NARROW)
fill_wide: Any = _filling(_WIDE)
prelu: Any = intrinsic(_prelu)
"""`prelu(vector, slope)`: lanes that are not above 0 times their slope."""


def _arithmetic(instruction: str) -> Any:
    def typed(context: Any, left: Any, right: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments, flags=_CONTRACT)

        return left(left, right), code

    return intrinsic(typed)


def _overload(symbol: Callable[[Any, Any], Any], instruction: str) -> None:
    """Give `symbol` a meaning for two vectors, and for a narrow vector and a number."""
    operation: Any = _arithmetic(instruction)

    def chosen(left: Any, right: Any) -> Any:
        if isinstance(left, _Vector) and left == right:
            return lambda left, right: operation(left, right)
        if left == _NARROW and right == types.float32:
            return lambda left, right: operation(left, fill(right))
        return None

    overload(symbol, strict=False)(chosen)


_overload(operator.add, "fadd")
_overload(operator.iadd, "fadd")
_overload(operator.sub, "fsub")
_overload(operator.mul, "fmul")
