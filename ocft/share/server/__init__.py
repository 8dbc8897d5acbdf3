"""A server of sealed files: sessions, what is kept of them, and who may do what how often."""
