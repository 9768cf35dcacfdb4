"""Chaos: a whole cloud on twenty hosts, under load, while its parts are killed.

Terms: a *victim* is a part that is killed, frozen or cut off; an *injury* is
one such event; the *ledger* is the client's own book of what was accepted,
held against the rows, the hosts and a log of every guest that began to run.
Hosts are agents with a libvirt test driver each: the API and the agents are
real, the guests are not.  ``make chaos`` runs it; ``test_short`` is its short
form, and ``zombies`` lets frozen workers and agents come back too late.

Read in this order: __main__, run (the story), fleet, databases, hosts, relays,
cloud, victims, wishes, workload, ledger, takeover, report; then zombies, with
zombie and late_agents.
"""
