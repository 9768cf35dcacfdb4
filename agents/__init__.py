"""The agent: the one part of webcloud that touches a hypervisor.

One process per host, run as root.  It dials in to the controller, asks for
commands, carries them out with libvirt, files, bridges, dnsmasq and nftables,
and tells what became of them.  It never sees the database, never imports
``webcloud`` and listens on no network port.

Reading order: ``__main__`` (the start), ``channel`` (dial in, claim, report),
``dispatch`` and ``journal`` (what runs when, and what is remembered),
``handlers`` (verb to function), then ``compute``, ``storage``, ``network``.
"""
