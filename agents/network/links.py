"""Changes to network devices, in a child process that ends at once.

pyroute2 and its asyncio cost 20 MB of resident memory, and a bridge is made
once; so ``bridges`` looks with plain system calls and starts this module
(``python -m agents.network.links``, one JSON request on standard input) only
when something has to change.  It knows three requests and refuses others.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> int:
    """Carry out the request on standard input; the status is 0 when all is as asked."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    request = json.load(sys.stdin)
    try:
        with IPRoute() as ipr:
            if request["do"] == "bridge":
                _bridge(ipr, request)
            elif request["do"] == "plug":
                _plug(ipr, request["name"], request["bridge"])
            elif request["do"] == "delete":
                _delete(ipr, request["name"])
            else:
                sys.stderr.write("unknown request\n")
                return 2
    except NetlinkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _bridge(ipr: Any, request: dict[str, Any]) -> None:
    """A bridge without spanning tree, up, with exactly one IPv4 address of ours."""
    name = request["name"]
    found = ipr.link_lookup(ifname=name)
    if not found:
        ipr.link("add", ifname=name, kind="bridge")
        found = ipr.link_lookup(ifname=name)
    index = found[0]
    ipr.link("set", index=index, kind="bridge", br_stp_state=0, br_forward_delay=0)
    ipr.link("set", index=index, mtu=request["mtu"])
    address, prefix = request["address"], request["prefix"]
    present = {
        (dict(item["attrs"])["IFA_LOCAL"], item["prefixlen"])
        for item in ipr.get_addr(index=index, family=2)
    }
    for old, old_prefix in present - {(address, prefix)}:
        ipr.addr("del", index=index, address=old, prefixlen=old_prefix)
    if (address, prefix) not in present:
        ipr.addr(
            "add",
            index=index,
            address=address,
            prefixlen=prefix,
            broadcast=request["broadcast"],
        )
    ipr.link("set", index=index, state="up")


def _plug(ipr: Any, name: str, bridge: str) -> None:
    """A device that is gone by now, or has got a bridge, is left alone."""
    for index in ipr.link_lookup(ifname=name):
        if ipr.get_links(index)[0].get("master") is None:
            ipr.link("set", index=index, master=ipr.link_lookup(ifname=bridge)[0])


def _delete(ipr: Any, name: str) -> None:
    for index in ipr.link_lookup(ifname=name):
        ipr.link("del", index=index)


if __name__ == "__main__":
    sys.exit(main())
