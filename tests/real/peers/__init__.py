"""Software that nobody here wrote, started and stopped by the tests: Asterisk and SIPp."""
