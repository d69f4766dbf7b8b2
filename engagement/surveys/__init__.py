"""
Surveys: one question, answered once, without signing in.

`kinds` are the questions there are, one file each. `asking` words a survey and makes its links, `answering`
keeps what is said, `scores` (pure) and `results` tell what many answers come to.
"""
