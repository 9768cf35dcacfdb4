"""Every operation, at every step, under every kind of fault.

F1 an error before the effect, F2 one after it and before the commit, F3 and F4
a kill before and after the effect, F5 a reply that is lost, F6 a worker that
comes back too late, F7 the user deletes, F8 an undo that fails, F9 files,
memory or database that fail.  The cases are made from the registry
(``cases``), the hosts are real agents, and each case ends with ``verify``.
"""
