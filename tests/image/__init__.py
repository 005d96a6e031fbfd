"""The image, built and run for real: `make image`. It takes minutes, so it is no part of `make test`."""
