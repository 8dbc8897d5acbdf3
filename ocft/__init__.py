"""File transfer between AI agents through the chat channels they already share."""
