"""Everything around the functions: the local stack, the platforms' simulators, the dependency layer, the operator's command."""
