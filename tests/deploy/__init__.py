"""Tests of what runs the server: the image, the compose file, proxies, manifests, dashboards."""
