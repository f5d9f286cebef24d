# One image for both ways to serve over HTTP.
#
# For a team, behind a proxy with TLS: compose.yaml and deploy/kubernetes.yaml run it, and docs/hosting.md explains them.
# For one machine, without a log-in. The container must share the network of its host, which is a matter of Linux:
#
#   docker build -t contacts-mcp .
#   docker run --rm --network host -v contacts-mcp:/data -e HEYMARKET_SECRET_ID -e HEYMARKET_SECRET_KEY \
#     contacts-mcp --http 127.0.0.1:8000
#
# Clients of the same machine then find it at http://127.0.0.1:8000/mcp.

FROM python:3.13-slim-bookworm AS build
COPY . /source
RUN python -m venv /opt/contacts-mcp \
    && /opt/contacts-mcp/bin/pip install --no-cache-dir --no-compile "/source[team]" \
    && /opt/contacts-mcp/bin/pip uninstall --yes pip

FROM python:3.13-slim-bookworm
COPY --from=build /opt/contacts-mcp /opt/contacts-mcp
# The image comes without bytecode, and this user cannot write any: compiled here, a start takes a fraction of the time.
# The hash is unchecked because nothing in an image changes.
RUN python -m compileall -q --invalidation-mode unchecked-hash /usr/local/lib/python3.13 /opt/contacts-mcp \
    && useradd --no-create-home --home-dir /tmp --shell /usr/sbin/nologin --uid 10001 contacts \
    && install --directory --owner contacts --mode 700 /data

# The root may be read-only: only /tmp is written to, and /data where there is no database. Both may be a tmpfs.
ENV PATH=/opt/contacts-mcp/bin:$PATH \
    HOME=/tmp \
    CONTACTS_MCP_DATA_DIR=/data
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# By Python, because the image has no curl. It asks past any proxy that the environment names.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-ISc", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["contacts-mcp", "serve"]
# Without an accounts file it does not start on this address: that would be a server without a log-in.
CMD ["--http", "0.0.0.0:8000"]
