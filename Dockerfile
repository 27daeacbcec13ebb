# What the demo of docker-compose.yml runs in, and what serves a ledger beside an application:
#
#   docker build -t otel-token-monitor:local .
#   docker run --rm -v ledger:/data -p 127.0.0.1:9464:9464 otel-token-monitor:local

FROM python:3.13.14-slim-trixie AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 SOURCE_DATE_EPOCH=1767225600
WORKDIR /src
# Dependencies first: they change less often than the code. Each file that pip takes has a hash.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt \
 && python -m venv --without-pip /opt/monitor \
 && /opt/build/bin/pip --python /opt/monitor install \
        --require-hashes --only-binary :all: -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY deploy deploy
COPY otel_token_monitor otel_token_monitor
RUN /opt/build/bin/python -m hatchling build -t wheel -d dist \
 && /opt/build/bin/pip --python /opt/monitor install --no-deps dist/*.whl

FROM python:3.13.14-slim-trixie
ENV PATH=/opt/monitor/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    TOKEN_MONITOR_DATA_DIR=/data
# A volume that is new takes over the owner of the directory it is mounted at. /secrets is for what
# docker-compose.yml makes.
RUN install -d -o 10001 -g 10001 /data /secrets /secrets/alerts /secrets/grafana
COPY --from=build /opt/monitor /opt/monitor
# A number, so that Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 9464
STOPSIGNAL SIGTERM
# By hand: urllib would ask a proxy that the environment names.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", \
    "import http.client as h; c = h.HTTPConnection('127.0.0.1', 9464, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["otel-token-monitor"]
CMD ["serve", "--host", "0.0.0.0"]
