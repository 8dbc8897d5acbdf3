"""Those who ask a server: they send files to it, and receive them."""
