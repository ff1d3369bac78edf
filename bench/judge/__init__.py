"""What `bench/run` and `bench/budget` are made of. Python's standard library only; needs Linux's /proc."""
