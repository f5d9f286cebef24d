"""The address book in human terms: every rule about contacts, without MCP and without HTTP.

`Book` is the state of one account; each module beside it is one thing to do with it. The tools and the command line are two faces of it.
"""
