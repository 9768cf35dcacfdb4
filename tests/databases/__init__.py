"""The tests on the other kinds of database."""
