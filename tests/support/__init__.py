"""What tests share: databases, operation scenarios, and other real parts."""
