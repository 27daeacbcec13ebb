"""The page for people, at `/`: HTML of one report, without scripts or anything from elsewhere."""
