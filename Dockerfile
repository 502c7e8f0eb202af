# The project with all its plugins: what `meltano` would run on a host, as a container.
#
#   docker build --tag basware-d365fo .
#   docker run --rm --env-file production.env -v basware-d365fo:/var/lib/basware-d365fo basware-d365fo run invoices
#
# No secret is needed to build it, and none is in it; docs/deployment.md says what it needs to run.
# Your meltano.yml and mapping.yml are in it, so that an image is one version of everything.

# In production, name the image by its digest as well: python:3.11-slim@sha256:…
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
ARG UV_VERSION=0.13.9
ENV UV_CACHE_DIR=/opt/basware-d365fo/.uv-cache UV_LINK_MODE=hardlink UV_COMPILE_BYTECODE=1 \
    UV_PYTHON_DOWNLOADS=never
RUN python -m venv /opt/uv && /opt/uv/bin/python -m pip install --no-cache-dir "uv==${UV_VERSION}"
ENV PATH=/opt/basware-d365fo/.venv/bin:/opt/uv/bin:${PATH}
WORKDIR /opt/basware-d365fo

# Meltano, at the versions and hashes of the lock file: a layer that changes with them alone.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --only-group meltano --only-group cloud-state --no-install-workspace \
 && rm -rf .uv-cache

# The plugins, each in an environment of its own, held to the same versions. What two of them have is
# linked, not copied.
COPY ap-mapping ap-mapping
COPY singer-delivery singer-delivery
COPY tap-basware tap-basware
COPY tap-d365fo tap-d365fo
COPY target-basware target-basware
COPY target-d365fo target-d365fo
# For an image with Dagster (docs/dagster.md).
COPY orchestrate orchestrate
COPY meltano.yml ./
RUN uv export --frozen --all-packages --all-extras --no-dev --no-emit-workspace --no-hashes \
      --output-file constraints.txt --quiet \
 && UV_CONSTRAINT=/opt/basware-d365fo/constraints.txt meltano --log-level=warning install \
 && rm -rf .uv-cache .meltano/meltano.db* .meltano/analytics.json .meltano/run \
 && mkdir -p .meltano/run
COPY mapping.yml ./
COPY deploy/run-job deploy/run-job

FROM ${PYTHON_IMAGE}
# tini is process 1: it hands SIGTERM on to Meltano, also before Meltano listens to it.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 basware \
 && useradd --uid 10001 --gid basware --no-create-home --home-dir /var/lib/basware-d365fo basware \
 && install --directory --owner=basware --group=basware --mode=0700 /var/lib/basware-d365fo
COPY --from=build /opt/basware-d365fo /opt/basware-d365fo
# All that is written: the ledger and Meltano's memory in the volume, the rest in /tmp and .meltano/run,
# so that the root file system may be read-only.
RUN chown basware:basware /opt/basware-d365fo/.meltano/run \
 && ln -s /var/lib/basware-d365fo /opt/basware-d365fo/ledger
WORKDIR /opt/basware-d365fo
ENV PATH=/opt/basware-d365fo/.venv/bin:${PATH} \
    MELTANO_AUTO_INSTALL=false \
    MELTANO_DATABASE_URI=sqlite:////var/lib/basware-d365fo/meltano.db \
    MELTANO_ENVIRONMENT=production \
    NO_COLOR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RUN_LOG_DAYS=2 \
    XDG_CACHE_HOME=/tmp \
    XDG_STATE_HOME=/opt/basware-d365fo/.meltano/run/state
VOLUME ["/var/lib/basware-d365fo"]
USER 10001:10001
# A health check is for what stays: that of the webhook stands in deploy/compose.yaml and
# deploy/kubernetes, for a job has its exit code.
ENTRYPOINT ["tini", "--", "meltano"]
CMD ["--help"]
