"""Hints to browsers and agents over Socket.IO.

Terms: a *hint* says that something changed and carries no data; whoever gets
it reads again.  Losing every hint costs only latency, because everyone also
looks on a timer.  Read publish (what the domains call), socket, recent.
"""
