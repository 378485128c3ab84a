"""From the user's files to a published snapshot: project, compile, plan, run."""
