# syntax=docker/dockerfile:1
# Two stages: the first installs into a virtual environment, the second has that and nothing else.
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
# The index of the torch build: the CPU one, or for example …/whl/cu130 for a GPU.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /build
RUN python -m venv /opt/trackline
ENV PATH=/opt/trackline/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY models models
COPY tracker tracker
COPY service service
# torch first, from its own index alone, so that no other build of it can slip in.
# A server has no screen: the headless build of OpenCV needs none of its libraries.
RUN pip install --no-deps --index-url "${TORCH_INDEX}" \
        "torch==$(sed -n 's/^torch==//p' constraints.txt)" \
        "torchvision==$(sed -n 's/^torchvision==//p' constraints.txt)" \
    && pip install -c constraints.txt . \
    && pip uninstall --yes opencv-python \
    && pip install --no-deps \
        "opencv-python-headless==$(sed -n 's/^opencv-python==//p' constraints.txt)"

FROM ${PYTHON_IMAGE}
RUN useradd --create-home --uid 10001 trackline \
    && mkdir -p /data/cache /data/jobs && chown -R trackline /data
COPY --from=build /opt/trackline /opt/trackline
ENV PATH=/opt/trackline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TRACKLINE_HOST=0.0.0.0 \
    TRACKLINE_CACHE_DIR=/data/cache \
    TRACKLINE_JOBS_DIR=/data/jobs
USER trackline
WORKDIR /home/trackline
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=2)"]
CMD ["trackline", "serve"]
