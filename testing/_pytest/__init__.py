"""The rooms behind `maxim_gemini.testing.plugin`. None of them imports anything heavy until a fixture is used."""
