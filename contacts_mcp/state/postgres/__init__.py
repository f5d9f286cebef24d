"""The state that several servers share, in PostgreSQL. It is imported only where CONTACTS_MCP_DATABASE_URL is set.

- Every object is made for one account. The account's number stands in every primary key and in every query.
- Nothing depends on a session, so a pooler of transactions may stand between.
- Ages and leases are measured by PostgreSQL's clock. A server's own clock decides nothing that servers share.
"""
