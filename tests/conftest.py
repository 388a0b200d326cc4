"""What all tests share."""

from hypothesis import settings

settings.register_profile("shipper", deadline=None)  # shared machines are noisy: time is measured in benchmarks
settings.load_profile("shipper")
