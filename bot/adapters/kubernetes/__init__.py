"""Kubernetes, by its official client library: Deployments that go back, Secrets, and workloads that use them."""
