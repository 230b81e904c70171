"""Statistics on score tables; nothing here reads audio."""
