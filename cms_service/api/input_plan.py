"""What a handler declares to read: its body, query parameters and headers, and those of its dependencies."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from litestar.constants import RESERVED_KWARGS
from litestar.di import Provide
from litestar.enums import ParamType, RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import BodyKwarg, ParameterKwarg
from litestar.typing import FieldDefinition
from msgspec import inspect as types

from cms_service.api.violations import may_be_read_laxly
from cms_service.schemas import CHECK, IS_NEW_PASSWORD


class Parameter(msgspec.Struct, frozen=True):
    """A declared query parameter or header."""

    name: str
    type: types.Type
    """Without null, which no text stands for."""
    is_required: bool

    @property
    def item_type(self) -> types.Type | None:
        """The type of each value when the parameter may be repeated."""
        return self.type.item_type if isinstance(self.type, types.CollectionType) else None


class Body(msgspec.Struct, frozen=True):
    """A declared body."""

    annotation: Any
    """A Struct without the metadata of its parameter: msgspec would read that again for every body, in 2.5 µs."""
    type: types.Type
    media_type: str
    is_required: bool
    is_read_laxly: bool
    members: tuple[str, ...]
    new_passwords: tuple[str, ...]
    """Members to which the policy for passwords applies."""


class InputPlan(msgspec.Struct, frozen=True):
    """All that a handler and its dependencies declare to read."""

    query: dict[str, Parameter]
    headers: dict[bytes, Parameter]
    body: Body | None


def plan_for(handler: HTTPRouteHandler) -> InputPlan:
    """What the handler reads, found once."""
    plan = InputPlan({}, {}, _body_of(handler))
    _add_parameters(plan, handler, handler.resolve_dependencies())
    return plan


def _add_parameters(plan: InputPlan, declaring: HTTPRouteHandler | Provide, providers: Mapping[str, Provide]) -> None:
    for name, field, annotation in _fields_of(declaring):
        if name in providers:
            _add_parameters(plan, providers[name], providers)
        elif name not in RESERVED_KWARGS and not field.is_di_field:
            declared = field.kwarg_definition if isinstance(field.kwarg_definition, ParameterKwarg) else None
            alias = (declared.name if declared else None) or name
            expected = _with_check_of(types.type_info(field.annotation), _not_null(types.type_info(annotation)))
            parameter = Parameter(alias, expected, not (field.has_default or field.is_optional))
            if declared and declared.param_type == ParamType.HEADER:
                plan.headers[alias.lower().encode()] = parameter
            elif declared is None or declared.param_type == ParamType.QUERY:
                plan.query[alias] = parameter


def _fields_of(declaring: HTTPRouteHandler | Provide) -> Iterator[tuple[str, FieldDefinition, Any]]:
    model = declaring.signature_model
    for field in msgspec.structs.fields(model):
        yield field.name, model._fields[field.name], field.type


def _body_of(handler: HTTPRouteHandler) -> Body | None:
    for name, field, annotation in _fields_of(handler):
        if name == "data":
            declared = field.kwarg_definition.media_type if isinstance(field.kwarg_definition, BodyKwarg) else None
            expected = types.type_info(annotation)
            return Body(
                annotation=_struct_of(expected) or annotation,
                type=expected,
                media_type=str(RequestEncodingType(declared or RequestEncodingType.JSON).value),
                is_required=not (field.has_default or field.is_optional),
                is_read_laxly=may_be_read_laxly(expected),
                members=tuple(field.encode_name for field in _fields(expected)),
                new_passwords=tuple(_new_passwords(expected)),
            )
    return None


def _struct_of(expected: types.Type) -> type[msgspec.Struct] | None:
    # Metadata of any other type may limit its values.
    inner = expected.type if isinstance(expected, types.Metadata) else expected
    return inner.cls if isinstance(inner, types.StructType) else None


def _fields(expected: types.Type) -> tuple[types.Field, ...]:
    if isinstance(expected, types.Metadata):
        return _fields(expected.type)
    return expected.fields if isinstance(expected, types.StructType) else ()


def _new_passwords(expected: types.Type) -> Iterator[str]:
    for field in _fields(expected):
        members = field.type.types if isinstance(field.type, types.UnionType) else (field.type,)
        if any(isinstance(member, types.Metadata) and IS_NEW_PASSWORD in (member.extra or {}) for member in members):
            yield field.encode_name


def _with_check_of(declared: types.Type, expected: types.Type) -> types.Type:
    """The type with the check that the handler declares. Litestar's own annotation of a parameter has lost it."""
    for member in declared.types if isinstance(declared, types.UnionType) else (declared,):
        if isinstance(member, types.Metadata) and CHECK in (member.extra or {}):
            return types.Metadata(expected, extra=member.extra)
    return expected


def _not_null(expected: types.Type) -> types.Type:
    """The type without null, which no text stands for, and without what only documents it."""
    if isinstance(expected, types.Metadata):
        return _not_null(expected.type)
    if isinstance(expected, types.UnionType):
        members = [member for member in expected.types if not isinstance(member, types.NoneType)]
        return _not_null(members[0]) if len(members) == 1 else types.UnionType(tuple(members))
    return expected
