"""The verbs of the command line, one file each; every file has ``command``.

A verb parses its arguments, calls one service and prints what it said.  No
rule of the cloud lives here.
"""
