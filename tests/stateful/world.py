"""The cloud of the stateful test and what is known of it: plain dictionaries.

Users' wishes go through the HTTP API.  ``drain`` ends every mishap, lets all
operations end, brings the model up to date by how they ended, and compares:
``webcloud verify`` finds nothing but what the model knows to be broken, and
the API lists what the model says.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import libvirt
import pytest
from sqlalchemy import select, update

from agents.controller_api import Refused, Unreachable
from agents.surveying import digest_of
from agents.wire.reports import SurveyReport
from tests.images.calls import Images
from tests.instances.compute import Compute
from tests.support import schemas
from tests.support.file_faults import error, file_faults
from tests.support.operations import expire, turn
from tests.support.people import Person, make_person
from tests.support.session_libvirtd import Hypervisors
from tests.support.small_cloud import SmallCloud
from tests.support.stepped_host import SteppedHost, through
from webcloud.conductor import queries
from webcloud.conductor.models import OperationRow
from webcloud.db import now
from webcloud.drift import surveys
from webcloud.hosts import commands, hearing, presence, silence
from webcloud.hosts.models import Host
from webcloud.identity.callers import Caller
from webcloud.images.models import Image
from webcloud.instances import flavors, reconcile
from webcloud.instances.operations.repair import RepairInstance
from webcloud.networks import service as networks

ROUNDS = 200
STATUS = {"running": "ACTIVE", "shutoff": "SHUTOFF", "absent": "ERROR", "broken": "ERROR"}
# What may honestly go wrong when a host's disk is full or no host is open.
HONEST = {"no_capacity", "no_space", "io", "image_missing"}
STAYS = {"absent": "shutoff"}
ENDS = {
    "instance.create": "running",
    "instance.start": "running",
    "instance.reboot": "running",
    "instance.hard_reboot": "running",
    "instance.stop": "shutoff",
}


class World:
    """``instances``: id -> {name, power, busy, deleted, image}; power is a key of STATUS."""

    def __init__(self, hypervisors: Hypervisors) -> None:
        shared = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(prefix="wc-", dir=shared if shared.is_dir() else None))
        url = schemas.chosen.with_people(self.folder / "webcloud.db")
        self._url = url
        self._hypervisors = hypervisors
        self.cloud = SmallCloud(self.folder / "cloud", url, hypervisors)
        self.operator = make_person(self.cloud.app, "admin", "admin", "admin")
        self.user = make_person(self.cloud.app, "mai", "member", "blue")
        self.hosts = [self.cloud.add_host(), self.cloud.add_host()]
        with self.cloud.database.transaction() as session:
            flavors.ensure_defaults(session)
            networks.ensure_default(session, self.user.project_id, "10.9.8.0/24")
        client = self.cloud.app.test_client()
        self.compute, self.admin = Compute(client, self.user), Compute(client, self.operator)
        self.uploads = Images(client, self.user)
        self.instances: dict[str, dict[str, Any]] = {}
        self.images: dict[str, str] = {}
        self.keys: set[str] = set()
        self.flavors: set[str] = set()
        self.closed: set[str] = set()
        self.full: set[str] = set()
        self.quota = 10
        self.honest_trouble = False
        self.known: set[str] = set()
        self.surveys = 0
        self._faults = contextlib.ExitStack()
        patch = self._faults.enter_context(pytest.MonkeyPatch.context())
        # Time stands still here: no pause is waited for, and nothing is too old or too young.
        patch.setattr(commands, "LONGEST_PAUSE", 0.0)
        patch.setattr(reconcile, "SETTLED_AFTER", timedelta(0))
        patch.setattr(presence, "SILENT_AFTER", timedelta(hours=1))
        patch.setattr(surveys, "ON_ITS_WAY", timedelta(0))
        # It has listened for ever, so that whoever is silent is missed.
        patch.setattr(presence, "_listening_since", now() - timedelta(days=1))
        patch.setattr(presence, "listen_anew", lambda: None)
        for host in self.hosts:
            folder = self.folder / "cloud" / f"host-{self.hosts.index(host)}"
            self._faults.enter_context(
                file_faults(folder, lambda _n, h=host: self._disk(h), writes_only=True)
            )

    def _disk(self, host: SteppedHost) -> None:
        if host.name in self.full and threading.current_thread().name.startswith("command"):
            raise error("ENOSPC")

    def caller(self, person: Person) -> Caller:
        role = "admin" if person is self.operator else "member"
        return Caller(
            person.user_id, person.name, person.project_id, person.project_name, frozenset({role})
        )

    def live(self) -> dict[str, dict[str, Any]]:
        """The instances that nobody has asked to delete."""
        return {key: each for key, each in self.instances.items() if not each["deleted"]}

    def idle(self, *powers: str) -> list[str]:
        """Live instances without a wish under way, in one of these states."""
        return [
            key
            for key, each in sorted(self.live().items())
            if not each["busy"] and each["power"] in powers
        ]

    def unfinished(self) -> list[str]:
        with self.cloud.database.reading() as session:
            question = select(OperationRow.id).where(OperationRow.finished_at.is_(None))
            return list(session.scalars(question.order_by(OperationRow.created_at)))

    def domain(self, instance_id: str) -> Any:
        """The instance's domain, looked up behind everybody's back."""
        for number in range(len(self.hosts)):
            with contextlib.suppress(libvirt.libvirtError):
                return self._hypervisors[number].holder.lookupByUUIDString(instance_id)
        return None

    def work(self) -> None:
        """A worker's turn at every operation, and one round of every host."""
        for operation_id in self.unfinished():
            turn(self.cloud.database, operation_id)
        self.cloud.round()
        self._learn()

    def finish(self, subject_id: str) -> None:
        """Carry on what is under way with this resource until it has ended."""
        for _ in range(ROUNDS):
            with self.cloud.database.reading() as session:
                row = queries.active_operation(session, "image", subject_id)
            if row is None:
                return
            turn(self.cloud.database, row.id)
            time.sleep(0.01)
        raise AssertionError("it does not end")

    def notice(self) -> None:
        """Every host speaks, is heard, and tells what its guests are doing."""
        for host in self.hosts:
            host.silent, host.wire = False, through
        for _ in range(2):
            self.cloud.round()

    def notice_silence(self) -> None:
        """The time passes after which a silent host is missed; no other host is."""
        ids = [host.id for host in self.hosts if host.silent]
        hearing.of(self.cloud.database).write_all(self.cloud.database)
        long_ago = now() - 2 * presence.SILENT_AFTER
        with self.cloud.database.transaction() as session:
            session.execute(update(Host).where(Host.id.in_(ids)).values(last_seen_at=long_ago))
        silence.notice(self.cloud.database)
        with self.cloud.database.reading() as session:
            missed = select(Host.id).where(Host.silent_since.is_not(None))
            assert set(session.scalars(missed)) == set(ids)
        # Nothing can be placed there.
        self.honest_trouble = True

    def survey(self) -> None:
        """Every host that can be heard looks at itself and tells; what is missing is repaired."""
        for host in self.hosts:
            if host.silent or host.dead.is_set():
                continue
            self.surveys += 1
            told = host.agent._survey()
            with contextlib.suppress(Unreachable, Refused):
                host.agent.api.survey(SurveyReport("run", self.surveys, digest_of(told), 0.0, told))
        self.learn_of(RepairInstance.kind, "repair")

    def learn_of(self, kind: str, busy: str) -> None:
        """What has been begun by the cloud itself."""
        with self.cloud.database.reading() as session:
            begun = select(OperationRow.subject_id).where(
                OperationRow.kind == kind, OperationRow.finished_at.is_(None)
            )
            for instance_id in session.scalars(begun):
                self.instances[instance_id]["busy"] = busy

    def leases_end(self) -> None:
        for operation_id in self.unfinished():
            expire(self.cloud.database, operation_id)

    def drain(self) -> None:
        """End all trouble, let everything end, and hold the cloud against the model."""
        self.full.clear()
        self.notice()
        for _ in range(ROUNDS):
            waiting = self.unfinished()
            if not waiting:
                break
            for operation_id in waiting:
                turn(self.cloud.database, operation_id)
            self.cloud.round()
        assert not self.unfinished(), "operations do not end"
        self.notice()
        self._learn()
        assert not any(each["deleted"] or each["busy"] for each in self.instances.values())
        self.honest_trouble = bool(self.closed)
        self._compare()

    def _learn(self) -> None:
        """How the operations ended that had not when the model was last brought up to date."""
        with self.cloud.database.reading() as session:
            ended = select(OperationRow).where(OperationRow.finished_at.is_not(None))
            rows = session.scalars(ended.order_by(OperationRow.created_at)).all()
        for row in rows:
            if row.id in self.known:
                continue
            self.known.add(row.id)
            if row.subject_type != "instance":
                assert row.status in ("done", "cancelled"), f"{row.kind}: {row.error_code}"
                continue
            instance = self.instances[row.subject_id]
            if not instance["deleted"]:
                instance["busy"] = ""
            if row.kind == "instance.delete":
                assert row.status == "done", f"{row.status} {row.error_code}"
                instance["power"] = "gone"
            elif row.kind == RepairInstance.kind and row.status == "done":
                # Its definition is back; nothing is ever started.
                instance["power"] = STAYS.get(instance["power"], instance["power"])
            elif row.status == "done":
                # Stopping a guest whose domain was taken away leaves it away.
                if not (row.kind == "instance.stop" and instance["power"] == "absent"):
                    # Moving leaves the power as it was.
                    instance["power"] = ENDS.get(row.kind, instance["power"])
            elif row.status == "cancelled":
                assert instance["deleted"], "cancelled, but nobody deleted it"
            else:
                assert self.honest_trouble, f"{row.kind} failed for nothing: {row.error_code}"
                assert row.error_code in HONEST, f"{row.kind} failed: {row.error_code}"
                if row.kind == "instance.create":
                    instance["power"] = "broken"
        self.instances = {k: v for k, v in self.instances.items() if v["power"] != "gone"}

    def _compare(self) -> None:
        listed = self.compute.get("/servers/detail")["servers"]
        told = {each["id"]: (each["name"], each["status"]) for each in listed}
        assert told == {
            key: (each["name"], STATUS[each["power"]]) for key, each in self.instances.items()
        }
        limits = self.compute.get("/limits")["limits"]["absolute"]
        assert limits["totalInstancesUsed"] == len(self.instances)
        assert limits["maxTotalInstances"] == self.quota
        pairs = self.compute.get("/os-keypairs")["keypairs"]
        assert {each["keypair"]["name"] for each in pairs} == self.keys
        with self.cloud.database.reading() as session:
            rows = session.scalars(select(Image).where(Image.deleted_at.is_(None))).all()
            assert {row.id: row.status for row in rows} == self.images
        missing = {f"I9 {key}" for key, each in self.instances.items() if each["power"] == "absent"}
        found = {str(each).split(":")[0]: str(each) for each in self.cloud.problems()}
        unexpected = [line for key, line in found.items() if key not in missing]
        assert not unexpected, "\n".join(unexpected)
        assert missing <= set(found)

    def end(self) -> None:
        """Leave nothing behind."""
        self._faults.close()
        self.cloud.close()
        schemas.chosen.drop(self._url)
        shutil.rmtree(self.folder)
