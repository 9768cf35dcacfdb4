"""What people may say when they ask for an instance, parsed once.

``NewInstance`` is the neutral request that ``service.create`` takes, from
the API and the dashboard alike.  ``CreateServer`` is its OpenStack form: a
closed schema, where an unknown field is an error and a known field that this
cloud cannot honour is refused by name instead of being dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from webcloud.errors import BadRequest
from webcloud.field_faults import wrong
from webcloud.instances.fields import (
    Address,
    Description,
    Hostname,
    Metadata,
    Name,
    Reference,
    UserData,
)
from webcloud.words import say

MAX_COUNT = 10
MAX_NETWORKS = 8
MAX_HINTED = 64


@dataclass(frozen=True)
class NewInstance:
    """A request for ``count`` alike instances.

    ``network_ids``: None lets the cloud choose, () means no network at all.
    ``fixed_ips`` holds, for each of ``network_ids``, the wanted address or
    None.  ``user_data`` is base64.  ``hostname`` None: made from the name.
    ``host`` None: the scheduler chooses (operators may name one).  ``group_id``
    is the server group to join; ``same_host`` and ``different_host`` are ids of
    instances to be with, or not to be with.
    """

    name: str
    image_id: str
    flavor_id: str
    network_ids: tuple[str, ...] | None = None
    fixed_ips: tuple[str | None, ...] = ()
    key_name: str | None = None
    user_data: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    description: str = ""
    hostname: str | None = None
    count: int = 1
    host: str | None = None
    zone: str | None = None
    group_id: str | None = None
    same_host: tuple[str, ...] = ()
    different_host: tuple[str, ...] = ()


class Closed(BaseModel):
    """The base of every form: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def whole(value: object) -> object:
    """Nova takes digits in a string where it means a number."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9:
        return int(value)
    return value


class NetworkForm(Closed):
    """One network card: a network, and perhaps an address on it."""

    uuid: Reference | None = None
    fixed_ip: Address | None = None
    port: Any = None
    tag: Any = None

    @model_validator(mode="after")
    def _only_networks(self) -> NetworkForm:
        if self.port is not None:
            raise wrong(say("ports cannot be chosen; give a network's uuid"))
        if self.tag is not None:
            raise wrong(say("device tags are not supported"))
        if self.uuid is None:
            raise wrong(say("each network needs a uuid"))
        return self


class BlockDeviceForm(Closed):
    """One entry of block_device_mapping_v2; only the image on a local disk is offered."""

    boot_index: Annotated[int | None, BeforeValidator(whole)] = None
    uuid: str | None = None
    source_type: Literal["image", "volume", "snapshot", "blank"]
    destination_type: Literal["local", "volume"] | None = None
    delete_on_termination: bool | None = None
    volume_size: Any = None
    device_name: Any = None
    disk_bus: Any = None
    device_type: Any = None
    guest_format: Any = None
    volume_type: Any = None
    no_device: Any = None
    tag: Any = None

    @model_validator(mode="after")
    def _only_the_root_disk(self) -> BlockDeviceForm:
        if self.destination_type == "volume" or self.source_type in ("volume", "snapshot"):
            raise wrong(
                say("this cloud has no volume service yet; boot from an image's local disk")
            )
        if self.source_type != "image" or self.boot_index != 0:
            raise wrong(say("only the root disk (source_type image, boot_index 0) can be given"))
        return self


class SecurityGroupForm(Closed):
    name: Reference


def _networks(value: object) -> object:
    if value in (None, "auto", []):
        return None
    if value == "none":
        return ()
    if isinstance(value, list):
        if len(value) > MAX_NETWORKS:
            raise wrong(say("an instance has at most {most} network cards", most=MAX_NETWORKS))
        return tuple(value)
    raise wrong(say('must be a list of networks, "auto" or "none"'))


def _not_offered(value: object) -> object:
    if value not in (None, "", [], {}, False):
        raise wrong(say("this cloud does not offer it; leave the field out"))
    return value


Count = Annotated[int, BeforeValidator(whole), Field(ge=1, le=MAX_COUNT)]
OptionalCount = Annotated[int | None, BeforeValidator(whole)]
NotOffered = Annotated[Any, BeforeValidator(_not_offered)]


class ServerForm(Closed):
    """The ``server`` object of POST /servers."""

    name: Name
    flavor_id: Reference = Field(alias="flavorRef")
    image_id: str | None = Field(default=None, alias="imageRef", max_length=255)
    networks: Annotated[tuple[NetworkForm, ...] | None, BeforeValidator(_networks)] = None
    key_name: str | None = Field(default=None, max_length=255)
    user_data: UserData | None = None
    metadata: Metadata = Field(default_factory=dict)
    description: Description | None = None
    hostname: Hostname | None = None
    min_count: Count = 1
    max_count: Count | None = None
    availability_zone: str | None = Field(default=None, max_length=255)
    security_groups: list[SecurityGroupForm] = Field(default_factory=list, max_length=16)
    block_device_mapping_v2: list[BlockDeviceForm] = Field(default_factory=list, max_length=16)
    config_drive: bool | str | None = None
    disk_config: Literal["AUTO"] | None = Field(default=None, alias="OS-DCF:diskConfig")
    tags: NotOffered = None
    block_device_mapping: NotOffered = None
    admin_pass: NotOffered = Field(default=None, alias="adminPass")
    access_ip_v4: NotOffered = Field(default=None, alias="accessIPv4")
    access_ip_v6: NotOffered = Field(default=None, alias="accessIPv6")
    personality: NotOffered = None
    trusted_image_certificates: NotOffered = None
    return_reservation_id: NotOffered = None
    host: str | None = Field(default=None, max_length=255)
    hypervisor_hostname: str | None = Field(default=None, max_length=255)


def _several(value: object) -> object:
    """One hint is a text, several are a list."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


References = Annotated[
    tuple[Reference, ...], BeforeValidator(_several), Field(max_length=MAX_HINTED)
]


class HintsForm(Closed):
    """Scheduler hints: a server group's id, ids of instances to be with or away from."""

    group: Reference | None = None
    same_host: References = ()
    different_host: References = ()


class CreateServer(Closed):
    """The body of POST /servers."""

    server: ServerForm
    hints: HintsForm | None = Field(default=None, alias="OS-SCH-HNT:scheduler_hints")
    hints_plain: HintsForm | None = Field(default=None, alias="os:scheduler_hints")

    def new_instance(self) -> NewInstance:
        """The neutral request; raises BadRequest where fields contradict each other."""
        server = self.server
        count = server.max_count or server.min_count
        if server.min_count > count:
            raise BadRequest(
                "Field 'server.min_count' is greater than max_count.", field="server.min_count"
            )
        networks = server.networks
        if self.hints is not None and self.hints_plain is not None:
            raise BadRequest(say("Give scheduler hints once."), field="os:scheduler_hints")
        zone, host = _zone_and_host(server)
        hints = self.hints or self.hints_plain or HintsForm()
        return NewInstance(
            name=server.name,
            image_id=_image(server),
            flavor_id=server.flavor_id,
            network_ids=None
            if networks is None
            else tuple(network.uuid or "" for network in networks),
            fixed_ips=tuple(network.fixed_ip for network in networks or ()),
            key_name=server.key_name,
            user_data=server.user_data,
            metadata=server.metadata,
            description=server.description or "",
            hostname=server.hostname,
            count=count,
            host=host,
            zone=zone,
            group_id=hints.group,
            same_host=hints.same_host,
            different_host=hints.different_host,
        )


def _image(server: ServerForm) -> str:
    devices = server.block_device_mapping_v2
    if len(devices) > 1:
        raise BadRequest(
            "Field 'server.block_device_mapping_v2': an instance has one disk, made from its "
            "image.",
            field="server.block_device_mapping_v2",
        )
    image_id = server.image_id or (devices[0].uuid if devices else None)
    if not image_id:
        raise BadRequest(
            "Field 'server.imageRef' is missing.",
            field="server.imageRef",
            next_step="Name an image: this cloud has no volume service to boot from yet.",
        )
    if devices and devices[0].uuid not in (None, image_id):
        raise BadRequest(
            "Field 'server.block_device_mapping_v2.0.uuid' names another image than imageRef.",
            field="server.block_device_mapping_v2.0.uuid",
        )
    return image_id


def _zone_and_host(server: ServerForm) -> tuple[str | None, str | None]:
    """ZONE, ZONE:HOST, ZONE:HOST:HOST or :HOST, as Nova has it."""
    zone, _, host = (server.availability_zone or "").partition(":")
    host, _, node = host.partition(":")
    named = host or node or server.host or server.hypervisor_hostname
    return zone or None, named or None


class ServerUpdateForm(Closed):
    """The ``server`` object of PUT /servers/<id>."""

    name: Name | None = None
    description: Description | None = None
    disk_config: Literal["AUTO"] | None = Field(default=None, alias="OS-DCF:diskConfig")
    access_ip_v4: NotOffered = Field(default=None, alias="accessIPv4")
    access_ip_v6: NotOffered = Field(default=None, alias="accessIPv6")
    hostname: NotOffered = None


class UpdateServer(Closed):
    """The body of PUT /servers/<id>."""

    server: ServerUpdateForm


class MetadataForm(Closed):
    """The body of POST and PUT /servers/<id>/metadata."""

    metadata: Metadata


class MetaForm(Closed):
    """The body of PUT /servers/<id>/metadata/<key>: one item under that key."""

    meta: Annotated[Metadata, Field(min_length=1, max_length=1)]
