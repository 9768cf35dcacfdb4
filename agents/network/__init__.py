"""Networks on this host: bridge, DHCP, NAT and what guests may reach of it.

A network is one Linux bridge with the gateway's address, one dnsmasq, one
nftables table for NAT, and its name in the sets of the shared filter table.
``networks/<network id>/`` keeps the description it was made from, the static
leases (one file per port) and dnsmasq's own files, so that a restarted agent
finds everything again and a dead dnsmasq can be started as it was.

Reading order: ``networks`` (ensure), ``bridges`` and ``links``, ``dhcp`` and
``release``, ``nft``, ``nat``, ``firewall``.
"""
