"""What can be known of rules before a message meets them: faults by line, rules that never fire, loops; how right they are."""
