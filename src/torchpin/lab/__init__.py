"""The lab: a scratch workspace with stubs for torch, sources and base image."""
