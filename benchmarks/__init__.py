"""The promised figures, measured on the real thing: ``python -m benchmarks [name ...]``.

One file per question; each yields ``Figure``s.  Those about the running cloud
share one, started here with a state directory, a network and a port of its
own.  What depends on libvirt is compared with bare libvirt in the same run,
because machines and their moods differ.
"""
