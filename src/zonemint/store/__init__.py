"""Everything that must survive a restart: one module of SQL per noun, and the engine that runs it."""
