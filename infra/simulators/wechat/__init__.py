"""Parts of WeChat's side of an official account: whom it may still answer."""
