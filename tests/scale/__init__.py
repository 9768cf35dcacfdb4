"""What things cost, counted: messages and statements. Never times."""
