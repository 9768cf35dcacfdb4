"""The conductor: carries out accepted operations to their defined end.

Terms: an *operation* is a row (``models``) carried out by a class
(``operation``) found in the ``registry``; a *lease* gives one worker the
right to run one step; *unwinding* runs the undo of every step that was begun,
newest first; a *successor* is what starts when a cancelled operation has been
unwound (deleting always wins).  Invariants: an operation row is the only
queue; at most one unfinished operation per subject; a step's effects and the
move to the next step commit together under the lease; every operation has a
deadline.  It knows no domain.

Read in this order: models, operation, registry, starting, waking, plan,
leases, taking, steps, failures, finishing, clocks, runner, watchdog, periodic, retention;
``queries`` reads, ``events`` writes the log, ``story`` tells it, ``signals``
tells listeners.
"""
