"""Users who never give up: requests through the real API, each sent until it is answered.

A request counts as accepted when it got an answer that says so.  What got no
answer is sent again, a create with the same Idempotency-Key; so nothing that
was accepted goes unknown.
"""

from __future__ import annotations

import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import requests

from tests.chaos.cloud import ChaosCloud
from tests.chaos.wishes import ACTIONS, WISHES, Sent
from tests.support.stock_api import VERSION

COMPUTE = "/compute/v2.1/servers"
# How many of those who see their instance being built want it gone at once.
HASTE = 0.15
ANSWER_SECONDS, GIVE_UP_SECONDS = 20, 240
MOST_TRIES = 10


class Workload:
    """``rate`` requests a second on about ``population`` instances."""

    def __init__(self, cloud: ChaosCloud, rng: random.Random, rate: float, population: int) -> None:
        self._cloud, self._rng = cloud, rng
        self._rate, self._population = rate, population
        self._pool = ThreadPoolExecutor(16)
        self._local = threading.local()
        self._stop = threading.Event()
        self._busy: set[str] = set()
        self._servers: dict[str, str] = {}
        self._pending = 0
        self._flavor = cloud.api.flavor("tiny")
        self._token = cloud.api.http.headers["X-Auth-Token"]
        self.sent: list[Sent] = []
        self._threads = [threading.Thread(target=each) for each in (self._look, self._wish)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wish for nothing more, and wait for the last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown(wait=True)

    def save(self, path: Path) -> None:
        path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in self.sent))

    def delete_all(self) -> None:
        """Delete what is left, as every user would in the end."""
        self._pool = ThreadPoolExecutor(8)
        for server in self._list():
            self._submit(Sent("delete", "", time.time(), server["id"]))
        self._pool.shutdown(wait=True)

    def _wish(self) -> None:
        while not self._stop.wait(self._rng.expovariate(self._rate)):
            if len(self._busy) + self._pending > 12:
                continue  # Nobody answers: users wait, too.
            wish = self._draw()
            if wish is not None:
                self._submit(wish)

    def _draw(self) -> Sent | None:
        free = {id_: status for id_, status in self._servers.items() if id_ not in self._busy}
        room = self._population - len(self._servers) - self._pending
        if not free or self._rng.random() < room / self._population:
            return Sent("create", f"chaos-{len(self.sent):06}", time.time())
        instance_id = self._rng.choice(sorted(free))
        if free[instance_id] == "BUILD" and self._rng.random() > HASTE:
            return None
        wishes = WISHES.get(free[instance_id])
        if wishes is None:
            return None
        verb = self._rng.choices(list(wishes), list(wishes.values()))[0]
        return Sent(verb, "", time.time(), instance_id)

    def _submit(self, sent: Sent) -> None:
        self.sent.append(sent)
        if sent.instance_id:
            self._busy.add(sent.instance_id)
        else:
            self._pending += 1
        self._pool.submit(self._carry_out, sent)

    def _carry_out(self, sent: Sent) -> None:
        try:
            answer = self._send(sent)
            if answer is not None and sent.verb == "create" and sent.accepted:
                sent.instance_id = answer.json()["server"]["id"]
                self._servers.setdefault(sent.instance_id, "")
        finally:
            sent.ended = time.time()
            if sent.verb == "create":
                self._pending -= 1
            self._busy.discard(sent.instance_id)

    def _send(self, sent: Sent) -> requests.Response | None:
        method, path, body = "POST", COMPUTE, None
        headers = {}
        if sent.verb == "create":
            headers["Idempotency-Key"] = sent.key
            names = {"name": sent.key, "imageRef": self._cloud.image_id}
            body = {"server": {**names, "flavorRef": self._flavor, "networks": "auto"}}
        elif sent.verb == "delete":
            method, path = "DELETE", f"{COMPUTE}/{sent.instance_id}"
        else:
            path, body = f"{COMPUTE}/{sent.instance_id}/action", ACTIONS[sent.verb]
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < give_up:
            url = self._cloud.urls[sent.tries % len(self._cloud.urls)]
            sent.tries += 1
            try:
                answer = self._http().request(
                    method, url + path, json=body, headers=headers, timeout=ANSWER_SECONDS
                )
            except requests.RequestException:
                time.sleep(0.3)
                continue
            if answer.status_code == 409 and sent.verb == "create" and sent.tries < MOST_TRIES:
                # Its first sending may be at work at this moment.
                time.sleep(0.5)
                continue
            if answer.status_code < 500:
                sent.status = answer.status_code
                sent.request_id = answer.headers.get("X-Openstack-Request-Id", "")
                return answer
            sent.unclear.append(answer.status_code)
            time.sleep(0.5)
        return None

    def _look(self) -> None:
        while not self._stop.wait(1.5):
            try:
                listed = self._list()
            except requests.RequestException:
                continue
            self._servers = {
                each["id"]: "" if each["OS-EXT-STS:task_state"] == "deleting" else each["status"]
                for each in listed
                if not each["OS-EXT-STS:task_state"] or each["status"] == "BUILD"
            }

    def _list(self) -> list[dict[str, Any]]:
        """Every server, from whichever controller answers."""
        url = random.choice(self._cloud.urls)
        answer = self._http().get(f"{url}{COMPUTE}/detail", timeout=ANSWER_SECONDS)
        if not answer.ok:
            raise requests.RequestException(str(answer.status_code))
        servers: list[dict[str, Any]] = answer.json()["servers"]
        return servers

    def _http(self) -> requests.Session:
        if not hasattr(self._local, "http"):
            self._local.http = requests.Session()
            self._local.http.headers["OpenStack-API-Version"] = VERSION
            self._local.http.headers["X-Auth-Token"] = self._token
        http: requests.Session = self._local.http
        return http
