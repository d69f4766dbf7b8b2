"""
What the merchant learns. This room reads all rooms below it, commands nothing, and writes only its own
snapshots: a figure on a page is read from a snapshot that says when and how it was computed.
"""

from insights.models.journey import JourneySnapshot, JourneyStages

__all__ = ["JourneySnapshot", "JourneyStages"]
