"""One agent put together: what belongs to whom, and the order of start and end.

A libvirt that does not answer, a controller that is away or a credential that
is refused never end the agent; each is tried again while the rest works.
Stopping leaves guests, bridges and DHCP servers exactly as they are.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from agents import inventory
from agents.channel import Channel
from agents.compute import console_log
from agents.compute.consoles import ConsoleServer
from agents.compute.domain_xml import HostFacts
from agents.compute.states import DomainWatcher, power_after
from agents.config import AgentConfig
from agents.controller_api import ControllerApi
from agents.credential import Credential
from agents.dispatch import Dispatcher, Last
from agents.errors import AgentError
from agents.handlers import HostParts, build_handlers
from agents.hints import Hints
from agents.journal import Journal
from agents.libvirt_host import LibvirtHost
from agents.network.networks import Networks
from agents.outbox import Outbox
from agents.storage import files
from agents.storage.disks import SERIAL_LOG, InstanceFiles
from agents.storage.images import ImageCache
from agents.survey import take_survey
from agents.surveying import Surveyor
from agents.telling import Teller
from agents.watchdog import Watchdog
from agents.wire.reports import Inventory, Repair, Report, SurveyResult

log = logging.getLogger(__name__)

JOIN_RETRY_SECONDS = RESTART_SECONDS = 1.0
PRUNE_SECONDS = 3600.0


class Agent:
    """``run`` blocks until ``stop`` is called from a signal handler or a test."""

    def __init__(self, config: AgentConfig, api: ControllerApi | None = None) -> None:
        files.ensure_parent(config.state_dir)
        files.ensure_parent(config.run_dir)
        files.ensure_folder(config.state_dir)
        self._config = config
        self._stop = threading.Event()
        self._facts: HostFacts | None = None
        self._pruned_at = float("-inf")
        self.api = api or ControllerApi(config.controller, config.ca_file)
        self.credential = Credential(config, self.api)
        self.libvirt = LibvirtHost(
            inventory.libvirt_uri(config), self._domain_event, inventory.host_uuid(config)
        )
        self.images = ImageCache(
            config.images_dir, config.instances_dir, self.api, self._images_changed
        )
        self.instances = InstanceFiles(config.instances_dir, self.images)
        self.networks = None if config.virt == "test" else Networks(config.networks_dir)
        self.watcher = DomainWatcher(self.libvirt)
        self.surveyor = Surveyor(
            self._keep_house, self._survey, self.api.survey, config.survey_seconds
        )
        self.teller = Teller(
            self.api,
            self.watcher,
            self._inventory,
            self.surveyor.standing,
            config.survey_seconds,
        )
        self.journal = Journal(config.journal_file)
        self.outbox = Outbox()
        parts = HostParts(
            self.libvirt, self.facts, self.images, self.instances, self.networks, self.api
        )
        self.dispatcher = Dispatcher(
            self.journal, build_handlers(parts), self._report, self._settled
        )
        self.channel = Channel(
            self.api,
            self.dispatcher,
            self.journal,
            self.outbox,
            on_unauthorized=self._unauthorized,
            on_recovery=self._tell_all,
            hinted=self._hinted,
        )
        self.watchdog = Watchdog({"claim": self.channel.claiming, "report": self.channel.reporting})
        self.hints = Hints(
            config.controller,
            self.credential.pair,
            self.channel.work_hint,
            self._connected,
            ca_file=config.ca_file,
        )
        self.consoles = ConsoleServer(self.libvirt, config.console_socket, config.console_group)

    def facts(self) -> HostFacts:
        """What guests run on; probed once. Raises AgentError while libvirt is down."""
        if self._facts is None:
            self._facts = inventory.probe(self._config, self.libvirt)
            log.info("guests run on %s, %s", self._facts.hypervisor, self._facts.architecture)
        return self._facts

    def run(self) -> None:
        log.info("agent %s starts, controller %s", self._config.name, self._config.controller)
        self.libvirt.start()
        self.consoles.start()
        if self.networks is not None:
            self.networks.repair()
        if not self._get_credential():
            return
        for name, body in (
            ("claim", self.channel.claim_forever),
            ("report", self.channel.report_forever),
            ("tell", self.teller.run),
            ("survey", self.surveyor.run),
            ("hints", self.hints.run),
            ("watchdog", self.watchdog.run),
        ):
            threading.Thread(target=self._kept, args=(body,), name=name, daemon=True).start()
        self._stop.wait()
        self._finish()

    def stop(self) -> None:
        self._stop.set()

    def _kept(self, body: Callable[[], None]) -> None:
        """Run ``body`` to its end, and again should a defect or a full disk break it."""
        while not self._stop.is_set():
            try:
                body()
            except Exception:
                log.exception("%s broke and starts again", threading.current_thread().name)
                self._stop.wait(RESTART_SECONDS)

    def _finish(self) -> None:
        """End quickly; what runs now is in the journal and goes on at the next start."""
        self.watchdog.stop()
        self.consoles.stop()
        self.hints.stop()
        self.dispatcher.stop()
        self.outbox.drain(1.0)
        self.channel.stop()
        self.teller.stop()
        self.surveyor.stop()
        self.libvirt.stop()
        log.info("agent %s has ended; guests are left as they are", self._config.name)

    def _get_credential(self) -> bool:
        told = False
        while not self._stop.is_set():
            if self.credential.load() or self.credential.join():
                return True
            if not told:
                log.warning("no credential yet: waiting for a join token that is accepted")
                told = True
            self._stop.wait(JOIN_RETRY_SECONDS)
        return False

    def _unauthorized(self) -> None:
        log.error(
            "the controller does not accept this host's credential; "
            "if it has been revoked, give the agent a new join token"
        )
        self.credential.join()

    def _hinted(self) -> bool:
        return self.hints.connected.is_set()

    def _connected(self) -> None:
        self.channel.work_hint()
        self._tell_all()

    def _tell_all(self) -> None:
        self.teller.tell_all()
        self.surveyor.soon()

    def _domain_event(self, instance_id: str) -> None:
        if instance_id:
            if self.dispatcher.works_on(instance_id):
                self.teller.domain_event(instance_id, at_work=True)
                if self.dispatcher.works_on(instance_id):
                    return
                # Its last command ended between the two, and may not have seen this.
            self.teller.domain_event(instance_id)
            self.surveyor.soon()
        else:
            # libvirt has come (back): the host itself may look different now.
            self._tell_all()

    def _report(self, report: Report) -> None:
        self.outbox.put(report)
        if report.status != "running":
            self.surveyor.after_work()

    def _settled(self, subject_id: str, last: Last | None) -> None:
        self.teller.settled(subject_id, power_after(*last) if last else None)

    def _survey(self) -> SurveyResult:
        return take_survey(self.libvirt, self.images, self.instances, self.networks)

    def _images_changed(self) -> None:
        self.teller.inventory_changed()

    def _inventory(self) -> Inventory:
        try:
            facts = self.facts()
        except AgentError:
            # Told all the same, so that an operator sees the host and what ails it.
            facts = inventory.assumed(self._config)
        return inventory.take(self._config, self.libvirt, facts, self.images.cached())

    def _keep_house(self) -> list[Repair]:
        """Tidy up and mend what is this host's own to mend; what had to be mended."""
        self.images.forget_parts()
        self.journal.hold_room()
        if time.monotonic() - self._pruned_at >= PRUNE_SECONDS:
            self._pruned_at = time.monotonic()
            try:
                self.journal.prune()
            except (sqlite3.Error, OSError) as error:
                log.warning("the journal could not be pruned: %s", error)
        for instance_id in self.instances.present()[0]:
            try:
                console_log.trim(self.instances.folder_of(instance_id) / SERIAL_LOG)
            except (AgentError, OSError) as error:
                log.warning("the serial log of %s: %s", instance_id, error)
        return [] if self.networks is None else self.networks.repair()
