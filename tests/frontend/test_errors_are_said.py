"""Every error that people meet is in the catalogue: no f-string, no sentence without its entry."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from babel.messages.pofile import read_po

from tests.frontend.conftest import CATALOGUE, ROOT
from webcloud import errors
from webcloud.conductor.operation import StepFailed

SOURCE = ROOT / "webcloud"
# Modules whose errors only programs and operators at a terminal read, and why.
ENGLISH_ONLY = {
    "commands": "the command line speaks English",
    "consoles/api.py": "answers of the compute API",
    "hosts/agent_api.py": "read by agents",
    "hosts/reports.py": "read by agents",
    "identity/api": "answers of the identity API",
    "identity/token_login.py": "answers of the identity API",
    "images/api.py": "answers of the image API",
    "images/listing.py": "answers of the image API",
    "images/patching.py": "answers of the image API",
    "instances/api": "answers of the compute API",
    "instances/microversion.py": "answers of the compute API",
    "migrations": "read at a terminal before anything is served",
    "networks/api.py": "answers of the network API",
    "networks/quota_api.py": "answers of the network API",
    "networks/selection.py": "answers of the network API",
    "supervising": "read at the terminal that webcloud was started from",
}
# Functions that make such an error of the text they are given.
MAKERS = {"_broken", "_feature", "_refused", "wrong"}


def kinds() -> set[str]:
    """Names of every class of error that a caller can meet, those of the domains included."""
    found = {StepFailed.__name__}
    todo: list[type] = [errors.WebcloudError]
    while todo:
        kind = todo.pop()
        found.add(kind.__name__)
        todo += kind.__subclasses__()
    return found | MAKERS


def raw_texts(source: str, names: set[str]) -> Iterator[str]:
    """Calls of these names with an f-string as the message or the next step."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or ast.unparse(node.func).split(".")[-1] not in names:
            continue
        said = [*node.args, *(each.value for each in node.keywords if each.arg != "field")]
        if any(isinstance(part, ast.JoinedStr) for text in said for part in pieces(text)):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def fixed_sentences(source: str, names: set[str]) -> Iterator[str]:
    """The sentences in such calls that are written as they stand."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or ast.unparse(node.func).split(".")[-1] not in names:
            continue
        said = [*node.args, *(each.value for each in node.keywords if each.arg != "field")]
        for text in said:
            for part in pieces(text):
                if isinstance(part, ast.Constant) and " " in str(part.value):
                    yield str(part.value)


def pieces(text: ast.expr) -> list[ast.expr]:
    """Both ways of a conditional text, both sides of a sum, else the text."""
    if isinstance(text, ast.IfExp):
        return [*pieces(text.body), *pieces(text.orelse)]
    if isinstance(text, ast.BinOp):
        return [*pieces(text.left), *pieces(text.right)]
    return [text]


def is_english_only(path: Path) -> bool:
    name = path.relative_to(SOURCE).as_posix()
    return any(name == each or name.startswith(f"{each}/") for each in ENGLISH_ONLY)


def test_errors_that_people_meet_can_be_translated(app: object) -> None:
    names = kinds()
    assert {"Conflict", "ImageRefused", "FetchFailed", "NotRunning"} <= names
    found = [
        f"{path.relative_to(ROOT)} {raw}"
        for path in sorted(SOURCE.rglob("*.py"))
        if not is_english_only(path)
        for raw in raw_texts(path.read_text(), names - {"LoginNeeded"})
    ]
    assert found == []


def test_fixed_sentences_have_their_vietnamese(app: object) -> None:
    with CATALOGUE.open("rb") as source:
        known = {message.id for message in read_po(source, locale="vi")}
    names = kinds() - {"LoginNeeded"}
    found = [
        f"{path.relative_to(ROOT)}: {sentence}"
        for path in sorted(SOURCE.rglob("*.py"))
        if not is_english_only(path)
        for sentence in fixed_sentences(path.read_text(), names)
        if sentence not in known
    ]
    assert found == []


def test_the_rule_finds_what_it_is_for() -> None:
    source = 'raise errors.Conflict("a" if x else f"b {c}", field=f"d {e}")'
    assert len(list(raw_texts(source, {"Conflict"}))) == 1
    assert list(raw_texts('raise Conflict(say("b {c}", c=c), field=f"{d}")', {"Conflict"})) == []


def test_what_is_left_in_english_still_exists() -> None:
    assert [name for name in ENGLISH_ONLY if not (SOURCE / name).exists()] == []
