"""The page with the player: what it holds as data, and the parts that stand in it without a script too."""
