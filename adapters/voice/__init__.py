"""Telephony behind the protocol, whatever the platform: calls, transfers, conferences, call-outs.

An adapter for a PBX (`adapters.asterisk`) brings a driver that translates between its platform and
what stands here; nothing here names a platform.
"""
