from loyalty.earning import base


class Birthday(base.Bonus):
    """Points on the birthday, once a year."""

    kind = "birthday"
    label = "Birthday"
    role = "event"
    qualifies = False
