"""The flows as Dagster assets: what Meltano runs, by legal entity, with its figures and checks."""
