"""The scheduler: which host takes an instance, and why.

Terms: a *request* is what the instance needs; a *candidate* is a host as the
scheduler sees it; a *filter* asks one question and refuses with numbers; a
*weigher* scores those left; a *decision* keeps all of it.  Everything but
``candidates``, which reads, is pure: the same request and candidates give the
same decision.  Claiming the room is ``hosts.capacity``'s, and may still fail.

Read in this order: request, placement, then any filter; plainly for the words.
"""
