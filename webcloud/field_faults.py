"""What is wrong with a field of a form, in words that pages can translate.

pydantic says it in English only; its sentences are the message ids here, with
its own values in their places, so that APIs go on saying exactly the same.  A
check of ours raises ``wrong`` with its words.  A type that is not in the table
is said as pydantic says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic_core import ErrorDetails, PydanticCustomError

from webcloud.words import Said, mark, say

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "missing": mark("Field required"),
        "string_type": mark("Input should be a valid string"),
        "string_too_short": mark("String should have at least 1 character"),
        "string_too_long": mark("String should have at most {max_length} characters"),
        "string_pattern_mismatch": mark("String should match pattern '{pattern}'"),
        "int_type": mark("Input should be a valid integer"),
        "int_parsing": mark(
            "Input should be a valid integer, unable to parse string as an integer"
        ),
        "bool_type": mark("Input should be a valid boolean"),
        "float_type": mark("Input should be a valid number"),
        "list_type": mark("Input should be a valid list"),
        "tuple_type": mark("Input should be a valid tuple"),
        "dict_type": mark("Input should be a valid dictionary"),
        "greater_than_equal": mark("Input should be greater than or equal to {ge}"),
        "less_than_equal": mark("Input should be less than or equal to {le}"),
        "literal_error": mark("Input should be {expected}"),
    }
)


def wrong(message: str) -> PydanticCustomError:
    """A validation error whose message is shown as it is, in the reader's language."""
    return PydanticCustomError("wrong_value", "{reason}", {"reason": message})


def said_of(fault: ErrorDetails) -> str:
    """The words, as a Said wherever they can be translated."""
    values = fault.get("ctx", {})
    reason = values.get("reason")
    if isinstance(reason, Said):
        return reason
    message = FAULTS.get(fault["type"], "")
    # Only what comes out as pydantic has it: a version that says more is not cut short.
    return say(message, **values) if _filled(message, values) == fault["msg"] else fault["msg"]


def _filled(message: str, values: Mapping[str, object]) -> str:
    try:
        return message.format_map(values)
    except KeyError:
        return ""
