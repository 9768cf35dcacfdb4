"""The audit log: who did what, in the same transaction as the deed.

``record`` is the only way in.  Entries are never changed or deleted by the
application, and never hold a secret.
"""
