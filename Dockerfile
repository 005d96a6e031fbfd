# The bot's image: slim, not root, and content with a read-only root file system.
#
#   docker build --build-arg BASE=python:3.12-slim@sha256:… \
#     --build-arg TOOLS_DEB=mongodb-database-tools.deb --build-arg TOOLS_SHA256=… -t negahban .
#   docker run --read-only --tmpfs /tmp --env-file .env --volume backups:/backups --publish 8080:8080 negahban
#
# BASE       the Python image; give it with its digest for a build that repeats, as the release does.
# TOOLS_DEB  MongoDB's own package of the Database Tools for the base image's Debian and processor: a file
#            beside this one, or an address. TOOLS_SHA256 is its checksum, as MongoDB publishes it. Without it the
#            image has none, which is enough for `serve`; a worker needs them, and `check` says so.
# Writable at run time: /tmp (TMPDIR, a tmpfs is enough) and, with BACKUP_DIR, /backups. Nothing else.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /source
COPY requirements/bot.lock requirements/build.lock requirements/
RUN python -m venv /opt/negahban \
 && python -m venv /opt/build \
 && /opt/negahban/bin/pip install --require-hashes --only-binary :all: -r requirements/bot.lock \
 && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements/build.lock
COPY pyproject.toml LICENSE ./
COPY bot bot
COPY handlers handlers
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
 && /opt/negahban/bin/pip install --no-deps --no-index /wheels/negahban-*.whl \
 && /opt/negahban/bin/pip uninstall --yes pip \
 && find /opt/negahban -type d \( -name tests -path '*/site-packages/*' -o -path '*/site-packages/kubernetes/aio' \) -prune -exec rm -rf {} +

FROM ${BASE} AS tools
ARG TOOLS_DEB=
ARG TOOLS_SHA256=
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# ADD and not COPY, because it may be an address; the checksum below proves either. LICENSE stands for none.
# hadolint ignore=DL3020
ADD ${TOOLS_DEB:-LICENSE} /tools.deb
RUN mkdir /tools \
 && if [ -n "${TOOLS_DEB}" ]; then \
      echo "${TOOLS_SHA256}  /tools.deb" | sha256sum --check --strict - \
   && dpkg-deb --extract /tools.deb /unpacked \
   && mv /unpacked/usr/bin/mongodump /unpacked/usr/bin/mongorestore /tools/; \
    fi

FROM ${BASE}
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgssapi-krb5-2 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin negahban \
 && install --directory --owner=10001 --group=10001 --mode=0700 /backups
COPY --from=tools /tools/ /usr/local/bin/
COPY --from=build /opt/negahban /opt/negahban
COPY runbooks /opt/negahban/runbooks
ENV PATH=/opt/negahban/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/tmp \
    HTTP_HOST=0.0.0.0 \
    RUNBOOKS_DIR=/opt/negahban/runbooks \
    HTTP_PORT=8080
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ['HTTP_PORT']}/livez\", timeout=4)"]
ENTRYPOINT ["negahban"]
CMD ["run"]
