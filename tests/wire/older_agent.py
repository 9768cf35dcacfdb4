"""A host whose agent is of a recorded older version: it sends what that one sent.

Nothing here knows the contract of today.  What the host says are recorded
messages with the ids of this run put in; what it is told must have exactly
the shape that the older agent was told, because it refused anything else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

Message = dict[str, Any]


class OlderAgent:
    """``join`` first; ``work`` does every command that is open and returns their verbs."""

    def __init__(self, client: FlaskClient, session: Path) -> None:
        self._client = client
        self._messages: list[Message] = json.loads(session.read_text())
        self._told = {command["verb"]: command for command in self._commands()}
        self._answers = self._final_reports()
        self._headers: dict[str, str] = {}
        self._sequence = 0

    def join(self, token: str) -> None:
        body = {**self._sent("join"), "token": token}
        answer = self._client.post("/agents/v1/join", json=body)
        assert answer.status_code == 201, answer.text
        credential = f"{answer.json['host_id']}.{answer.json['secret']}"
        self._headers = {"Authorization": f"Bearer {credential}"}
        self._send("PUT", "inventory", self._sent("inventory"))
        self._tell([], full=True)

    def work(self) -> list[str]:
        done = []
        listed = self._client.get("/agents/v1/commands", headers=self._headers)
        assert listed.status_code == 200, listed.text
        for command in listed.json["commands"]:  # type: ignore[index]
            verb = command["verb"]
            assert shape(command) == shape(self._told[verb]), f"{verb} is not as it was"
            self._look(verb, command)
            report = {**self._answers[verb], "command_id": command["id"]}
            self._send("POST", "reports", {"reports": [report]})
            done.append(verb)
        return done

    def _look(self, verb: str, command: Message) -> None:
        """Tell of the guest what the older agent told after such a command."""
        subject = command["subject_id"]
        if verb in ("ensure_running", "ensure_stopped"):
            power = "running" if verb == "ensure_running" else "shutoff"
            state = next(
                each
                for message in self._messages
                if message["path"] == "domains"
                for each in message["request"]["domains"]
                if each["power"] == power
            )
            boot = command["payload"].get("domain", {}).get("boot", state["boot"])
            self._tell([{**state, "instance_id": subject, "boot": boot}])
        elif verb == "ensure_domain_absent":
            self._tell([], gone=[subject])

    def _tell(self, domains: list[Message], **fields: Any) -> None:
        self._sequence += 1
        body = {
            **self._sent("domains"),
            "full": False,
            "sequence": self._sequence,
            "domains": domains,
            **fields,
        }
        assert body.keys() == self._sent("domains").keys()
        self._send("POST", "domains", body)

    def _send(self, method: str, path: str, body: Message) -> None:
        answer = self._client.open(
            f"/agents/v1/{path}", method=method, json=body, headers=self._headers
        )
        assert answer.status_code == 200, answer.text

    def _sent(self, path: str) -> Message:
        message: Message = next(each for each in self._messages if each["path"] == path)["request"]
        return message

    def _commands(self) -> list[Message]:
        return [
            command
            for message in self._messages
            if message["path"] == "commands"
            for command in message["answer"]["commands"]
        ]

    def _final_reports(self) -> dict[str, Message]:
        verbs = {command["id"]: command["verb"] for command in self._commands()}
        return {
            verbs[report["command_id"]]: report
            for message in self._messages
            if message["path"] == "reports"
            for report in message["request"]["reports"]
            if report["status"] == "done"
        }


def shape(value: Any) -> Any:
    """Keys and kinds of values; what a list holds is described by its first entry."""
    if isinstance(value, dict) and "files" not in value:
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return "number" if isinstance(value, int | float) else type(value).__name__
