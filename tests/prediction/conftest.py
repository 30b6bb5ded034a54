"""What all tests here share."""

from tests.cores import two_cores  # noqa: F401  # a fixture for all tests here
