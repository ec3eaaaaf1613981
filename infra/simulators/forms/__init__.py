"""What the larger send APIs take beside text: shapes and limits, checked as the vendor checks them."""
