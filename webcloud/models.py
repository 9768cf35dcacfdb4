"""Imports every domain's models, so that ``Base.metadata`` is whole. No classes here."""

from webcloud.audit import models as audit
from webcloud.conductor import models as conductor
from webcloud.consoles import models as consoles
from webcloud.db import Base
from webcloud.drift import models as drift
from webcloud.hosts import models as hosts
from webcloud.identity import models as identity
from webcloud.images import models as images
from webcloud.instances import models as instances
from webcloud.networks import models as networks

metadata = Base.metadata

__all__ = [
    "audit",
    "conductor",
    "consoles",
    "drift",
    "hosts",
    "identity",
    "images",
    "instances",
    "metadata",
    "networks",
]
