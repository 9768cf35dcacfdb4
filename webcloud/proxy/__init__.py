"""The console proxy: relays browsers' WebSockets to guests' consoles.

Terms: a *hand-over* is one accepted browser socket, with the target that the
controller chose for it; a *target* is an instance, a kind and a boot, and
never an address.  The proxy opens no database and listens on no network port.
It keeps running while the controller restarts.  Read handover (the contract
with the controller), then server, relay, agent.
"""
