"""Drift: where a host is not as the rows say, as its surveys show.

Terms: a *survey* is everything on a host that is named after a resource of
ours; the newest one of each host is kept.  A *difference* is one line that
``webcloud verify`` would print.  Invariants: only what a survey showed is a
difference, and it is gone as soon as a newer survey does not show it; a host
speaks about itself only; nothing here changes a host.  What is compared, and
what is healed, lies above, in ``webcloud.admin``, which knows every domain.

Read in this order: models, surveys, recording, queries, advice.
"""
