"""The bundled recordings, one YAML file per flow."""
