#!/bin/sh
# An environment with what others serve and follow with, for benchmarks/service.py:
# .venv-service-peers, not tracked. Arguments go to pip.
set -eu
cd "$(dirname "$0")/.."
"${PYTHON:-.venv/bin/python}" -m venv .venv-service-peers
echo '*' > .venv-service-peers/.gitignore
# What Trackline itself has too is of the same version in both.
.venv-service-peers/bin/pip install -c constraints.txt "$@" \
    ultralytics==8.4.190 openvino==2026.4.1 lap==0.5.13 litserve==0.2.19 fastapi uvicorn \
    python-multipart
