"""Vietnamese is complete: every message that pages can show has its translation."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask import Flask

from tests.frontend.conftest import CATALOGUE, ROOT
from webcloud.conductor import registry
from webcloud.frontend.phrases import PHRASES
from webcloud.instances.states import LOOKS

KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "mark": None, "say": None}
# What the supervisor says goes to the terminal that it was started from.
METHODS = [("supervising/**.py", "ignore"), ("**.py", "python"), ("**/templates/**.html", "jinja2")]
PLACES = re.compile(r"%\((\w+)\)s|\{(\w+)(?:![rs])?(?::[^{}]*)?\}")


@pytest.fixture(scope="module")
def vietnamese() -> Catalog:
    with CATALOGUE.open("rb") as source:
        return read_po(source, locale="vi")


@pytest.fixture(scope="module")
def shown_messages() -> set[str]:
    """Every message id in the source, the singular of those with a plural."""
    options = {"**/templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}
    found = extract_from_dir(ROOT / "webcloud", METHODS, options, keywords=KEYWORDS)
    return {m[0] if isinstance(m, tuple) else m for _file, _line, m, _comments, _context in found}


def text_of(catalogue: Catalog, message_id: str) -> str:
    message = catalogue.get(message_id)
    if message is None:
        return ""
    return message.string[0] if isinstance(message.string, tuple) else str(message.string)


def test_no_message_lacks_its_vietnamese(vietnamese: Catalog, shown_messages: set[str]) -> None:
    assert len(shown_messages) > 200
    missing = sorted(each for each in shown_messages if each and not text_of(vietnamese, each))
    assert missing == []


def test_the_catalogue_holds_nothing_that_is_not_shown(
    vietnamese: Catalog, shown_messages: set[str]
) -> None:
    ids = {m.id[0] if isinstance(m.id, tuple) else m.id for m in vietnamese if m.id}
    assert sorted(ids - shown_messages) == []


def test_translations_keep_their_places_and_none_is_a_guess(vietnamese: Catalog) -> None:
    for message in vietnamese:
        if not message.id:
            continue
        source = message.id[-1] if isinstance(message.id, tuple) else message.id
        target = text_of(vietnamese, message.id if isinstance(message.id, str) else message.id[0])
        assert sorted(PLACES.findall(source)) == sorted(PLACES.findall(target)), source
        assert not message.fuzzy, source


def test_operations_and_states_are_said_in_vietnamese(app: Flask, vietnamese: Catalog) -> None:
    words = {look.words for look in LOOKS.values()}
    for operation in registry.all_operations():
        words |= {operation.words, *(step.words for step in operation.steps)}
    assert sorted(each for each in words if not text_of(vietnamese, each)) == []


def test_the_catalogue_is_found_by_the_application(app: Flask) -> None:
    assert Path(app.root_path) / "translations" / "vi" / "LC_MESSAGES" == CATALOGUE.parent


def test_each_phrase_is_still_a_sentence_of_some_service() -> None:
    texts: set[str] = set()
    for path in (*(ROOT / "webcloud").rglob("*.py"), *(ROOT / "agents").rglob("*.py")):
        if path.name != "phrases.py":
            nodes = ast.walk(ast.parse(path.read_text()))
            texts |= {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    assert [phrase for phrase in PHRASES if phrase not in texts] == []
