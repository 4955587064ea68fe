# The server, with its models inside: a container needs no network of its own, and no right but to its folder.
FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN python -m venv /opt/revpers && /opt/revpers/bin/pip install '.[server,c2pa,heic]'
RUN REVPERS_CACHE=/opt/models /opt/revpers/bin/revpers models pull

FROM python:3.12-slim
COPY --from=build /opt/revpers /opt/revpers
COPY --from=build /opt/models /opt/models
RUN install -d -o 10001 -g 10001 -m 700 /data
ENV PATH=/opt/revpers/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 REVPERS_CACHE=/opt/models REVPERS_OFFLINE=1
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
ENTRYPOINT ["revpers"]
CMD ["serve", "--host", "0.0.0.0", "--folder", "/data"]
