"""What the agent was told to do and what came of it, kept across kill -9 and power loss.

A command is written down before it starts and its result before it is
reported, so that a repeat is answered from here and not done twice.  For each
subject the highest generation ever seen is kept; an older one is refused.
Queries (generation 0) are neither fenced nor kept: repeating one is harmless.
What a command carried is not kept: it may be a user's data, and the
controller sends an unfinished command again.

SQLite in WAL mode with synchronous=FULL: each write is on the disk before it
is answered.  The file is bounded in entries and bytes.  One that is damaged is
set aside and a new one begun.  Fencing is lost with it, which is safe: an agent
does only what the controller lists at the moment, and an operation that turns
round withdraws what it asked for before, so no older generation is listed.
Raises sqlite3.Error or OSError where it cannot be written; then nothing has been
begun.  One that a full disk keeps from being opened is opened when there is room;
for commands that take something away a little is held back (``agents.reserve``).
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from agents.errors import AgentError, from_os_error
from agents.reserve import Reserve
from agents.storage.files import sync_folder
from agents.wire.codec import WireError, decode, encode
from agents.wire.commands import Command
from agents.wire.reports import Report

log = logging.getLogger(__name__)

Result = TypeVar("Result")

KEEP_SECONDS = 7 * 86400
KEEP_ENTRIES, KEEP_SUBJECTS = 10_000, 100_000
KEEP_BYTES = 32 * 1024 * 1024
# Between two prunings at most this much is added.
PRUNE_ENTRIES, PRUNE_BYTES = 1000, KEEP_BYTES // 4
WAL_BYTES = 4 * 1024 * 1024
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# What SQLite says of a full disk; of the memory beside the log only that it cannot be had.
NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS command (
  id TEXT PRIMARY KEY, subject_id TEXT NOT NULL, generation INTEGER NOT NULL,
  body TEXT NOT NULL, report TEXT, started_at REAL NOT NULL, finished_at REAL
);
CREATE INDEX IF NOT EXISTS command_finished ON command (finished_at);
CREATE INDEX IF NOT EXISTS command_unfinished ON command (id) WHERE report IS NULL;
CREATE TABLE IF NOT EXISTS subject (
  id TEXT PRIMARY KEY, generation INTEGER NOT NULL, seen_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS subject_seen ON subject (seen_at);
"""


@dataclass(frozen=True)
class Known:
    """A command the journal has seen, without its payload. ``report`` is None while unfinished."""

    command: Command
    report: Report | None


class Journal:
    """One file, one connection, one lock: commands are few and small."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._added_entries = self._added_bytes = 0
        self._opened: sqlite3.Connection | None = None
        self._reserve = Reserve(path.with_name(f"{path.stem}.reserve"))
        try:
            self._opened = self._open_sound()
        except (sqlite3.Error, OSError) as error:
            if not _wants_room(error):
                raise
            log.error("no room for the journal, nothing is begun until there is: %s", error)
        self.hold_room()

    @property
    def _db(self) -> sqlite3.Connection:
        """The connection, made when it was not to be had before."""
        if self._opened is None:
            self._opened = self._open_sound()
        return self._opened

    def find(self, command_id: str) -> Known | None:
        """The command with its stored report; None when it is new, or its entry unreadable.

        What cannot be read is dropped, so that it is done again: every verb may be.
        """
        row = self._guarded(
            lambda db: db.execute(
                "SELECT CAST(body AS BLOB), CAST(report AS BLOB) FROM command WHERE id = ?",
                (command_id,),
            ).fetchone()
        )
        if row is None:
            return None
        try:
            report = decode(Report, json.loads(row[1])) if row[1] else None
            return Known(decode(Command, json.loads(row[0])), report)
        except (ValueError, WireError) as error:
            log.error("ALARM: the journal's entry of %s cannot be read: %s", command_id, error)
        self._guarded(lambda db: db.execute("DELETE FROM command WHERE id = ?", (command_id,)))
        return None

    def begin(self, command: Command, now: float | None = None) -> bool:
        """Write the command down; False when a newer generation has been seen.

        Beginning an unfinished command again is fine: that is how work goes on
        after a crash.
        """
        moment = time.time() if now is None else now
        return self._with_room(command, lambda db: _begin(db, command, moment))

    def ready_for(self, command: Command) -> None:
        """Have the journal open, if need be with the room that is held back for such a command."""
        self._with_room(command, lambda _db: None)

    def finish(self, report: Report, now: float | None = None) -> None:
        """Store how the command ended; the first end is the one that stays."""
        moment = time.time() if now is None else now
        text = json.dumps(encode(report))
        self._guarded(
            lambda db: db.execute(
                "UPDATE command SET report = ?, finished_at = ? WHERE id = ? AND report IS NULL",
                (text, moment, report.command_id),
            )
        )
        self._added_entries += 1
        self._added_bytes += len(text)
        if self._added_entries >= PRUNE_ENTRIES or self._added_bytes >= PRUNE_BYTES:
            self.prune(moment)

    def forget_unfinished(self, wanted: set[str]) -> list[str]:
        """Drop unfinished commands the controller no longer lists; returns their ids."""

        def forget(db: sqlite3.Connection) -> list[str]:
            rows = db.execute("SELECT id FROM command WHERE report IS NULL").fetchall()
            dropped = [row[0] for row in rows if row[0] not in wanted]
            db.executemany("DELETE FROM command WHERE id = ?", [(id_,) for id_ in dropped])
            return dropped

        return self._guarded(forget)

    def highest(self, subject_id: str) -> int:
        """The newest generation seen for the subject; 0 when it is unknown."""
        return self._guarded(lambda db: _highest(db, subject_id))

    def prune(self, now: float | None = None) -> int:
        """Forget finished commands that are old, too many or too large; returns how many.

        A subject's generation is kept as long again, so that a late command of
        a deleted resource is still refused.
        """
        moment = time.time() if now is None else now
        self._added_entries = self._added_bytes = 0
        return self._guarded(lambda db: _prune(db, moment))

    def hold_room(self) -> None:
        """Hold back what deleting needs on a full disk, as soon as there is so much."""
        try:
            self._reserve.hold()
        except (AgentError, OSError) as error:
            log.warning("no room can be held back on the disk: %s", error)

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()

    def _with_room(self, command: Command, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do it; on a full disk once more, in what is held back for taking things away."""
        try:
            return self._guarded(work)
        except (sqlite3.Error, OSError) as error:
            if not (_wants_room(error) and _takes_away(command) and self._reserve.give()):
                raise
            log.warning("the disk is full; %s is begun in what was held back", command.verb)
            return self._guarded(work)

    def _guarded(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do it under the lock; once more on a new journal when this one proves damaged."""
        with self._lock:
            try:
                return work(self._db)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self.close()
                self._set_aside(error)
                self._opened = self._open()
                return work(self._opened)

    def _open_sound(self) -> sqlite3.Connection:
        try:
            db = self._open()
            found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found == "ok":
                return db
            db.close()
            self._set_aside(found)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._set_aside(error)
        return self._open()

    def _open(self) -> sqlite3.Connection:
        # SQLite gives the files beside the journal the mode of the journal itself.
        self._path.touch(0o600)
        self._path.chmod(0o600)
        db = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
            db.executescript(_SCHEMA)
        except BaseException:
            db.close()
            raise
        # The files' names must survive, too.
        sync_folder(self._path.parent)
        return db

    def _set_aside(self, why: object) -> None:
        """Keep the damaged file for whoever looks into it; only the newest of them."""
        aside = damaged(self._path)
        log.error(
            "ALARM: the journal %s is damaged (%s); it is kept as %s and a new one is begun",
            *(self._path, why, aside.name),
        )
        self._path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def damaged(path: Path) -> Path:
    """Where a journal that was damaged is kept."""
    return path.with_name(path.name + ".damaged")


def _begin(db: sqlite3.Connection, command: Command, moment: float) -> bool:
    db.execute("BEGIN IMMEDIATE")
    try:
        if _highest(db, command.subject_id) > command.generation:
            db.execute("ROLLBACK")
            return False
        body = json.dumps(encode(replace(command, payload={})))
        db.execute(
            "INSERT INTO command (id, subject_id, generation, body, started_at)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            (command.id, command.subject_id, command.generation, body, moment),
        )
        db.execute(
            "INSERT INTO subject (id, generation, seen_at) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET generation = excluded.generation,"
            " seen_at = excluded.seen_at",
            (command.subject_id, command.generation, moment),
        )
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return True


def _prune(db: sqlite3.Connection, moment: float) -> int:
    gone = db.execute(
        "DELETE FROM command WHERE finished_at IS NOT NULL AND (finished_at < ? OR id IN"
        " (SELECT id FROM (SELECT id, row_number() OVER newest AS place,"
        "   sum(length(report) + length(body)) OVER newest AS bytes"
        "   FROM command WHERE finished_at IS NOT NULL"
        "   WINDOW newest AS (ORDER BY finished_at DESC, id))"
        "  WHERE place > ? OR bytes > ?))",
        (moment - KEEP_SECONDS, KEEP_ENTRIES, KEEP_BYTES),
    ).rowcount
    db.execute(
        "DELETE FROM subject WHERE (seen_at < ? OR id IN"
        " (SELECT id FROM subject ORDER BY seen_at DESC LIMIT -1 OFFSET ?))"
        " AND id NOT IN (SELECT subject_id FROM command)",
        (moment - 2 * KEEP_SECONDS, KEEP_SUBJECTS),
    )
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return gone


def _highest(db: sqlite3.Connection, subject_id: str) -> int:
    row: Any = db.execute("SELECT generation FROM subject WHERE id = ?", (subject_id,)).fetchone()
    return int(row[0]) if row else 0


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is broken, not the disk full or another's lock in the way."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def _takes_away(command: Command) -> bool:
    """Whether all that it asks for is that something be absent."""
    parts = command.payload.get("parts") or [{"verb": command.verb}]
    return all(
        isinstance(part, dict) and str(part.get("verb")).endswith("_absent") for part in parts
    )


def _wants_room(error: Exception) -> bool:
    """Whether it may be for a full disk that the journal cannot be opened."""
    if isinstance(error, OSError):
        return from_os_error(error, "").code == "no_space"
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in NO_ROOM
