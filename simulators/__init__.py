"""A communication platform, a duty desk and screens to test against, without a telephone.

They share no code with the middleware that they test: only the language (`protocol`) and the
client library (`linkage.client`) that any vendor would use. What they do is written down in
scenario files; docs/quickstart/simulators.md shows how.

The parts: `simulators.scenario.load_scenario`, `simulators.runner.run_scenario`,
`simulators.clock`, and `serve` of `simulators.platform`, `simulators.application` and
`simulators.screen`. Nothing is imported here, because pytest imports this package at every start.
"""
