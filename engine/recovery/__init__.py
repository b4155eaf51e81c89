"""Recovery: a ladder of methods that bring back what few bits lose, each step converted and measured."""
