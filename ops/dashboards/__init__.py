"""Grafana's dashboards as code. Needs grafana-foundation-sdk, which `ops/tools python` puts into .venv/ops."""
