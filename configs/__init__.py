"""Settings, and the tables that operators edit: models, presets, profiles."""
