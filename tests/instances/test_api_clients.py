"""Stock clients against the application on a real socket: openstacksdk and the openstack CLI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import openstack
import pytest
from argon2 import PasswordHasher
from openstack import exceptions
from sqlalchemy import delete, update

from tests.support import schemas
from tests.support.furnished import Furnished, furnish
from tests.support.live_server import free_port, serving
from tests.support.people import PASSWORD
from webcloud import create_app
from webcloud.conductor.models import OperationRow
from webcloud.config import Config
from webcloud.db import Database
from webcloud.hosts import presence
from webcloud.identity import passwords
from webcloud.identity.bootstrap import ensure_admin
from webcloud.instances.models import Instance

CLI = Path(sys.executable).with_name("openstack")


class Site:
    """A served application with its operator's login."""

    def __init__(self, url: str, database: Database, furnished: Furnished) -> None:
        self.url, self.database, self.furnished = url, database, furnished
        self.login = {
            "auth_url": f"{url}/identity/v3",
            "username": "admin",
            "password": PASSWORD,
            "project_name": "admin",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }

    def cli(self, *arguments: str) -> Any:
        """The CLI's JSON answer; AssertionError with its words when it fails."""
        ended = self.try_cli(*arguments, "-f", "json")
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def try_cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        login = {f"OS_{name.upper()}": value for name, value in self.login.items()}
        environment = {**os.environ, **login, "OS_REGION_NAME": "RegionOne"}
        return subprocess.run(
            [str(CLI), *arguments],
            env={**environment, "OS_IDENTITY_API_VERSION": "3"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def at_rest(self, power: str) -> None:
        """As if the host had done what was asked and reported this power."""
        with self.database.transaction() as session:
            session.execute(delete(OperationRow))
            session.execute(
                update(Instance).values(
                    built=True, observed_power=power, host_id=self.furnished.host_id
                )
            )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state = tmp_path_factory.mktemp("site")
    (state / "controller").mkdir()
    port = free_port()
    settings = Config(
        state_dir=state,
        run_dir=state,
        database_url=schemas.chosen.with_tables(state / "controller" / "webcloud.sqlite"),
        virt="test",
        listen=f"127.0.0.1:{port}",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "hasher", PasswordHasher(1, 8, 1))
        passwords._nobody.cache_clear()
        # The commands of a real client take seconds each, and nobody speaks for the host.
        patch.setattr(presence, "SILENT_AFTER", timedelta(hours=1))
        app = create_app(replace(settings).with_defaults_filled())
        database: Database = app.extensions["webcloud"].database
        with database.transaction() as session:
            ensure_admin(session, PASSWORD)
        with serving(app, port) as url:
            yield Site(url, database, furnish(database))
        database.engine.dispose()


@pytest.fixture
def cloud(site: Site) -> Iterator[Any]:
    connection = openstack.connect(region_name="RegionOne", **site.login)
    yield connection
    for server in connection.compute.servers(details=False):
        connection.compute.delete_server(server)
    with site.database.transaction() as session:
        session.execute(delete(OperationRow))
        session.execute(delete(Instance))
    connection.close()


def test_the_sdk_creates_shows_and_deletes_a_server(cloud: Any, site: Site) -> None:
    made = cloud.create_server(
        name="sdk1", image="demo", flavor="tiny", network="default", wait=False, auto_ip=False
    )
    assert made.status == "BUILD"
    shown = cloud.compute.find_server("sdk1")
    shown = cloud.compute.get_server(shown)
    assert shown.flavor.original_name == "tiny"
    assert shown.addresses["default"][0]["addr"].startswith("10.77.0.")
    assert [each.name for each in cloud.list_servers()] == ["sdk1"]
    site.at_rest("running")
    assert cloud.get_server("sdk1").status == "ACTIVE"
    assert cloud.compute.get_server(shown).vm_state == "active"
    cloud.compute.stop_server(shown)
    assert cloud.compute.get_server(shown).task_state == "powering-off"
    with pytest.raises(exceptions.ConflictException, match="Another operation"):
        cloud.compute.start_server(shown)
    actions = list(cloud.compute.server_actions(shown))
    assert [each.action for each in actions] == ["stop"]
    cloud.compute.delete_server(shown)
    assert cloud.compute.get_server(shown).task_state == "deleting"


def test_the_sdk_reads_errors_in_words(cloud: Any, site: Site) -> None:
    with pytest.raises(exceptions.BadRequestException, match="There is no flavor 'huge'"):
        cloud.compute.create_server(
            name="x", flavor_id="huge", image_id=site.furnished.image_id, networks="auto"
        )
    with pytest.raises(exceptions.NotFoundException, match="could not be found"):
        cloud.compute.get_server("11111111-1111-4111-8111-111111111111")
    assert cloud.compute.find_server("nobody") is None


def test_the_sdk_handles_metadata_interfaces_and_logs(cloud: Any, site: Site) -> None:
    server = cloud.compute.create_server(
        name="parts",
        flavor_id="1",
        image_id=site.furnished.image_id,
        networks=[{"uuid": site.furnished.network_id, "fixed_ip": "10.77.0.77"}],
        metadata={"a": "b"},
    )
    cloud.compute.set_server_metadata(server, c="d")
    assert cloud.compute.fetch_server_metadata(server).metadata == {"a": "b", "c": "d"}
    cloud.compute.delete_server_metadata(server, ["a"])
    card = next(cloud.compute.server_interfaces(server))
    assert card.fixed_ips[0]["ip_address"] == "10.77.0.77"
    port = next(cloud.network.ports(device_id=server.id))
    assert port.id == card.port_id
    assert cloud.compute.get_server_console_output(server) == {"output": ""}
    assert cloud.compute.update_server(server, name="renamed").name == "renamed"


def test_the_sdk_manages_flavors_keys_and_quotas(cloud: Any) -> None:
    flavor = cloud.compute.create_flavor(name="sdk.flavor", ram=256, vcpus=1, disk=2)
    cloud.compute.create_flavor_extra_specs(flavor, {"a": "b"})
    assert cloud.compute.fetch_flavor_extra_specs(flavor).extra_specs == {"a": "b"}
    cloud.compute.delete_flavor(flavor)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIGVQrOlhmEtggc/O2NOpdSTASQI2AnmepI4Qp0gS345"
    cloud.create_keypair("sdk-key", key)
    assert cloud.get_keypair("sdk-key").public_key == key
    assert cloud.delete_keypair("sdk-key")
    assert cloud.compute.get_quota_set(cloud.current_project_id).cores == 40
    assert cloud.get_compute_limits().max_total_instances == 20
    assert [each.name for each in cloud.compute.hypervisors(details=True)] == ["n1"]
    assert [each.binary for each in cloud.compute.services()] == ["nova-compute"]
    assert [each.name for each in cloud.compute.availability_zones(details=True)] == ["nova"]


def test_the_cli_tells_a_servers_life(cloud: Any, site: Site) -> None:
    made = site.cli(
        *("server", "create", "--image", "demo", "--flavor", "tiny", "--network", "default"),
        *("--security-group", "default", "--property", "a=b", "cli1"),
    )
    assert made["status"] == "BUILD"
    assert made["addresses"]["default"]
    site.at_rest("running")
    listed = site.cli("server", "list", "--long")
    assert [(each["Name"], each["Status"], each["Image Name"]) for each in listed] == [
        ("cli1", "ACTIVE", "demo")
    ]
    for verb in (["stop"], ["start"], ["reboot"], ["reboot", "--hard"]):
        site.at_rest("shutoff" if verb == ["start"] else "running")
        ended = site.try_cli("server", *verb, "cli1")
        assert ended.returncode == 0, ended.stderr
    refused = site.try_cli("server", "pause", "cli1")
    assert refused.returncode != 0
    assert "does not offer the action 'pause'" in refused.stderr
    assert site.try_cli("server", "delete", "cli1").returncode == 0


@pytest.mark.parametrize(
    ("words", "column", "expected"),
    [
        ("flavor list", "Name", ["tiny", "small", "medium", "large"]),
        ("network list", "Name", ["default"]),
        ("subnet list", "Subnet", ["10.77.0.0/24"]),
        ("security group list", "Name", ["default"]),
        ("hypervisor list", "Hypervisor Hostname", ["n1"]),
        ("compute service list", "Host", ["n1"]),
        ("availability zone list --compute", "Zone Name", ["nova"]),
    ],
)
def test_the_cli_lists(words: str, column: str, expected: list[str], site: Site) -> None:
    assert [each[column] for each in site.cli(*words.split())] == expected


def test_the_cli_makes_flavors_and_keys_and_reads_limits(site: Site, tmp_path: Path) -> None:
    made = site.cli(
        *[
            "flavor",
            "create",
            "--ram",
            "512",
            "--vcpus",
            "1",
            "--disk",
            "1",
            "--property",
            "a=b",
            "m1.new",
        ]
    )
    assert (made["ram"], made["properties"]) == (512, {"a": "b"})
    assert site.try_cli("flavor", "delete", "m1.new").returncode == 0
    private = tmp_path / "k1"
    ended = site.try_cli("keypair", "create", "--private-key", str(private), "k1")
    assert ended.returncode == 0, ended.stderr
    assert [each["Name"] for each in site.cli("keypair", "list")] == ["k1"]
    assert "OPENSSH PRIVATE KEY" in private.read_text()
    limits = {each["Name"]: each["Value"] for each in site.cli("limits", "show", "--absolute")}
    assert (limits["instances"], limits["total_cores"]) == (20, 40)


def test_the_cli_manages_aggregates_and_zones(cloud: Any, site: Site) -> None:
    made = site.cli("aggregate", "create", "--zone", "z1", "--property", "disk=ssd", "fast")
    assert made["availability_zone"] == "z1"
    assert made["properties"]["disk"] == "ssd"
    try:
        assert site.cli("aggregate", "add", "host", "fast", "n1")["hosts"] == ["n1"]
        zones = site.cli("availability", "zone", "list", "--compute", "--long")
        assert [(each["Zone Name"], each["Host Name"]) for each in zones] == [("z1", "n1")]
        ended = site.try_cli("aggregate", "set", "--property", "net=10g", "fast")
        assert ended.returncode == 0, ended.stderr
        ended = site.try_cli("aggregate", "unset", "--property", "disk", "fast")
        assert ended.returncode == 0, ended.stderr
        shown = site.cli("aggregate", "show", "fast")
        assert (shown["hosts"], shown["properties"]["net"]) == (["n1"], "10g")
        assert "disk" not in shown["properties"]
        refused = site.try_cli("aggregate", "delete", "fast")
        assert "Aggregate fast has hosts" in refused.stderr + refused.stdout
    finally:
        site.cli("aggregate", "remove", "host", "fast", "n1")
        assert site.try_cli("aggregate", "delete", "fast").returncode == 0
    assert site.cli("aggregate", "list") == []


def test_the_cli_creates_a_server_in_a_group_and_a_zone(cloud: Any, site: Site) -> None:
    group = site.cli(
        *("server", "group", "create", "--policy", "anti-affinity"),
        *("--rule", "max_server_per_host=2", "apart"),
    )
    listed = site.cli("server", "group", "list", "--long")
    assert [(each["Name"], each["Policy"]) for each in listed] == [("apart", "anti-affinity")]
    made = site.cli(
        *("server", "create", "--image", "demo", "--flavor", "tiny", "--network", "default"),
        *("--hint", f"group={group['id']}", "--availability-zone", "nova:n1", "cli2"),
    )
    assert made["server_groups"] == [group["id"]]
    assert made["pinned_availability_zone"] == "nova"
    beside = site.cli(
        *("server", "create", "--image", "demo", "--flavor", "tiny", "--network", "default"),
        *("--hint", f"different_host={made['id']}", "cli3"),
    )
    shown = site.cli("server", "group", "show", "apart")
    assert shown["members"] == [made["id"]]
    assert shown["rules"] == {"max_server_per_host": 2}
    refused = site.try_cli(
        *("server", "create", "--image", "demo", "--flavor", "tiny", "--network", "default"),
        *("--hint", "query=[]", "cli4"),
    )
    assert "query" in refused.stderr
    assert not beside["server_groups"]
    assert site.try_cli("server", "group", "delete", "apart").returncode == 0
