# Serves one machine over streamable HTTP. There is no log-in, so the server takes loopback addresses only:
# the container must share the network of its host, which is a matter of Linux.
#
#   docker build -t contacts-mcp .
#   docker run --rm --network host -v contacts-mcp:/data -e HEYMARKET_SECRET_ID -e HEYMARKET_SECRET_KEY contacts-mcp
#
# Clients of the same machine then find it at http://127.0.0.1:8000/mcp.

FROM python:3.13-slim AS build
COPY . /source
RUN pip wheel --no-cache-dir --wheel-dir /wheels /source

FROM python:3.13-slim
# The image comes without bytecode, and this user cannot write any: compiled here, a start takes a fraction of the time.
# The hash is unchecked because nothing in an image changes.
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-compile --root-user-action=ignore /wheels/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash /usr/local/lib/python3.13 \
    && useradd --create-home --uid 10001 contacts \
    && install --directory --owner contacts --mode 700 /data

USER contacts
ENV CONTACTS_MCP_DATA_DIR=/data
VOLUME /data
ENTRYPOINT ["contacts-mcp", "serve"]
CMD ["--http", "127.0.0.1:8000"]
