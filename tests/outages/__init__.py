"""What webcloud does while something it stands on is away: the database, the disk, the clock."""
