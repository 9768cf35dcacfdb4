"""Guests: their description, their life, their consoles.

A *guest* is a libvirt domain that carries our metadata element; its UUID is
the instance's id and its name ``wc-<id>``.  Domains without the element, or
with that of another host's agent, are *foreign*: counted in a survey and never
touched.  ``boot`` counts
starts and lives in the metadata, so that a console token is good for one
start only.

Reading order: ``domain_xml`` (pure), ``domains`` (ensure), ``states`` (what is
told), ``console_log``, ``consoles``.
"""
