"""Manifests for Kubernetes, by kustomize."""
