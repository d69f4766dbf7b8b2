"""
What the merchant learns. This room reads all rooms below it, commands nothing, and writes only its own
snapshots: a figure on a page is read from a snapshot that says when and how it was computed.

    PointsDay      what entries of a kind did to the points on one day, as booked
    PointsCohort   what became of the points of one month, by age: the triangle
    PointsReading  how far both have read a merchant's entries
    Recommendation the rewards and products a customer may like, best first, as of last night
"""

from insights.models.points import PointsCohort, PointsDay, PointsReading
from insights.models.recommendation import Recommendation

__all__ = ["PointsCohort", "PointsDay", "PointsReading", "Recommendation"]
