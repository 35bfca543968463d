#!/bin/sh
# An environment with the other trackers, for benchmarks/tracker_peers.py: .venv-peers, not tracked.
# BoxMOT's C++ trackers compile themselves on their first use, where CMake, a C++17 compiler,
# OpenCV 4 and Eigen 3 are installed (Debian: cmake g++ libopencv-dev libeigen3-dev).
set -eu
cd "$(dirname "$0")/.."
"${PYTHON:-.venv/bin/python}" -m venv .venv-peers
echo '*' > .venv-peers/.gitignore
pip=.venv-peers/bin/pip
# Both are pinned as for Trackline itself: unpinned, they bring 3 GB of CUDA.
"$pip" install torch==2.13.0 torchvision==0.28.0
"$pip" install boxmot==25.0.0 trackers==2.6.1
# Without dependencies: they ask for versions of OpenCV and rich that contradict those of BoxMOT.
"$pip" install --no-deps ultralytics==8.4.190 norfair==2.3.0 deep-sort-realtime==1.3.2
