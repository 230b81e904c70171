"""Words that songs are named with."""

__all__ = ["FIRST", "SECOND"]

# fmt: off
FIRST = (
    "Midnight", "Paper", "Silver", "Northern", "Hollow", "Velvet", "Electric", "Quiet", "Amber", "Distant",
    "Broken", "Golden", "Winter", "Neon", "Salt", "Summer", "Copper", "Lonely", "Crystal", "Wild", "Faded",
    "Second", "Slow", "Painted", "Early", "Hidden", "Borrowed", "Glass", "Little", "Restless", "Blue", "Endless",
)
SECOND = (
    "Tram", "Harbour", "Lantern", "River", "Mirror", "Garden", "Signal", "Avenue", "Horizon", "Letters",
    "Carousel", "Bridges", "Weather", "Satellite", "Orchard", "Station", "Shadow", "Parade", "Island", "Window",
    "Thunder", "Compass", "Rooftops", "Ferry", "Echo", "Postcard", "Meadow", "Fires", "Circus", "Daybreak",
    "Tide", "Balcony",
)
# fmt: on
