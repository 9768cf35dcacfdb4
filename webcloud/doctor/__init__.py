"""Names the failing hop in plain words, from package versions to a guest's VNC socket.

Hops are asked in the order in which they depend on each other, so the first
failing one is the one to mend.  Nothing is changed.  ``finding`` is what a
hop answers; ``machine`` looks at this computer, ``installation`` at the parts
of webcloud on it, ``guest`` at one running instance; ``examine`` asks all.
"""
