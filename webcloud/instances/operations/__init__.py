"""One file per verb; each reads from top to bottom as the story of that verb."""
