"""How weights are called elsewhere and what they are called here, one file a method or family."""
