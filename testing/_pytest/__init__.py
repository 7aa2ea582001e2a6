"""The modules of `maxim_gemini.testing.plugin`. None imports anything heavy until a fixture is used."""
