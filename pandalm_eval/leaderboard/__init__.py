"""A leaderboard: a folder of submissions, each checked by computing its figures anew."""
