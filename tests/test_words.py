"""Texts that remember their message id and values stay the English strings they are."""

from __future__ import annotations

import copy
import json

from webcloud.errors import NoCapacity
from webcloud.words import Said, from_json, join, restored, say, stored, word


def test_what_is_said_is_the_formatted_english_text() -> None:
    text = say("The host {name!r} has {free} MB.", name="n1", free=512)
    assert text == "The host 'n1' has 512 MB."
    assert (text.message, dict(text.values)) == (
        "The host {name!r} has {free} MB.",
        {"name": "n1", "free": 512},
    )
    assert type(str(text)) is str


def test_a_value_is_never_a_template() -> None:
    text = say("There is no image {name}.", name="{name.__class__} {0}")
    assert text == "There is no image {name.__class__} {0}."
    assert join(" ", ["{ not a place", text]) == f"{{ not a place {text}"


def test_what_is_kept_as_json_comes_back_the_same() -> None:
    lacks = join("; ", [say("{host} is silent", host="n1"), say("{host} is full", host="n2")])
    text = say("No host: {lacks}. {count}", lacks=lacks, count=2)
    back = from_json(json.loads(json.dumps(text.as_json())))
    assert back == text == "No host: n1 is silent; n2 is full. 2"
    assert isinstance(back.values["lacks"], Said)
    assert back.as_json() == text.as_json()


def test_what_is_no_number_or_text_is_kept_as_text() -> None:
    assert say("{what}", what=["a"]).as_json()["values"] == {"what": "['a']"}


def test_a_record_without_what_was_said_gives_its_english_text() -> None:
    assert stored("as it was") == {}
    assert restored({"message": "as it was"}) == "as it was"
    assert restored({"refusal": None}, "refusal") == ""
    kept = {"message": "x", **stored(say("Hello {name}", name="Mai"))}
    assert restored(kept) == "Hello Mai"


def test_copies_remember_too() -> None:
    text = say("Hello {name}", name="Mai")
    for other in (copy.deepcopy(text), copy.copy(text)):
        assert (other, other.message, other.values) == (text, text.message, text.values)


def test_an_error_with_its_next_step_is_one_text_of_two() -> None:
    error = NoCapacity(say("{host} is full.", host="n1"), next_step="Choose a smaller flavor.")
    whole = error.full_message
    assert whole == "n1 is full. Choose a smaller flavor."
    assert isinstance(whole, Said)
    assert all(isinstance(part, Said) for part in whole.values.values())
    assert word(whole) is whole
