"""The whole of a hosted server on one machine, made of processes in a folder that goes away.

    nginx (TLS, deploy/nginx.conf) -> replicas -> PostgreSQL, Redis, a sandbox for each account
                                               -> an issuer of tokens

Every key, password and token is made when it starts, and dies with it.
"""
