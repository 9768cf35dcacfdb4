"""Compares what the database says with itself and with every host.

``run`` returns one ``Problem`` per violated invariant and changes nothing.
The invariants carry short ids (I2, I5, I9 ...) that are listed in
docs/invariants.md.  ``records`` and ``addresses`` check the database alone,
``hosts`` asks each live host for a survey, ``store`` looks at the image files.
"""

from webcloud.admin.verify.problem import Problem
from webcloud.admin.verify.run import run

__all__ = ["Problem", "run"]
