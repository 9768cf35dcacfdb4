"""What is wrong with a field is said in the reader's language, and to programs as ever."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from flask import Flask
from flask_babel import force_locale
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from webcloud.field_faults import FAULTS, said_of, wrong
from webcloud.frontend.languages import said
from webcloud.words import Said, say


class Form(BaseModel):
    """A field of each kind that our forms have."""

    model_config = ConfigDict(strict=True)

    name: Annotated[str, Field(min_length=1, max_length=5, pattern="^[a-z]*$")] = "x"
    count: Annotated[int, Field(ge=1, le=9)] = 1
    share: float = 0.5
    on: bool = True
    names: list[str] = []
    pair: tuple[int, int] = (1, 2)
    values: dict[str, str] = {}
    kind: Literal["raw", "qcow2"] = "raw"


CASES: dict[str, dict[str, Any]] = {
    "String should have at least 1 character": {"name": ""},
    "String should have at most 5 characters": {"name": "toolong"},
    "String should match pattern '^[a-z]*$'": {"name": "A"},
    "Input should be a valid string": {"name": 5},
    "Input should be a valid integer": {"count": "x"},
    "Input should be greater than or equal to 1": {"count": 0},
    "Input should be less than or equal to 9": {"count": 10},
    "Input should be a valid number": {"share": "x"},
    "Input should be a valid boolean": {"on": 1},
    "Input should be a valid list": {"names": 1},
    "Input should be a valid tuple": {"pair": 1},
    "Input should be a valid dictionary": {"values": 1},
    "Input should be 'raw' or 'qcow2'": {"kind": "iso"},
}


def fault(given: dict[str, Any], form: type[BaseModel] = Form) -> Any:
    with pytest.raises(ValidationError) as refused:
        form.model_validate(given)
    return refused.value.errors(include_url=False)[0]


@pytest.mark.parametrize("words", CASES)
def test_pydantics_words_stay_what_programs_read_and_are_translated_for_people(
    app: Flask, words: str
) -> None:
    found = said_of(fault(CASES[words]))
    assert str(found) == words
    assert isinstance(found, Said)
    with app.test_request_context(), force_locale("vi"):
        assert said(found) not in ("", words)


def test_a_field_that_is_missing_and_a_number_that_is_none_are_translated(app: Flask) -> None:
    class Lax(BaseModel):
        port: int

    for given, words in (({}, "Field required"), ({"port": "x"}, FAULTS["int_parsing"])):
        found = said_of(fault(given, Lax))
        assert str(found) == words
        assert isinstance(found, Said)


def test_what_is_not_known_is_said_as_pydantic_says_it() -> None:
    class Odd(BaseModel):
        name: Annotated[str, Field(min_length=3)]
        when: Annotated[int, Field(multiple_of=5)]

    for given in ({"name": "x", "when": 5}, {"name": "xxx", "when": 4}):
        found = fault(given, Odd)
        assert said_of(found) == found["msg"]


def test_a_check_of_ours_says_it_in_its_own_words() -> None:
    words = say("user data is at most 64 KiB once decoded")
    assert wrong(words).message() == words
    assert said_of({"type": "wrong_value", "msg": "x", "ctx": {"reason": words}}) is words  # type: ignore[typeddict-item]
