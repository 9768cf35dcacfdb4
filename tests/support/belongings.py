"""One of everything a project or a user can own, for tests of who may touch it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from tests.support.people import Person
from webcloud.conductor.models import OperationRow
from webcloud.db import new_id, now
from webcloud.identity.models import ApplicationCredential
from webcloud.images.models import Image
from webcloud.instances.models import Instance, KeyPair, ServerGroup
from webcloud.networks.models import Network, Port, Subnet

KINDS = [
    "instance_id",
    "image_id",
    "network_id",
    "subnet_id",
    "port_id",
    "operation_id",
    "credential_id",
    "group_id",
]


def give(session: Session, owner: Person) -> dict[str, str]:
    """Rows of every kind that belong to the owner; their ids by the routes' argument names."""
    moment = now()
    ids = {name: new_id() for name in KINDS}
    instance = Instance(
        id=ids["instance_id"],
        name="theirs",
        hostname="theirs",
        project_id=owner.project_id,
        user_id=owner.user_id,
        image_id=ids["image_id"],
        flavor_id="f",
        flavor_name="tiny",
        vcpus=1,
        memory_mb=128,
        disk_gb=1,
        user_metadata={"theirs": "1"},
        server_group_id=ids["group_id"],
        observed_power="running",
        built=True,
        created_at=moment,
        updated_at=moment,
    )
    image = Image(
        id=ids["image_id"],
        name="theirs",
        project_id=owner.project_id,
        created_at=moment,
        updated_at=moment,
    )
    network = Network(
        id=ids["network_id"],
        name="theirs",
        project_id=owner.project_id,
        created_at=moment,
        updated_at=moment,
    )
    subnet = Subnet(
        id=ids["subnet_id"],
        network_id=network.id,
        cidr="10.9.0.0/24",
        gateway="10.9.0.1",
        first="10.9.0.2",
        last="10.9.0.9",
        created_at=moment,
    )
    port = Port(
        id=ids["port_id"],
        project_id=owner.project_id,
        network_id=network.id,
        subnet_id=subnet.id,
        instance_id=instance.id,
        mac="52:54:00:00:00:01",
        address="10.9.0.2",
        created_at=moment,
        updated_at=moment,
    )
    operation = OperationRow(
        id=ids["operation_id"],
        kind="instance.start",
        subject_type="instance",
        subject_id=instance.id,
        subject_name="theirs",
        project_id=owner.project_id,
        user_id=owner.user_id,
        step="",
        status="done",
        run_at=moment,
        deadline_at=moment,
        created_at=moment,
        finished_at=moment,
    )
    key_pair = KeyPair(
        id=new_id(),
        user_id=owner.user_id,
        name="theirs",
        public_key="ssh-ed25519 AAAA",
        fingerprint="x",
        created_at=moment,
    )
    credential = ApplicationCredential(
        id=ids["credential_id"],
        name="theirs",
        secret_hash="0" * 64,
        user_id=owner.user_id,
        project_id=owner.project_id,
        roles=["reader"],
        created_at=moment,
    )
    group = ServerGroup(
        id=ids["group_id"],
        project_id=owner.project_id,
        user_id=owner.user_id,
        name="theirs",
        policy="affinity",
        created_at=moment,
    )
    session.add_all([instance, image, network, operation, key_pair, credential, group])
    session.flush()
    session.add(subnet)
    session.flush()
    session.add(port)
    ids.update(
        server_id=instance.id,
        name="theirs",
        project_id=owner.project_id,
        user_id=owner.user_id,
        request_id="req-theirs",
        key="theirs",
        network_name="theirs",
    )
    return ids
