# The shipper's image: node agent, indexer, `shipper setup` and the rest of the command line.
# No feature of BuildKit is used, so that the classic builder, podman and kaniko make it too.
# Rust and Python on one release of Debian: the library that one compiles is loaded by the other.
ARG RUST=1.90.0-slim-bookworm
ARG PYTHON=3.13.7-slim-bookworm

FROM rust:${RUST} AS native
ENV PYO3_NO_PYTHON=1
WORKDIR /src
COPY native/Cargo.toml native/Cargo.lock ./
COPY native/src/ src/
RUN cargo build --quiet --release --locked --features extension-module

FROM python:${PYTHON} AS build
ENV UV_PROJECT_ENVIRONMENT=/opt/shipper UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN python -m pip install --no-cache-dir --quiet --root-user-action=ignore uv==0.13.9
WORKDIR /src
# What is installed changes less often than what is written: the layer of the libraries outlives most commits.
COPY pyproject.toml uv.lock ./
RUN uv sync --quiet --no-cache --frozen --no-dev --extra kafka --no-install-project
COPY README.md LICENSE hatch_build.py ./
COPY schemas/ schemas/
COPY processors/ processors/
COPY shipper/ shipper/
COPY --from=native /src/target/release/libshipper_native.so ./
ARG REVISION=unknown
# Once more with the project itself, as a wheel: the last stage has no sources that an editable install could lead to.
RUN SHIPPER_REVISION="${REVISION}" SHIPPER_NATIVE=require SHIPPER_NATIVE_LIBRARY=libshipper_native.so \
    uv sync --quiet --no-cache --frozen --no-dev --extra kafka --no-editable

FROM python:${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="shipper" \
      org.opencontainers.image.description="Follows container logs, keeps exact counters and stores each event once." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/shipper /opt/shipper
# The group is root's, and may write: a node agent is user 0 without any capability to pass over permissions.
RUN mkdir -p /var/lib/shipper && chown 65532:0 /var/lib/shipper && chmod 0770 /var/lib/shipper
ENV PATH=/opt/shipper/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    SHIPPER_LOG_FORMAT=json \
    SHIPPER_STATE_DIR=/var/lib/shipper/state \
    SHIPPER_OUTPUT=local:/var/lib/shipper/store
WORKDIR /var/lib/shipper
VOLUME /var/lib/shipper
EXPOSE 9108
# Nobody by default. Only the node agent needs user 0, since the runtimes' log files are root's: its manifest says so.
USER 65532:65532
# `shipper status` falls back to the state on disk and succeeds without an agent; /health is 503 only where one is stuck.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 9108, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["shipper"]
CMD ["run"]
