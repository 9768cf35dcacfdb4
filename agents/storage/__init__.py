"""Files on this host: cached images and what belongs to instances.

``images/<image id>`` is an immutable image, its sha256 checked while it came
in and its header judged before any qemu process sees it; ``<image id>.json``
beside it says format and size.  ``instances/<instance id>/`` holds ``disk``
(always a qcow2 overlay or an empty qcow2), ``base`` (the image it depends
on), ``config.iso`` and ``console.log``.  A ``.part`` name is never used: it is
renamed when complete, or removed by the next attempt.

Reading order: ``files``, ``header``, ``images``, ``disks``, ``config_drive``.
"""
