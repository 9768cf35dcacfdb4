"""``webcloud up``: one supervisor over the agent, the proxy and the controller.

Terms: a *program* is what to run, as whom, with which log; a *child* is a
running program with its restarts.  Invariants: what dies is started again;
stopping the supervisor, however it ends, stops no virtual machine; one
supervisor per state directory.  The supervisor imports the standard library
alone, because it lives for months and its memory is part of the promise; all
work on the database is done by a child that ends (``webcloud.preparing``).

Read in this order: __main__ (the story), checks, account, directories,
hypervisor, takeover, programs, child, supervisor, credentials.
"""
