"""A cloud under random wishes and random mishaps, held against a model of dictionaries.

``machine`` has the rules, ``world`` the cloud and the model they act on;
``python -m tests.stateful`` runs it for as long as it is told.
"""
