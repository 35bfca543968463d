#!/bin/sh
# The head of a cluster: no network runs here. It ends when the application does.
set -eu
ray start --head --port=6379 --num-cpus=2 --include-dashboard=false
exec serve run --address=auto "$(dirname "$0")/serve.yaml"
