"""The same notices, window and load against linkage and what one might use in its place.

One file for each system (`linkage_rig`, `rabbitmq`, `jetstream`), each a `Rig`: how
to start and stop it, how to send it a notice and how to be a receiver of it. `load` drives all of
them in the same way; `benchmarks.durable` is the command.
"""
