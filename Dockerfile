# syntax=docker/dockerfile:1
# Two stages: the first installs and fetches, the second has what came of it and nothing else.
# docs/deploy.md says which image is for what, and what takes its space.
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
ENV PATH=/opt/trackline/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 \
    TRACKLINE_CACHE_DIR=/data/cache
RUN python -m venv /opt/trackline && mkdir -p /data/cache /data/jobs
# The build of torch: cpu, or a CUDA one, for example cu130.
ARG TORCH=cpu
# Empty, torch comes from where pip has everything else from.
ARG TORCH_INDEX=https://download.pytorch.org/whl/${TORCH}
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY requirements requirements
# torch first, from its own index alone, so that no other build of it can slip in; a CUDA build then
# brings its libraries. All else goes by hashes. A server has no screen: the headless build of OpenCV
# needs none of its libraries.
RUN PIP_INDEX_URL="${TORCH_INDEX}" pip install --no-deps \
        "torch==$(sed -n 's/^torch==//p' constraints.txt)" \
        "torchvision==$(sed -n 's/^torchvision==//p' constraints.txt)" \
    && pip install --require-hashes --no-deps -r requirements/base.txt \
    && pip uninstall --yes opencv-python \
    && pip install --require-hashes --no-deps -r requirements/headless.txt \
    && pip install -c constraints.txt torch torchvision
COPY models models
COPY tracker tracker
COPY service service
RUN pip install --no-deps --no-build-isolation .
# Names of the catalogue whose weights are baked in; with none, they are fetched at the start. A
# network that has no export is served from its weights as they are.
ARG WEIGHTS=
RUN set -e; for name in ${WEIGHTS}; do \
        trackline models pull "$name"; \
        trackline models export "$name" || echo "$name: no export"; \
    done
# What of `pip install trackline[…]` comes along: otel, postgresql, ray. From here on the variants
# differ; what is above they share, if the builder keeps its layers.
ARG EXTRAS=postgresql
RUN set -e; for set in ${EXTRAS}; do \
        pip install --require-hashes --no-deps -r "requirements/${set}.txt"; \
    done
# "no" leaves torch out: the baked in networks run in OpenVINO, and no other can be loaded.
ARG KEEP_TORCH=yes
# What no server needs: the tables of Ultralytics' training runs, reports to Intel, tests, headers,
# OpenVINO on graphics cards, pip itself. A list (SBOM, CycloneDX) says what is left.
RUN if [ "${KEEP_TORCH}" = no ]; then \
        pip uninstall --yes torch torchvision ultralytics ultralytics-thop ultralytics-platform \
            sympy mpmath networkx matplotlib fonttools contourpy kiwisolver; \
    fi \
    && pip uninstall --yes polars polars-runtime-32 openvino-telemetry pip \
    && find /opt/trackline \( -name tests -o -name include -o -path "*/torch/test" \
        -o -path "*/onnx/backend/test" -o -path "*/openvino/libs/cache.json" \
        -o -name "libopenvino_intel_[gn]pu_plugin.so" \) -prune -exec rm -rf {} + \
    && python -m venv audit && audit/bin/pip install --require-hashes -r requirements/audit.txt \
    && audit/bin/cyclonedx-py environment /opt/trackline/bin/python --pyproject pyproject.toml \
        --output-reproducible --output-file /opt/trackline/trackline.cdx.json

FROM ${PYTHON_IMAGE}
RUN useradd --create-home --uid 10001 trackline
COPY --from=build /opt/trackline /opt/trackline
COPY --from=build --chown=10001:10001 /data /data
ENV PATH=/opt/trackline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TRACKLINE_HOST=0.0.0.0 \
    TRACKLINE_PORT=8000 \
    TRACKLINE_CACHE_DIR=/data/cache \
    TRACKLINE_JOBS_DIR=/data/jobs
USER 10001
WORKDIR /home/trackline
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"TRACKLINE_PORT\"]}/v2/health/ready', timeout=2)"]
CMD ["trackline", "serve"]
