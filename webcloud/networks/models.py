"""Networks, subnets and ports."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from webcloud.db import Base, Id


class Network(Base):
    """A layer-2 network. ``shared`` ones are usable by every project."""

    __tablename__ = "network"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    project_id: Mapped[str] = mapped_column(Id, index=True)
    shared: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)
    nat: Mapped[bool] = mapped_column(default=True)
    mtu: Mapped[int] = mapped_column(Integer, default=1500)
    created_at: Mapped[datetime] = mapped_column()
    updated_at: Mapped[datetime] = mapped_column()


class Subnet(Base):
    """The addresses of a network; ``first`` to ``last`` are handed out."""

    __tablename__ = "subnet"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    network_id: Mapped[str] = mapped_column(ForeignKey("network.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255), default="")
    cidr: Mapped[str] = mapped_column(String(64))
    gateway: Mapped[str] = mapped_column(String(64))
    first: Mapped[str] = mapped_column(String(64))
    last: Mapped[str] = mapped_column(String(64))
    dns: Mapped[str] = mapped_column(String(255), default="")  # comma separated
    created_at: Mapped[datetime] = mapped_column()


class Port(Base):
    """One network card's place: its MAC and its address, claimed from first to last."""

    __tablename__ = "port"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(255), default="")
    project_id: Mapped[str] = mapped_column(Id, index=True)
    network_id: Mapped[str] = mapped_column(ForeignKey("network.id"))
    subnet_id: Mapped[str] = mapped_column(ForeignKey("subnet.id"))
    instance_id: Mapped[str | None] = mapped_column(Id, index=True)
    mac: Mapped[str] = mapped_column(String(17), unique=True)
    address: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column()
    updated_at: Mapped[datetime] = mapped_column()

    __table_args__ = (Index("uq_port_subnet_id_address", "subnet_id", "address", unique=True),)
